"""The report: what was measured, whether the aims were met, and how it was done."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.performance.machine import described
from experiments.performance.measure import REST_SECONDS, Sample
from experiments.performance.results import TOLERANCE, Aim, Case, Profile, Settings
from experiments.performance.training import ROUNDS

METHOD = f"""\
- All contenders of a row do the same work and take turns in one run of the program (A B C A B C ...); the table shows
  medians, with the quartiles in brackets.
- Before each repetition one thread waits for {REST_SECONDS} seconds, awake, so that those of whoever came before
  have come to rest.
- In rows 1 and 2 everybody but the peers, who need seconds, takes part in {ROUNDS} rounds of each turn: a few
  milliseconds are easily disturbed. Each round ends with the reads of 256 MiB, so gdexp, which begins it, finds
  none of its data in the cache.
- One read of the data is what its bytes take at memory bandwidth: that of one read of 256 MiB, as data of a few MiB
  stay in the processor's cache when they are read again. It is measured as all others are, and the aim counts in it.
  The fastest of ten such reads in a row, with all threads awake, is what the machine can do at best: in it, the ratio
  is larger.
- In rows 1 and 2 gdexp has done the work once before the clock starts, and memory that anybody gives back stays with
  the process. Otherwise some turns would pay for pages of the operating system that others have given back: in a
  virtual machine 17 MB of parameters can take as long as all the rest. Whole processes (row 6) pay for theirs.
- The ratio after a peer is its time divided by gdexp's: above 1, gdexp is faster. The ratio after a limit is gdexp's
  time divided by the limit's: near 1, nothing is left to gain. Below 1, gdexp has a shorter way: in row 9 it reads
  the files of the trajectories instead of the metric rows.
- Whether an aim was met is computed from the medians.
- Every row checks that the work was the same: losses agree with gdexp's within {TOLERANCE:g} relative, or the row
  fails. What was compared stands below the table.
- In rows 1 and 2 everybody is asked for every loss. The peers have a step's parameters when they compute its loss, and
  keep none but the last. gdexp computes gaps and gradient norms besides, and no parameters, not even the last, until
  somebody looks at them, as every recorded run does: "all parameters too" is the time for all of it with them.
- Everybody computes in float64 and on the whole data at every step. The peers iterate over the data, as their users
  write it; none of them forms X^T X first. JAX is compiled and has its copy of the data before the clock starts;
  PyTorch has taken a first step.
- scikit-learn is in no row: `SGDRegressor` updates on single samples and `LinearRegression` solves without steps, so
  neither has these losses.
- Whole processes are fresh ones, from start to exit, with Python's bytecode and the file system's cache warm. Peak
  memory is the resident memory of such a process at its highest, as the system reports it at its end.
- "first use" begins in an empty folder, everything else with a store that exists. MLflow's telemetry is off for all.
- Scripts by hand are `by_hand.py`: NumPy, `MlflowClient.log_batch`, Matplotlib. They record less than gdexp in rows 6
  to 8 (few params, no dataset, no environment, one figure or none), and the same metrics, params and dataset in rows 4
  and 5.
- The file of row 3 fits into the cache of the file system where memory is large; gdexp and the scan profit alike.
- Raw inserts (rows 4, 5, 8) go into a fresh copy of the store's schema with the same indexes, in one transaction.
- Profiles slow down Python's own functions more than compiled ones, and see the main thread only: read the shares,
  not the seconds."""


def page(cases: Sequence[Case], settings: Settings, figures: Sequence[str]) -> str:
    """Return the report in Markdown."""
    quick = "\n**A quick run with tiny sizes: it shows that the program works, and its numbers mean nothing.**\n"
    sections = [
        "# Performance\n" + quick * settings.quick,
        "gdexp, what its users would take otherwise, and the least that the work can cost, measured side by side by "
        "`make bench`.\n",
        "## Results\n",
        table(["row", "work", "gdexp", "peers", "limit", "aims"], [_line(case) for case in cases]),
        *(f"![{name.removesuffix('.png')}](figures/{name})\n" for name in figures),
        "## What was compared\n",
        "\n".join(_checked(case) for case in cases) + "\n",
        _profiles(cases),
        "## Machine\n",
        table(["", ""], described()),
        "## How it was measured\n",
        f"{settings.repetitions} repetitions.\n\n{METHOD}",
    ]
    return "\n".join(section for section in sections if section) + "\n"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows) + "\n"


def seconds(value: float) -> str:
    """Return a time with three digits in a unit that suits it."""
    unit, number = ("s", value) if value >= 1 else ("ms", 1e3 * value) if value >= 1e-3 else ("us", 1e6 * value)
    return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"


def ratio(value: float) -> str:
    """Return a ratio as it is read: two or three digits."""
    return f"{value:,.0f}x" if value >= 100 else f"{value:.3g}x"


def _line(case: Case) -> list[str]:
    if case.skipped:
        return [str(case.row), case.work, f"not measured: {case.skipped}", "", "", ""]
    ours = case.of("gdexp")[0]

    def cell(role: str) -> str:
        lines = []
        for one in case.samples:
            if one.role == role:
                text = one.missing or _time(one)
                if one.seconds and role != "gdexp" and role != "reference":
                    text += f" = **{ratio(one.median / ours.median if role == 'peer' else ours.median / one.median)}**"
                lines.append(text if role == "gdexp" else f"{one.name}: {text}")
        return "<br>".join(lines)

    own = "<br>".join(text for text in (cell("gdexp"), cell("reference")) if text)
    return [str(case.row), case.work, own, cell("peer"), cell("limit"), "<br>".join(map(_aim, case.aims))]


def _time(sample: Sample) -> str:
    low, high = sample.quartiles
    memory = f", peak {sample.peak / 2**20:,.0f} MiB" if sample.peak else ""
    return f"{seconds(sample.median)} [{seconds(low)} - {seconds(high)}]{memory}" + (
        f" ({sample.note})" if sample.note else ""
    )


def _aim(aim: Aim) -> str:
    return f"{aim.text}: {aim.value:,.3g}, {'met' if aim.met else '**missed**'}"


def _checked(case: Case) -> str:
    return f"- row {case.row}, {case.work}: {case.checked or 'nothing'}"


def _profiles(cases: Sequence[Case]) -> str:
    found = [profile for case in cases for profile in case.profiles]
    return "\n".join(["## Where the time goes\n", *map(_profile, found)]) if found else ""


def _profile(profile: Profile) -> str:
    lines = [(one.where, f"{one.seconds:.3g}", f"{100 * one.seconds / profile.total:.0f}%") for one in profile.shares]
    return f"{profile.what}: {profile.total:.3g} s\n\n" + table(["where", "seconds", "share"], lines)

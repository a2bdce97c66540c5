"""`python -m gdexp.report`: what a recorded sweep showed, as pages, figures and numbers that regenerate."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gdexp.command import UsageError, command, parser, store_of
from gdexp.plots import FORMATS
from gdexp.report.claims import Verdict
from gdexp.report.content import Reported
from gdexp.report.report import prepare, write
from gdexp.report.study import read_study
from gdexp.terminal import say
from gdexp.tracking import Store
from gdexp.tracking.read import RecordedSweep, find_sweep

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run `python -m gdexp.report`: exit 0 done, 1 failed, 2 nothing to report on, 130 interrupted."""
    made = parser("gdexp.report", "Write a report on a recorded sweep, check published claims against it, record it.")
    made.add_argument(
        "sweep",
        metavar="SWEEP",
        nargs="*",
        help="a sweep's parent run id, or a study's name; without it the latest sweep; two stand side by side",
    )
    made.add_argument("--out", metavar="DIR", type=Path, help="the folder to write to (default: report-NAME)")
    made.add_argument("--format", choices=FORMATS, default="png", help="the format of the figures (default: png)")
    made.add_argument("--latex", action="store_true", help="write the outcome table as table.tex, too")
    made.add_argument(
        "--claims", metavar="FILE", type=Path, help="the claims to check (default: experiments/STUDY/claims.yaml)"
    )
    with command("gdexp.report"):
        options = made.parse_args()
        if len(options.sweep) > 2:
            raise UsageError(f"a report is on one sweep or two; got {len(options.sweep)}")
        store = store_of(options)
        sweeps = [find_sweep(store, name) for name in options.sweep or [None]]
        if len({sweep.parent.run_id for sweep in sweeps}) < len(sweeps):
            raise UsageError("the two are one and the same sweep; name two by the ids of their parent runs")
        claims = [options.claims or claims_of(sweep.study) for sweep in sweeps]
        studies = [read_study(path) if path else None for path in claims]
        name = "report-" + "-and-".join(_slug(sweep) for sweep in sweeps)
        folder = options.out or Path(name)
        with tempfile.TemporaryDirectory(prefix="gdexp-") as scratch:
            draft = Path(scratch) / "report"
            draft.mkdir()
            reported = prepare(sweeps, studies, draft, options.format)
            write(reported, draft, latex=options.latex)
            _deliver(draft, folder)
            say_findings(reported)
            say(f"report: {folder / 'report.html'}, report.md, results.csv and figures")
            record(store, sweeps, draft, "report" if len(sweeps) == 1 else name)


def claims_of(study: str | None) -> Path | None:
    """Return the file with the claims of `study`, here or else in the checkout; None if there is none."""
    # The name is whatever a store says: it may lead nowhere else.
    if study is None or not re.fullmatch(r"[\w-]+", study):
        return None
    places = [root / "experiments" / study / "claims.yaml" for root in (Path(), CHECKOUT)]
    return next((place for place in places if place.is_file()), None)


def say_findings(reported: Sequence[Reported]) -> None:
    """Print what came of each claim."""
    for one in reported:
        for finding in one.findings:
            said = f"{finding.verdict.value:15} {finding.claim_id}" + (f": {finding.what}" if finding.what else "")
            if finding.verdict is Verdict.NOT_CHECKABLE:
                say(f"{said}: {finding.why}")
                continue
            said += f": published {finding.published}, here {finding.ours}"
            if finding.verdict is Verdict.NOT_REPRODUCED:
                said += f", difference {finding.difference}" * bool(finding.difference)
            say(f"{said} ({finding.why})" if finding.why else said)


def record(store: Store, sweeps: Sequence[RecordedSweep], folder: Path, name: str) -> None:
    """Keep the files in `folder` with the parent run of each sweep, as its artifacts `name/*`."""
    for sweep in sweeps:
        store.backend.log_artifacts(sweep.parent.run_id, folder, name)
        say(f"recorded on run {sweep.parent.run_id}")


def _slug(sweep: RecordedSweep) -> str:
    return re.sub(r"[^\w-]", "_", sweep.study or sweep.parent.run_id[:8])


def _deliver(draft: Path, folder: Path) -> None:
    """Copy what is in `draft` to `folder`, made where it is missing, in place of an earlier report there."""
    try:
        if (folder / "report.html").is_file():
            shutil.rmtree(folder / "figures", ignore_errors=True)
            (folder / "table.tex").unlink(missing_ok=True)
        shutil.copytree(draft, folder, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise UsageError(f"--out takes a folder that can be written; got {str(folder)!r}: {error}") from None


if __name__ == "__main__":
    main()

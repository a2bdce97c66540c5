"""Where a sweep's numbers come from: what was typed, on which data, with which program and packages."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

from gdexp.report.numbers import count
from gdexp.tracking import TrackingError
from gdexp.tracking.context import TREES
from gdexp.tracking.read import AXES, COMMAND, RecordedRun, RecordedSweep, artifact
from gdexp.tracking.recorded import of_tags


@dataclass(frozen=True)
class Provenance:
    """What it takes to have a sweep's numbers again; nothing in it depends on when or where it was run."""

    commands: tuple[str, ...]
    data: tuple[str, ...]
    versions: tuple[str, ...]


def provenance(sweep: RecordedSweep) -> Provenance:
    """Return where the numbers of `sweep` come from, as far as it was recorded."""
    typed = typed_arguments(sweep.parent)
    if typed is None:
        command = "# recorded by a program of its own, with gdexp.record"
    else:
        command = shlex.join(["python", "-m", "gdexp", *typed])
    named = sweep.study or ("" if AXES in sweep.parent.tags else "RUN")
    report = f"python -m gdexp.report {named}".strip()
    trees = sorted({run.tags[TREES] for run in sweep.runs if TREES in run.tags})
    versions = sorted({f"gdexp {run.tags['gdexp.version']}" for run in sweep.runs if "gdexp.version" in run.tags})
    return Provenance(
        (command, report),
        tuple(dict.fromkeys(_data(run) for run in sweep.runs if run.data)),
        (*versions, *(f"git trees: {text}" for text in trees), *_packages(sweep)),
    )


def typed_arguments(parent: RecordedRun) -> list[str] | None:
    """Return what was typed after `python -m gdexp`, without where it was recorded and where its data lie.

    None where that was not recorded.
    """
    if COMMAND not in parent.tags:
        return None
    try:
        typed = shlex.split(of_tags(COMMAND, parent.tags))[3:]
    except ValueError:  # a command line that was cut, or changed
        return None
    kept = [argument for argument in typed if not argument.lstrip("+").startswith("tracking.")]
    return [re.sub(r"^(\+*data\.path=)/\S*/", r"\1", argument) for argument in kept]


def departures(sweep: RecordedSweep) -> list[str]:
    """Return what was typed for a study beyond its name: it is not run as the study says then."""
    typed = typed_arguments(sweep.parent) or []
    return [argument for argument in typed if sweep.study and argument != f"experiment={sweep.study}"]


def _data(run: RecordedRun) -> str:
    assert run.data is not None
    data = run.data
    columns = ", ".join(f"{name} ({unit})" if (unit := data.units.get(name)) else name for name in data.features)
    target = f"{data.target} ({data.units[data.target]})" if data.units.get(data.target) else data.target
    return f"Data {data.name}: {count(data.rows, 'row')}, {columns} to predict {target}; SHA-256 {data.sha256}."


def _packages(sweep: RecordedSweep) -> Sequence[str]:
    """Return the recorded versions of the packages that gdexp itself asks for, from the first run that has them.

    Extras are not among them: they say where the work is done, and their presence would change a report.
    """
    required = [text for text in metadata.requires("gdexp") or [] if "extra ==" not in text]
    names = {re.split(r"[^\w-]", text, maxsplit=1)[0].lower() for text in required}
    for run in sweep.finished[:1]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                text = artifact(sweep.store, run, "environment.txt", folder).read_text(encoding="utf-8")
            except TrackingError:
                return ["the packages were not recorded"]
        return [line for line in text.splitlines() if line.partition("==")[0] in names]
    return []

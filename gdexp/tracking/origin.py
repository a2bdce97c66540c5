"""What is not as it was when a run was recorded: its data, the program, the packages that decide numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gdexp.tracking.context import TREES, context_tags, environment_text
from gdexp.tracking.read import RecordedRun

COMMIT, DIRTY = "mlflow.source.git.commit", "mlflow.source.git.dirty"
CHANGES = "with uncommitted changes"
DECISIVE = ("gdexp", "hydra-core", "numpy", "omegaconf", "pandas", "pyarrow")
"""The packages whose version may decide a number."""


def differences_of_origin(run: RecordedRun, sha256: str, environment: str | None) -> list[str]:
    """Return a line for whatever is not as `run` recorded it, or was not recorded.

    `sha256` is the hash of the data now, `environment` the text of the run's environment.txt, None if there is none.
    """
    texts = [_data(run, sha256), _program(run.tags, context_tags())]
    texts += ["the packages were not recorded"] if environment is None else _packages(environment, environment_text())
    return [text for text in texts if text]


def _data(run: RecordedRun, sha256: str) -> str:
    if run.data is None:
        return "the hash of the data was not recorded"
    if run.data.sha256 == sha256:
        return ""
    return f"the data are not the recorded ones: sha256 {sha256[:12]}... now, {run.data.sha256[:12]}... recorded"


def _program(recorded: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Compare the git trees of the program, which a commit of anything else does not change, else the commits."""
    key = TREES if TREES in recorded else COMMIT
    was, here = _state(recorded, key), _state(now, key)
    if was is None:
        return "the commit was not recorded: the program was not run from a git checkout"
    if was != here:
        return f"the program is not the recorded one: {here or 'not from a git checkout'} now; {was} recorded"
    return (
        f"the program had uncommitted changes, as it has now: they may not be the same ({was})"
        if CHANGES in was
        else ""
    )


def _state(tags: Mapping[str, str], key: str) -> str | None:
    """Return the program's state as a text with short hashes, None where `tags` do not have it."""
    if key not in tags:
        return None
    text = tags[key]
    if key == COMMIT:
        text = f"commit {text}" + f", {CHANGES}" * (tags.get(DIRTY) == "true")
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b", r"\1", text)


def _packages(recorded: str, now: str) -> list[str]:
    was, here = _versions(recorded), _versions(now)
    return [
        f"{name} {here[name]} is {verb}, {was.get(name, 'none')} was recorded"
        for name, verb in {"Python": "running", "platform": "here", **dict.fromkeys(DECISIVE, "installed")}.items()
        if name in here and was.get(name) != here[name]
    ]


def _versions(environment: str) -> dict[str, str]:
    """Return the versions by name that environment.txt lists, with those of Python and of the platform."""
    found = {}
    for line in environment.splitlines():
        if line.startswith("# Python "):
            found["Python"] = line.removeprefix("# Python ").strip()
        elif line.startswith("# "):
            found["platform"] = line.removeprefix("# ").strip()
        else:
            name, _, version = line.partition("==")
            found[name.strip().lower().replace("_", "-")] = version.strip()
    return found

"""A run as a store has it, and the tags that say what it belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gdexp.tracking.errors import TrackingError

KEY_LENGTH, PARAM_LENGTH, TAG_LENGTH = 250, 6000, 8000
"""The longest name, param and tag that MLflow stores whole."""
SWEPT = "gdexp.swept."
"""Prefix of the tags that say what a child's own values are, a tag for each swept key."""
JOB = "gdexp.job"
"""The tag with a child's place in its sweep."""
AXES = "gdexp.axes"
"""The tag of a sweep's parent that lists the swept keys, as JSON."""
RUNS = "gdexp.runs"
"""The tag of a sweep's parent that says how many runs it was to have."""
STUDY = "gdexp.experiment"
"""The tag with the study's name, of a sweep's parent or of a run that belongs to no sweep."""
COMMAND = "gdexp.command"
"""The tag with what was typed, of a sweep's parent or of a run that belongs to no sweep; see `in_tags`."""
ARGUMENTS = "gdexp.arguments"
"""The tag of a sweep's parent with the arguments that were typed, as a JSON list; see `in_tags`."""
SWEEP_HASH = "gdexp.sweep_hash"
"""The tag of a sweep's parent with the hash of everything that decides the numbers of all its runs."""
CONFIG_HASH = "gdexp.config_hash"
"""The tag with the hash of everything that decides a run's numbers."""
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
"""The tag with the description that the UI shows, in Markdown."""


def in_tags(key: str, text: str) -> dict[str, str]:
    """Return the tag `key` with `text`; what it does not hold goes on in others, `key`.1, `key`.2 and so on."""
    parts = [text[first : first + TAG_LENGTH] for first in range(0, len(text), TAG_LENGTH)]
    return {f"{key}.{place}" if place else key: part for place, part in enumerate(parts)}


def of_tags(key: str, tags: Mapping[str, str]) -> str:
    """Return the text that `in_tags` put into tags; raises KeyError where there is none."""
    text, place = tags[key], 1
    while more := tags.get(f"{key}.{place}"):
        text, place = text + more, place + 1
    return text


@dataclass(frozen=True, eq=False)
class RecordedData:
    """The dataset of a run as it was recorded: its SHA-256, how many rows, its columns and their units."""

    name: str
    sha256: str
    rows: int
    features: tuple[str, ...]
    target: str
    units: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run as the store has it; `metrics` holds each metric's last value, `data` is None where none was recorded."""

    run_id: str
    name: str
    status: str
    experiment_id: str = field(repr=False)
    artifact_uri: str = field(repr=False)
    params: Mapping[str, str] = field(repr=False)
    metrics: Mapping[str, float] = field(repr=False)
    tags: Mapping[str, str] = field(repr=False)
    data: RecordedData | None = field(repr=False)

    @property
    def job(self) -> int:
        """The run's place in its sweep, from 0; raises TrackingError where the tag that says it was changed."""
        return self.count(JOB, 0)

    def count(self, tag: str, default: int) -> int:
        """Return the whole number that a tag holds; raises TrackingError where it holds something else."""
        text = self.tags.get(tag, str(default))
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise self.not_ours(tag)
        return int(text)

    def not_ours(self, tag: str) -> TrackingError:
        """Return the error that a tag does not hold what gdexp writes there."""
        return TrackingError(f"the run {self.run_id} is not as gdexp recorded it: its tag {tag} is {self.tags[tag]!r}")

    @property
    def finished(self) -> bool:
        """Whether the run was carried out to its end."""
        return self.status == "FINISHED"

    @property
    def swept(self) -> dict[str, str]:
        """The values that set this run apart from the others of its sweep, by key."""
        return {key.removeprefix(SWEPT): value for key, value in self.tags.items() if key.startswith(SWEPT)}

    def value(self, key: str) -> str:
        """Return the run's value of a swept key: what was typed for it, else what the configuration said."""
        return self.swept.get(key) or self.params.get(key) or self.params.get(f"{key}.name", "-")


def recorded_data(name: str, profile: str | None) -> RecordedData | None:
    """Return the dataset called `name` that `profile` tells of, None where it is somebody else's."""
    try:
        known: Any = json.loads(profile or "{}")
        sha256, rows, features, target = (known[key] for key in ("sha256", "rows", "features", "target"))
        units = known.get("units", {})
        texts = [sha256, target, *features, *units.keys(), *units.values()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if not isinstance(rows, int) or not isinstance(features, list) or not all(isinstance(text, str) for text in texts):
        return None
    return RecordedData(name, sha256, rows, tuple(features), target, units)


def local_path(artifact_uri: str) -> Path | None:
    """Return the folder that `artifact_uri` names on this machine, None where it is elsewhere."""
    if artifact_uri.startswith("/"):
        return Path(artifact_uri)
    parts = urlsplit(artifact_uri)
    if parts.scheme not in ("", "file") or parts.netloc:
        return None
    return Path(unquote(parts.path) if parts.scheme else artifact_uri)

"""Where runs are recorded, and how much of them becomes metrics."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from gdexp.core.checks import whole_number
from gdexp.core.errors import ParameterError

DEFAULT_URI = "sqlite:///mlflow.db"
QUOTES = "\"'])},;"
_IN_QUERY = re.compile(r"((?:passw(?:or)?d|pwd|token|secret|(?:api|access)_?key)\w{0,40}=)([^&\s]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Tracking:
    """The keys of `tracking.*`.

    `uri` is the MLflow tracking URI, `experiment` the MLflow experiment; at most `max_parameters` parameters get a
    metric of their own; the metrics hold every step that is a multiple of `every`, besides the first and the last.
    `patience` is how many seconds a store is waited for that goes away.
    """

    uri: str | None = None
    experiment: str = "gdexp"
    max_parameters: int = 8
    every: int = 1
    patience: int = 90

    def __post_init__(self) -> None:
        if self.uri is not None and not (isinstance(self.uri, str) and self.uri.strip()):
            raise ParameterError("uri", "an MLflow tracking URI, or null for the default", self.uri)
        if not isinstance(self.experiment, str) or not self.experiment.strip() or len(self.experiment) > 500:
            raise ParameterError("experiment", "a name of 1 to 500 characters", self.experiment)
        object.__setattr__(self, "max_parameters", whole_number("max_parameters", self.max_parameters, least=0))
        object.__setattr__(self, "every", whole_number("every", self.every, least=1))
        object.__setattr__(self, "patience", whole_number("patience", self.patience, least=0))

    @property
    def resolved_uri(self) -> str:
        """The URI in force: the one given, else MLFLOW_TRACKING_URI, else a SQLite file in the working directory."""
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def masked(text: str) -> str:
    """Return `text` with the credentials of every URI in it replaced by ***."""
    if "://" in text or "%40" in text:
        text = re.sub(r"\S+", _without_user, text)
    if "=" in text:
        text = _IN_QUERY.sub(_without_value, text)
    return text


def _without_user(word: re.Match[str]) -> str:
    """Mask up to the last @: passwords that hold one, or a slash, are typed without the escapes that they need."""
    text = word[0]
    for begin, end in (("://", "@"), ("%3A%2F%2F", "%40"), ("%3a%2f%2f", "%40")):
        before, found, after = text.partition(begin)
        if end in after:
            text = f"{before}{found}***{end}{after.rpartition(end)[2]}"
    return text


def _without_value(found: re.Match[str]) -> str:
    """Mask the value; quotes and brackets at its end are of the text around it, which is to stay what it is."""
    key, value = found.groups()
    return f"{key}***{value[len(value.rstrip(QUOTES)) :]}"

"""Where runs are recorded, and how much of them becomes metrics."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from gdexp.core.checks import whole_number
from gdexp.core.errors import ParameterError

DEFAULT_URI = "sqlite:///mlflow.db"


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
    if "//" not in text and "=" not in text:
        return text
    # Up to the last @, because passwords that hold one, or a slash, are typed without the escapes that they need.
    text = re.sub(r"(?<=//)\S*@", "***@", text)
    return re.sub(r"(?i)\b(password|passwd|pwd|token|secret|api_?key)=[^&\s]+", r"\1=***", text)

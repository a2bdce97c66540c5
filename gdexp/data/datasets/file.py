"""A user's own CSV or Parquet file."""

from __future__ import annotations

import difflib
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gdexp.core.errors import DataError, ParameterError
from gdexp.data.files import column_names, read, shown
from gdexp.data.source import Source, Table, distinct_names

LISTED = 12
"""How many of a file's columns an error names."""


@dataclass(frozen=True)
class File(Source):
    """The rows of `path`, a CSV or Parquet file: `target` and `features` are names of its columns.

    Without `features` every other column is one. A relative path starts at the working directory.
    """

    path: str | None = None
    target: str | None = None
    features: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.path, str) or Path(self.path).suffix.lower() not in (".csv", ".parquet"):
            raise ParameterError("path", "the path of a file that ends in .csv or .parquet", self.path)
        if not isinstance(self.target, str):
            raise ParameterError("target", "the name of the column to predict", self.target)
        if self.features is not None:
            object.__setattr__(self, "features", distinct_names("features", self.features))
            if self.target in self.features:
                takes = f"columns other than the target {shown(self.target)}"
                raise ParameterError("features", takes, list(self.features))

    def version(self) -> tuple[int, int]:
        """Return when the file was last changed and its size; raises ParameterError where it is no file."""
        takes = "the path of a file that can be read"
        try:
            status = Path(str(self.path)).stat()
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            reason = error.strerror if isinstance(error, OSError) else "A path holds no NUL"
            hint = f"{reason}. A relative path starts at the working directory {str(Path.cwd())!r}."
            raise ParameterError("path", takes, self.path, hint) from None
        if not stat.S_ISREG(status.st_mode):
            what = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise ParameterError("path", takes, self.path, f"This is {what}.")
        return status.st_mtime_ns, status.st_size

    def table(self) -> Table:
        """Return the names and rows; raises ParameterError for a column that is not there, DataError for a fault."""
        self.version()
        path, target = str(self.path), str(self.target)
        columns = column_names(path)
        check_column("target", target, columns, path)
        for name in self.features or ():
            check_column("features", name, columns, path)
        features = self.features or tuple(name for name in columns if name != target)
        if not features:
            raise DataError(f"{path!r} has no column besides the target {shown(target)}. Add a feature.")
        return Table(features, target, partial(read, path, features, target))


def check_column(key: str, name: str, columns: list[str], path: str) -> None:
    """Raise ParameterError where `columns` do not hold `name`, with those that there are, the nearest ones first."""
    if name in columns:
        return
    near = difflib.get_close_matches(name, columns)
    ordered = [*near, *(column for column in columns if column not in near)]
    listed = ", ".join(shown(column) for column in ordered[:LISTED])
    more = f" and {len(ordered) - LISTED} more" if len(ordered) > LISTED else ""
    hint = f"Did you mean {shown(near[0])}?" if near else ""
    raise ParameterError(key, f"a column of {path!r}, which has {listed}{more}", name, hint)

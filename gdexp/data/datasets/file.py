"""A user's own CSV or Parquet file, or many of them that belong together."""

from __future__ import annotations

import difflib
import stat
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from gdexp.core.errors import DataError, ParameterError
from gdexp.core.factor import Chunk
from gdexp.data.files import column_names, has_rows, read, shown
from gdexp.data.memory import check_memory
from gdexp.data.parts import SUFFIXES, part_files
from gdexp.data.source import Source, Table, distinct_names

LISTED = 12
"""How many of a file's columns an error names."""
COMPARED = 200
"""How many columns, and letters of them, are searched for what may have been meant."""


@dataclass(frozen=True)
class File(Source):
    """The rows of `path`, a CSV or Parquet file: `target` and `features` are names of its columns.

    A folder, or a pattern with *, stands for the rows of all its files by name, which must have the same columns.

    Without `features` every other column is one. A relative path starts at the working directory.
    """

    path: str | None = None
    target: str | None = None
    features: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        # A name without a suffix is that of a folder.
        if not isinstance(self.path, str) or not self.path or Path(self.path).suffix.lower() not in ("", *SUFFIXES):
            raise ParameterError("path", "the path of a file that ends in .csv or .parquet", self.path)
        if not isinstance(self.target, str):
            raise ParameterError("target", "the name of the column to predict", self.target)
        if self.features is not None:
            object.__setattr__(self, "features", distinct_names("features", self.features))
            if self.target in self.features:
                takes = f"columns other than the target {shown(self.target)}"
                raise ParameterError("features", takes, list(self.features))

    def version(self) -> Hashable:
        """Return when the file was last changed and its size, for each where they are several.

        Raises ParameterError where one is no file.
        """
        files = part_files(str(self.path))
        return tuple((file, self._file_version(file)) for file in files) or self._file_version(str(self.path))

    def _file_version(self, path: str) -> tuple[int, int]:
        takes = "the path of a file that can be read"
        of_no_use = "" if Path(path).suffix else " that holds no .csv and no .parquet file"
        try:
            status = Path(path).stat()
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            reason = error.strerror if isinstance(error, OSError) else "A path holds no NUL"
            hint = f"{reason}. A relative path starts at the working directory {str(Path.cwd())!r}."
            raise ParameterError("path", takes, self.path, hint) from None
        if not stat.S_ISREG(status.st_mode):
            what = f"a directory{of_no_use}" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise ParameterError("path", takes, self.path, f"This is {what}.")
        return status.st_mtime_ns, status.st_size

    def table(self) -> Table:
        """Return the names and rows; raises ParameterError for a column that is not there, DataError for a fault."""
        self.version()
        found, target = part_files(str(self.path)), str(self.target)
        # Programs that write many files at once leave some of them empty.
        files = [file for file in found if has_rows(file)] or found[:1]
        path = files[0] if files else str(self.path)
        columns = column_names(path)
        check_column("target", target, columns, path)
        for name in self.features or ():
            check_column("features", name, columns, path)
        features = self.features or tuple(name for name in columns if name != target)
        if not features:
            raise DataError(f"{path!r} has no column besides the target {shown(target)}. Add a feature.")
        check_memory(len(features), "Choose some of them with data.features.")
        if not files:
            return Table(features, target, partial(read, path, features, target))
        parts = [partial(read_part, file, features, target, self.features is None) for file in files]
        without = len(found) - len(files)
        note = f"{without} of the {len(found)} files {'has' if without == 1 else 'have'} no row." if without else ""
        return Table(features, target, lambda: chain.from_iterable(read() for read in parts), note=note, parts=parts)


def read_part(path: str, features: tuple[str, ...], target: str, all_columns: bool) -> Iterator[Chunk]:
    """Yield the rows of one of several files; raises DataError where its columns are not those of the first.

    With `all_columns` they must be no others.
    """
    columns = column_names(path)
    lacks = [name for name in (*features, target) if name not in columns]
    more = [name for name in columns if name not in features and name != target] if all_columns else []
    if lacks or more:
        fault = f"lacks the column {shown(lacks[0])}" if lacks else f"has the column {shown(more[0])}"
        raise DataError(
            f"{path!r} {fault}, unlike the first of the files. Give all the same columns, or name data.features."
        )
    yield from read(path, features, target)


def check_column(key: str, name: str, columns: list[str], path: str) -> None:
    """Raise ParameterError where `columns` do not hold `name`, with those that there are, the nearest ones first."""
    if name in columns:
        return
    # To compare all of many or long names would take for ever.
    near = difflib.get_close_matches(name[:COMPARED], [text for text in columns[:COMPARED] if len(text) <= COMPARED])
    ordered = [*near, *(column for column in columns if column not in near)]
    listed = ", ".join(shown(column) for column in ordered[:LISTED])
    more = f" and {len(ordered) - LISTED} more" if len(ordered) > LISTED else ""
    hint = f"Did you mean {shown(near[0])}?" if near else ""
    raise ParameterError(key, f"a column of {path!r}, which has {listed}{more}", name[:COMPARED], hint)

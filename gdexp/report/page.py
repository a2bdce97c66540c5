"""Write a report's sections as one self-contained HTML page and as Markdown."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gdexp.report.blocks import Section
from gdexp.terminal import visible

if TYPE_CHECKING:
    from jinja2 import Environment

MEDIA = {".png": "image/png", ".svg": "image/svg+xml"}


def html(title: str, sections: Sequence[Section]) -> str:
    """Return the page with its pictures inside: it opens offline, runs no script, and every name in it is escaped."""
    return _environment(autoescape=True).get_template("report.html.jinja").render(title=title, sections=sections)


def markdown(title: str, sections: Sequence[Section]) -> str:
    """Return the same in Markdown, with links to the pictures in the folder `figures` beside it."""
    return _environment(autoescape=False).get_template("report.md.jinja").render(title=title, sections=sections)


def _environment(*, autoescape: bool) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("gdexp.report"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    made.filters |= {
        "data_uri": data_uri,
        "md": escaped,
        "row": row,
        "fenced": fenced,
        "link": link,
    }
    return made


def _shown(value: Any) -> Any:
    # A picture's address has a hundred thousand characters, which isprintable looks through at once.
    return visible(value) if isinstance(value, str) and not value.isprintable() else value


def data_uri(picture: Path) -> str:
    """Return a picture's content as an address that needs no file."""
    return f"data:{MEDIA[picture.suffix]};base64,{base64.b64encode(picture.read_bytes()).decode()}"


def escaped(text: str) -> str:
    """Return `text` as one line of Markdown that shows it letter by letter."""
    line = re.sub(r"([\\`*\[\]<>#|~$!&])", r"\\\1", " ".join(text.split()))
    line = re.sub(r"^(\d*)([-+.)] )", r"\1\\\2", line)
    # An underscore within a word is only an underscore.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)


def row(cells: Sequence[str]) -> str:
    """Return the line of a Markdown table."""
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def fenced(lines: Sequence[str]) -> str:
    """Return a code block of `lines`, between fences that none of them can close."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([fence, *lines, fence])


def link(picture: Path) -> str:
    """Return the address of a picture from the folder that the report stands in."""
    return quote(f"{picture.parent.name}/{picture.name}")

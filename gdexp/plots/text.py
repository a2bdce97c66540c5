"""Text on figures: names shown as they are, shortened and wrapped to a width, and numbers in few digits."""

from __future__ import annotations

import textwrap
from functools import lru_cache

from matplotlib.font_manager import FontProperties, findfont, get_font

FONT = "DejaVu Sans"
"""The font that matplotlib brings along, so that figures look alike everywhere."""
LONGEST_NAME = 28
UNKNOWN = "□"


def plain(text: str) -> str:
    """Return `text` such that it is drawn letter by letter.

    A dollar starts no formula, a line break is a space, what the font lacks becomes a box, and an underscore in
    front does not hide a legend's entry.
    """
    known = _letters()
    shown = "".join(letter if ord(letter) in known else UNKNOWN for letter in " ".join(text.split()))
    return (" " * shown.startswith("_") + shown).replace("$", r"\$")


def shorten(text: str, most: int = LONGEST_NAME) -> str:
    """Return `text` in at most `most` letters; what is too long loses its middle to an ellipsis."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def short(value: float, digits: int = 4) -> str:
    """Return `value` in so many significant digits, with a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def wrapped(text: str, size: float, inches: float) -> list[str]:
    """Return `text` as lines that are at most `inches` wide in letters of `size` points."""
    letters = max(8, int(inches * 72 / (0.5 * size)))
    while True:
        lines = textwrap.wrap(text, letters, break_on_hyphens=False)
        if letters == 8 or all(width(line, size) <= inches for line in lines):
            return lines
        letters = max(8, int(0.95 * letters))


@lru_cache(maxsize=1000)
def width(text: str, size: float) -> float:
    """Return how wide `text`, one line, is in letters of `size` points, in inches."""
    font = get_font(findfont(FontProperties(family=FONT)))
    font.set_size(size, 72)
    font.set_text("".join(letter if ord(letter) in _letters() else UNKNOWN for letter in text))
    return float(font.get_width_height()[0]) / 64 / 72


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())

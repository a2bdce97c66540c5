from __future__ import annotations

from collections.abc import Callable

import pytest
from matplotlib.figure import Figure

from gdexp.core.factor import Array
from gdexp.plots.text import plain, short, shorten, width, wrapped


@pytest.mark.parametrize(
    ("given", "shown"),
    [("$x^2$", "$x^2$"), ("a $ b", "a $ b"), ("two\nlines", "two lines"), ("_hidden", " _hidden"), ("重 kg", "□ kg")],
)
def test_a_name_is_drawn_letter_by_letter(
    given: str, shown: str, texts_on: Callable[[Figure], list[tuple[str, Array]]]
) -> None:
    figure = Figure()
    figure.text(0.5, 0.5, plain(given))
    assert [text for text, _ in texts_on(figure)] == [shown]


def test_a_long_name_keeps_both_its_ends() -> None:
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 10) == "abcde…hijk"
    assert all(len(shorten("x" * 50, most)) == most for most in range(2, 30))


def test_numbers_are_short_with_a_true_minus_sign() -> None:
    assert [short(-4.5691095), short(303.714), short(1e-7)] == ["−4.569", "303.7", "1e−07"]


@pytest.mark.parametrize("text", ["word " * 60, "x" * 400, "重" * 100, ""])
def test_lines_are_no_wider_than_asked_and_lose_no_letter(text: str) -> None:
    lines = wrapped(text, 8, 3)
    assert all(width(line, 8) <= 3 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())

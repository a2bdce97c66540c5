from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from gdexp.core.factor import Array
from gdexp.plots.ticks import logarithmic, symmetric, whole


def labels(figure: Figure, texts_on: Callable[[Figure], list[tuple[str, Array]]]) -> list[str]:
    return [text for text, _ in texts_on(figure)]


def test_powers_of_ten_are_plain_text(texts_on: Callable[[Figure], list[tuple[str, Array]]]) -> None:
    figure = Figure()
    panel = figure.subplots()
    panel.set_xticks([])
    logarithmic(panel, "y")
    panel.set_ylim(0.5e-2, 2e1)
    assert labels(figure, texts_on) == ["10⁻²", "10⁻¹", "10⁰", "10¹"]
    panel.set_ylim(1.5, 4.5)
    assert "2×10⁰" in labels(figure, texts_on)


def test_a_symmetric_axis_has_no_tick_amid_its_linear_part(
    texts_on: Callable[[Figure], list[tuple[str, Array]]],
) -> None:
    figure = Figure()
    panel = figure.subplots()
    panel.set_xticks([])
    panel.set_ylim(-2e4, 2e4)
    symmetric(panel, "y", 1000)
    assert labels(figure, texts_on) == ["−10⁴", "−10³", "0", "10³", "10⁴"]


def test_steps_are_whole_numbers(texts_on: Callable[[Figure], list[tuple[str, Array]]]) -> None:
    figure = Figure()
    panel = figure.subplots()
    panel.set_yticks([])
    panel.set_xlim(0, 3)
    whole(panel)
    assert labels(figure, texts_on) == ["0", "1", "2", "3"]

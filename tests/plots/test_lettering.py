from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure

from gdexp.plots import lettering
from gdexp.plots.lettering import LetteringRenderer
from gdexp.plots.style import STYLE


def pixels(kind: type[RendererAgg], *texts: tuple[float, str, dict[str, object]]) -> np.ndarray:
    figure = Figure(figsize=(4, 2), dpi=100)
    for place, text, style in texts:
        figure.text(place, 0.5, text, **style)  # type: ignore[arg-type]
    with matplotlib.rc_context(STYLE):
        renderer = kind(400, 200, 100)
        figure.draw(renderer)
    return np.asarray(renderer.buffer_rgba()).copy()  # type: ignore[no-untyped-call]


TEXTS: list[tuple[float, str, dict[str, object]]] = [
    (0.1, "step 10⁻⁶", {}),
    (0.1, "step 10⁻⁶", {"color": "red", "size": 20}),
    (0.613, "step 10⁻⁶", {"rotation": 90}),
    (0.3, "two\nlines", {"weight": "bold"}),
    (0.7, "two\nlines", {"style": "italic", "alpha": 0.5}),
    (0.8, r"$x^2$", {}),
]


def test_a_remembered_text_is_the_one_that_matplotlib_draws() -> None:
    lettering._known.clear()
    plain = pixels(RendererAgg, *TEXTS)
    for _ in range(2):
        np.testing.assert_array_equal(pixels(LetteringRenderer, *TEXTS), plain)
    for text in TEXTS:
        np.testing.assert_array_equal(pixels(LetteringRenderer, text), pixels(RendererAgg, text))


def test_no_more_texts_are_remembered_than_fit() -> None:
    for number in range(3):
        pixels(LetteringRenderer, *((0.1, f"{number} {i}", {}) for i in range(400)))
    assert len(lettering._known) <= lettering.MOST_TEXTS

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from gdexp.plots.png import encoded, with_palette

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 4)).astype(np.uint8)


@pytest.mark.parametrize("layers", [3, 4])
def test_every_pixel_comes_back(layers: int) -> None:
    image = Image.open(BytesIO(encoded(PIXELS[:, :, :layers], 150)))
    image.load()
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (5, 7))
    assert image.info["dpi"] == pytest.approx((150, 150), abs=0.02)
    np.testing.assert_array_equal(np.asarray(image), PIXELS[:, :, :3])


def test_a_picture_of_one_colour_takes_next_to_no_room() -> None:
    assert len(encoded(np.full((600, 1500, 4), 255, dtype=np.uint8), 150)) < 20_000


def test_a_palette_has_as_many_colours_as_are_asked_for() -> None:
    image = Image.open(BytesIO(with_palette(PIXELS, 150, 4)))
    assert (image.mode, image.size) == ("P", (5, 7))
    assert len(image.getcolors() or []) <= 4

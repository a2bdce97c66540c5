"""What a user may set about figures; nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass

from gdexp.core.checks import choice

PLOTS = ("all", "loss_curve", "none")
FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class Plots:
    """Which figures a run leaves, and in which format.

    `name` None leaves it to the mode: `all` for a single run, `loss_curve` for the children of a sweep. Raises
    ParameterError for anything but PLOTS and FORMATS.
    """

    name: str | None = None
    format: str = "png"

    def __post_init__(self) -> None:
        if self.name is not None:
            choice("name", self.name, PLOTS)
        choice("format", self.format, FORMATS)

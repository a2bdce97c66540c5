"""Carry recorded runs out again and compare every step."""

from gdexp.replay.comparison import Replay
from gdexp.replay.rebuild import Rebuilt, ReplayError, rebuild, repeat, replay

__all__ = ["Rebuilt", "Replay", "ReplayError", "rebuild", "repeat", "replay"]

"""Send what is recorded to a store that may go away: again after a while, and in the end to a folder that is kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from gdexp.tracking.backend import Backend, NewRun
from gdexp.tracking.errors import StoreAwayError, is_away, reason
from gdexp.tracking.operations import Operation
from gdexp.tracking.unsent import FOLDER, Unsent
from gdexp.tracking.within import within

FIRST_WAIT, LONGEST_WAIT = 1.0, 15.0
"""Seconds between two attempts."""
PAUSE = 30.0
"""Seconds during which a store that has been given up is not tried again."""
HURRY = 0.75
"""Seconds that a store has after an interrupt, for all that is left to be recorded."""

T = TypeVar("T")
log = logging.getLogger("gdexp")


@dataclass
class Delivery:
    """The way to the store behind `backend`, which is waited for up to `patience` seconds when it goes away."""

    backend: Backend
    uri: str
    patience: float
    unsent: Unsent
    _given_up: float | None = field(default=None, init=False)
    _until: float | None = field(default=None, init=False)
    _told_kept: bool = field(default=False, init=False)

    def hurry(self) -> None:
        """Give the store HURRY seconds more in all, because somebody waits for the program to end."""
        if self._until is None:
            self._until = time.monotonic() + HURRY

    def create_run(self, experiment_id: str, run: NewRun) -> str:
        """Create a run and return its id; where the store is away, keep it under a name of its own."""
        self._until = None  # a notebook goes on after an interrupt
        try:
            return self.insist(lambda again: self.backend.create_run(experiment_id, run, again=again))
        except StoreAwayError:
            name = self.unsent.begin(experiment_id, run)
            self._tell_kept()
            return name

    def send(self, run_id: str, operation: Operation) -> None:
        """Add a piece to a run's record; where the store is away, or has not got the pieces before it, keep it."""
        if not self.unsent.holds(run_id):
            try:
                self.insist(lambda _: operation.send(self.backend, run_id))
                return
            except StoreAwayError:
                pass
        self.unsent.add(run_id, operation)
        self._tell_kept()

    def insist(self, action: Callable[[bool], T]) -> T:
        """Return what `action` does, called again, and told so, while the store is away and patience lasts.

        Raises StoreAwayError when it is at an end.
        """
        start, wait, again = time.monotonic(), FIRST_WAIT, False
        if self._given_up is not None and start < self._given_up + PAUSE:
            raise StoreAwayError(f"the tracking store {self.uri} is away")
        while True:
            try:
                if self._until is None:
                    result = action(again)
                else:
                    result = within(max(0.0, self._until - time.monotonic()), partial(action, again))
            except KeyboardInterrupt:
                self.hurry()
                raise
            except Exception as error:
                if not is_away(error):
                    raise
                left = start + self.patience - time.monotonic()
                if self._until is not None or self._given_up is not None or left <= 0:
                    self._give_up(error)
                if not again:
                    log.warning("%s; trying again for %.0f s", self._reason(error), self.patience)
            else:
                if again or self._given_up is not None:
                    log.warning("The tracking store %s answers again", self.uri)
                self._given_up = None
                return result
            again = True
            self._sleep(min(wait, left))
            wait = min(2 * wait, LONGEST_WAIT)

    def _sleep(self, seconds: float) -> None:
        try:
            time.sleep(seconds)
        except KeyboardInterrupt:
            # There is no use in asking a store once more that was away a moment ago.
            self._given_up = time.monotonic()
            raise

    def _tell_kept(self) -> None:
        if not self._told_kept:
            log.warning("What the store does not take is kept in %s until `python -m gdexp.resume` sends it", FOLDER)
        self._told_kept = True

    def _give_up(self, error: Exception) -> None:
        if self._given_up is None:
            log.warning("%s; given up for now", self._reason(error))
        self._given_up = time.monotonic()
        raise StoreAwayError(f"the tracking store {self.uri} is away") from error

    def _reason(self, error: Exception) -> str:
        text = reason(error)
        return text if self.uri in text else f"the tracking store {self.uri} does not answer: {text}"

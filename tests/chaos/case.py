"""Cases of a fault, and what came of them."""

from __future__ import annotations

import shutil
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.content import Difference, Sweep, wrong
from tests.chaos.place import Place

AT_ONCE = 2
INTERRUPT_SECONDS = 2.0
"""How long a program may take to end after an interrupt."""


@dataclass(frozen=True)
class Case:
    """One injection of the fault called `name`: `inject` takes a folder to be made and returns what differs in the end.

    Without `inject` it cannot be done here, and `why` says so. `alone` is one beside which no other is done.
    """

    name: str
    inject: Callable[[Path], Difference] | None
    why: str = ""
    alone: bool = False


@dataclass
class Lab:
    """What all cases share: a folder, the undisturbed sweep, how many seconds it takes, and what is random.

    An interrupt that takes longer than `longest` seconds is wrong.
    """

    root: Path
    expected: Sweep
    seconds: float
    random: Random
    longest: float = INTERRUPT_SECONDS
    times: dict[str, list[float]] = field(default_factory=dict)
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    results: dict[str, list[Difference]] = field(default_factory=dict)
    _drawn: list[Sweep] = field(default_factory=list)
    _here: threading.local = field(default_factory=threading.local)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def begin(root: Path, seed: int) -> Lab:
        """Carry out the undisturbed sweep in the folder `root`."""
        place = Place.empty(root / "undisturbed")
        ended = place.sweep().wait()
        if ended.status:
            raise RuntimeError(f"the undisturbed sweep failed: {ended.errors}")
        (expected,) = place.recorded.sweeps()
        return Lab(root, expected, ended.seconds, Random(seed))

    def undisturbed(self, settings: Sequence[str]) -> Sweep:
        """Return the undisturbed sweep with `settings`, of which only figures change what it leaves."""
        drawing = [text for text in settings if text.startswith("plots=")]
        if not drawing:
            return self.expected
        with self._lock:
            if not self._drawn:
                place = Place.empty(self.root / "drawn", *drawing)
                place.sweep().wait()
                self._drawn += place.recorded.sweeps()
        return self._drawn[0]

    def measured(self, seconds: float) -> Difference:
        """Remember how long it took until the program had ended, and return what is wrong with that."""
        with self._lock:
            self.times.setdefault(self._here.name, []).append(seconds)
        return Difference() if seconds <= self.longest else wrong(f"it took {seconds:.1f} s to end")

    def note(self, what: str) -> None:
        """Count something that is no fault but worth knowing."""
        with self._lock:
            self.notes[self._here.name, what] += 1

    def carry_out(self, cases: Iterable[Case], told: Callable[[str], object] = print) -> None:
        """Inject the faults, two at a time but for those that are to be alone, and tell of each."""
        listed = list(enumerate(cases))
        for _, case in listed:
            self.results.setdefault(case.name, [])
            if case.inject is None:
                self.notes[case.name, case.why] += 1
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(self._carry_out, number, case, told) for number, case in listed if not case.alone]:
                done.result()
        for number, case in listed:
            if case.alone:
                self._carry_out(number, case, told)

    def _carry_out(self, number: int, case: Case, told: Callable[[str], object]) -> None:
        if case.inject is None:
            return
        self._here.name = case.name
        root = self.root / f"{number:03d}-{case.name.replace(' ', '-')}"
        try:
            result = case.inject(root)
        except Exception:
            result = wrong(f"the case itself broke: {traceback.format_exc()}")
        with self._lock:
            self.results[case.name].append(result)
            told(f"{case.name}: " + ("; ".join(result.said) + f" ({root})" if result.said else "as undisturbed"))
        if not result.said:
            shutil.rmtree(root, ignore_errors=True)

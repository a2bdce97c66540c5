"""Faults on the way to a server: it does not answer, answers too late, or its answers are lost."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from tests.chaos.case import Case, Lab
from tests.chaos.content import Difference, Recorded, wrong
from tests.chaos.place import Moment, Place, Running, at_line, at_start, in_one_line, mended
from tests.chaos.proxy import Mood, Proxy
from tests.integration.server import mlflow_server

MOODS: tuple[Mood, ...] = ("refuses", "resets", "hangs")
ENVIRONMENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
"""A server that hangs is noticed soon."""


@dataclass(frozen=True)
class Server:
    """A server at `address` that keeps everything in the folder `root`."""

    root: Path
    address: str
    experiments: Iterator[int]

    def place(self, root: Path, patience: float) -> tuple[Place, Proxy]:
        """Return a place whose sweeps go to the server by way of a proxy, into an experiment of their own."""
        number = next(self.experiments)
        experiment, proxy = f"chaos-{number}", Proxy(self.address, seed=number)
        (root / "work").mkdir(parents=True)
        recorded = Recorded(self.root / "server.db", experiment, self.root / "kept")
        settings = (
            "plots=none",
            f"tracking.uri={proxy.address}",
            f"tracking.experiment={experiment}",
            f"tracking.patience={patience:g}",
        )
        return Place(root, recorded, settings, dict(ENVIRONMENT)), proxy


@contextlib.contextmanager
def served(root: Path) -> Iterator[Server]:
    """Serve from the folder `root`."""
    options = ("--backend-store-uri", f"sqlite:///{root / 'server.db'}", "--artifacts-destination", str(root / "kept"))
    with mlflow_server(root, *options) as address:
        yield Server(root, address, count())


def absences(lab: Lab, server: Server, rounds: int = 1) -> Iterator[Case]:
    """Yield servers that go away: for less than patience, for longer, for good, and cut their answers meanwhile."""
    for _ in range(rounds):
        for mood in MOODS:
            moment = Moment(at_line(2), lab.random.uniform(0, 1))
            yield Case(f"server {mood} within patience", partial(_for_a_while, lab, server, mood, moment))
            yield Case(f"server {mood} beyond patience", partial(_for_long, lab, server, mood, moment))
        moment = Moment(at_line(lab.random.randrange(1, 6)), lab.random.uniform(0, 1))
        yield Case("server away for good", partial(_for_good, lab, server, moment))
        yield Case("answers cut after the work is done", partial(_cut, lab, server))
        yield Case("kill -9 while a server is away", partial(_killed, lab, server, moment))
        for number in (signal.SIGINT, signal.SIGTERM):
            name = f"{number.name} while a server is away"
            yield Case(name, partial(_interrupted, lab, server, moment, number), alone=True)
        moment = Moment(at_line(1), lab.random.uniform(0, lab.seconds))
        yield Case("kill -9 of the program, to a server", partial(_killed_alone, lab, server, moment))


def _away(place: Place, proxy: Proxy, mood: Mood, moment: Moment, seconds: float) -> Running:
    """Start a sweep whose server goes away at `moment`, for `seconds` if they are any."""
    program = place.sweep()
    moment.come(place, program)
    proxy.turn(mood)
    if seconds:
        Moment(at_start, seconds).come(place, program)
        proxy.turn("passes")
    return program


def _for_a_while(lab: Lab, server: Server, mood: Mood, moment: Moment, root: Path) -> Difference:
    place, proxy = server.place(root, patience=60)
    with contextlib.closing(proxy):
        total = _away(place, proxy, mood, moment, 2).wait().expected("the sweep", 0)
        return total + mended(place, lab.expected)


def _for_long(lab: Lab, server: Server, mood: Mood, moment: Moment, root: Path) -> Difference:
    place, proxy = server.place(root, patience=1)
    with contextlib.closing(proxy):
        ended = _away(place, proxy, mood, moment, 8).wait()
        return ended.expected("the sweep", 0, 1) + mended(place, lab.expected)


def _for_good(lab: Lab, server: Server, moment: Moment, root: Path) -> Difference:
    place, proxy = server.place(root, patience=1)
    with contextlib.closing(proxy):
        ended = _away(place, proxy, "refuses", moment, 0).wait()
        total = ended.expected("the sweep", 1, says="is kept in gdexp-unsent")
        refused = place.resume()
        total += refused.expected("resume while the server is away", 2) + in_one_line(refused)
        if not (place.work / "gdexp-unsent").exists():
            total += wrong("nothing is kept of what the server did not take")
        proxy.turn("passes")
        return total + mended(place, lab.expected)


def _cut(lab: Lab, server: Server, root: Path) -> Difference:
    place, proxy = server.place(root, patience=120)
    with contextlib.closing(proxy):
        program = place.sweep()
        Moment(at_line(1), 0).come(place, program)
        proxy.turn("cuts")
        total = program.wait().expected("the sweep", 0)
        lab.note(f"{proxy.cuts} answers cut")
        proxy.turn("passes")
        return total + mended(place, lab.expected)


def _killed(lab: Lab, server: Server, moment: Moment, root: Path) -> Difference:
    place, proxy = server.place(root, patience=1)
    with contextlib.closing(proxy):
        program = _away(place, proxy, "refuses", moment, 0)
        Moment(at_start, 4).come(place, program)
        program.stop(signal.SIGKILL)
        proxy.turn("passes")
        return mended(place, lab.expected)


def _interrupted(lab: Lab, server: Server, moment: Moment, number: signal.Signals, root: Path) -> Difference:
    place, proxy = server.place(root, patience=60)
    with contextlib.closing(proxy):
        program = _away(place, proxy, "hangs", moment, 0)
        Moment(at_start, 3).come(place, program)
        began, ended = program.alive, program.stop(number)
        total = lab.measured(ended.seconds)
        total += ended.expected("the sweep", 130, says="gdexp: interrupted") if began else wrong("the sweep had ended")
        proxy.turn("passes")
        return total + mended(place, lab.expected)


def _killed_alone(lab: Lab, server: Server, moment: Moment, root: Path) -> Difference:
    place, proxy = server.place(root, patience=60)
    with contextlib.closing(proxy):
        program = place.sweep()
        moment.come(place, program)
        program.stop(signal.SIGKILL)
        return mended(place, lab.expected)

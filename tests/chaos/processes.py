"""Faults of the program's own processes: they are killed, interrupted, and started several at a time."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import Random

from tests.chaos.case import Case, Lab
from tests.chaos.content import Difference, difference, wrong
from tests.chaos.place import Moment, Place, Running, at_first_file, at_line, at_start, mended

VECTORIZED = "hydra/launcher=vectorized"
DRAWN = ("plots=loss_curve",)
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
LINES = 20
"""About how many lines the program prints before it ends."""


def moments(random: Random, count: int, seconds: float) -> Iterator[Moment]:
    """Yield moments spread over the life of a sweep that takes about so many seconds.

    A third of them is spread over all of it, a third over the time in which its store is made and the first run begins,
    and a third falls between two lines of its output.
    """
    for place in range(count):
        share = (place // 3 + random.random()) / max(1, (count + 2) // 3)
        if place % 3 == 0:
            yield Moment(at_start, share * seconds)
        elif place % 3 == 1:
            yield Moment(at_first_file, share * 0.4)
        else:
            yield Moment(at_line(1 + int(share * LINES)), random.uniform(0, 0.2))


def kills(lab: Lab, count: int) -> Iterator[Case]:
    """Yield kills of the program with SIGKILL; of every fifth one the resumption is killed, too, every third draws."""
    for number, moment in enumerate(moments(lab.random, count, lab.seconds)):
        launcher = ((), (VECTORIZED,), (), JOBLIB if find_spec("joblib") else ())[number % 4]
        settings = (*launcher, *(DRAWN if number // 2 % 3 == 2 else ()))
        again = Moment(at_start, lab.random.uniform(0.5, 1) * lab.seconds) if number % 5 == 4 else None
        yield Case("kill -9 of the program", partial(_kill, lab, moment, settings, again))


def _kill(lab: Lab, moment: Moment, settings: tuple[str, ...], again: Moment | None, root: Path) -> Difference:
    place = Place.empty(root, *settings)
    program = place.sweep()
    moment.come(place, program)
    program.stop(signal.SIGKILL)
    if again:
        program = place.resuming()
        again.come(place, program)
        program.stop(signal.SIGKILL)
    return mended(place, lab.undisturbed(settings))


def kills_of_a_new_store(lab: Lab, count: int) -> Iterator[Case]:
    """Yield kills in the first moments after the first file, while the store is made."""
    for number in range(count):
        moment = Moment(at_first_file, 0.15 * number / count)
        yield Case("kill -9 while the store is made", partial(_kill, lab, moment, (), None))


def kills_of_a_worker(lab: Lab, count: int) -> Iterator[Case]:
    """Yield kills of one of joblib's workers, where joblib is installed."""
    name = "kill -9 of a joblib worker"
    if find_spec("joblib") is None:
        yield Case(name, None, "not done: joblib is not installed")
        return
    for _ in range(count):
        yield Case(name, partial(_kill_worker, lab, lab.random.uniform(0, 0.5)))


def _kill_worker(lab: Lab, delay: float, root: Path) -> Difference:
    place = Place.empty(root, *JOBLIB)
    program = place.sweep()
    Moment(at_line(2), delay).come(place, program)
    workers = [number for number in _children(program.process.pid) if b"popen_loky" in _command(number)]
    if workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(workers[0], signal.SIGKILL)
    ended = program.wait()
    total = ended.expected("the sweep", *((0, 1) if workers else (0,)))
    if ended.status == 0:  # the worker had no run under way
        total += difference(lab.expected, place.recorded.sweeps())
    return total + mended(place, lab.expected)


def _children(number: int) -> list[int]:
    path = Path(f"/proc/{number}/task/{number}/children")
    return [int(text) for text in path.read_text().split()] if path.exists() else []


def _command(number: int) -> bytes:
    path = Path(f"/proc/{number}/cmdline")
    return path.read_bytes() if path.exists() else b""


def interrupts(lab: Lab, number: signal.Signals, count: int) -> Iterator[Case]:
    """Yield interrupts by a signal at random moments; they are done alone, for their time is measured."""
    for place, moment in enumerate(moments(lab.random, count, lab.seconds / 2)):
        settings = (*((VECTORIZED,) if place % 2 else ()), *(DRAWN if place // 2 % 3 == 2 else ()))
        yield Case(number.name, partial(_interrupt, lab, number, moment, settings), alone=True)


def _interrupt(lab: Lab, number: signal.Signals, moment: Moment, settings: tuple[str, ...], root: Path) -> Difference:
    place = Place.empty(root, *settings)
    program = place.sweep()
    Moment(catches_signals, 0).come(place, program)
    moment.come(place, program)
    return interrupted(lab, place, program, number) + mended(place, lab.undisturbed(settings))


def interrupted(lab: Lab, place: Place, program: Running, number: signal.Signals) -> Difference:
    """Send a signal, and return what is wrong with how the program ended and with what it left."""
    if not program.alive:
        lab.note("came after the end")
        return program.wait().expected("the sweep", 0, 1)
    ended = program.stop(number)
    found = place.recorded.sweeps()
    if ended.status in (0, -number) and [sweep.status for sweep in found] == ["FINISHED"]:
        lab.note("came after the end")  # while Python was leaving, without gdexp
        return Difference()
    total = lab.measured(ended.seconds)
    total += ended.expected("the sweep", 130, says="gdexp: interrupted")
    if any(sweep.status not in ("KILLED", "FINISHED") for sweep in found):
        total += wrong(f"the parent is {[sweep.status for sweep in found]} after {number.name}")
    left = [
        job for sweep in found for job, tries in sweep.attempts.items() if any(t.status == "RUNNING" for t in tries)
    ]
    return total + (wrong(f"jobs {left} are RUNNING after {number.name}") if left else Difference())


def catches_signals(_place: Place, program: Running) -> bool:
    """Tell whether a program has got so far that it has its own handlers of signals."""
    path = Path(f"/proc/{program.process.pid}/status")
    mask = path.read_text().partition("SigCgt:")[2].split() if path.exists() else []
    return bool(mask) and bool(int(mask[0], 16) >> (signal.SIGTERM - 1) & 1)


def at_once(lab: Lab, count: int, sweeps: int) -> Iterator[Case]:
    """Yield sweeps that begin at once in one empty folder."""
    for _ in range(count):
        yield Case(f"{sweeps} sweeps at once", partial(_at_once, lab, sweeps), alone=True)


def _at_once(lab: Lab, sweeps: int, root: Path) -> Difference:
    place, total = Place.empty(root), Difference()
    for program in [place.sweep() for _ in range(sweeps)]:
        total += program.wait().expected("a sweep", 0)
    return total + mended(place, lab.expected, count=sweeps)


def killed_beside_another(lab: Lab, count: int) -> Iterator[Case]:
    """Yield sweeps that are killed and resumed while another one goes on in the same folder."""
    for _ in range(count):
        moment = Moment(at_line(1), lab.random.uniform(0, 1))
        yield Case("kill -9 beside a sweep that goes on", partial(_killed_beside, lab, moment), alone=True)


def _killed_beside(lab: Lab, moment: Moment, root: Path) -> Difference:
    place = Place.empty(root)
    killed = place.sweep()
    Moment(at_line(2), 0).come(place, killed)
    other = place.sweep()
    moment.come(place, other)
    killed.stop(signal.SIGKILL)
    first = place.recorded.sweeps()[0]
    total = place.resume(first.run_id).expected("resume", 0) + other.wait().expected("the other sweep", 0)
    return total + mended(place, lab.expected, count=2)


def resumed_at_once(lab: Lab, count: int) -> Iterator[Case]:
    """Yield sweeps that are killed, and then resumed by two programs at once."""
    for _ in range(count):
        moment = Moment(at_line(2), lab.random.uniform(0, 1))
        yield Case("2 resumptions at once", partial(_resumed_at_once, lab, moment), alone=True)


def _resumed_at_once(lab: Lab, moment: Moment, root: Path) -> Difference:
    place, total = Place.empty(root), Difference()
    program = place.sweep()
    moment.come(place, program)
    program.stop(signal.SIGKILL)
    for resuming in [place.resuming(), place.resuming()]:
        total += resuming.wait().expected("a resumption beside another", 0, 2)
    return total + mended(place, lab.expected)


def failing_runs(lab: Lab, count: int) -> Iterator[Case]:
    """Yield sweeps one run of which fails, because the store refuses a metric of it."""
    for _ in range(count):
        job = lab.random.randrange(len(lab.expected.attempts))
        yield Case("a run that fails", partial(_failing, lab, job))


def _failing(lab: Lab, job: int, root: Path) -> Difference:
    place = Place.empty(root)
    total = place.start("-m", "gdexp", "plots=none", "tracking.experiment=other").wait().expected("a run", 0)
    (child,) = lab.expected.attempts[job]
    condition = " AND ".join(
        f"(SELECT value FROM params WHERE run_uuid = NEW.run_uuid AND key = '{key}') = '{child.params[key]}'"
        for key in ("lr", "seed")
    )
    place.recorded.execute(
        f"CREATE TRIGGER refuse BEFORE INSERT ON metrics WHEN {condition} "
        "BEGIN SELECT RAISE(ABORT, 'this store is out of order'); END",
    )
    ended = place.sweep().wait()
    total += ended.expected("the sweep", 1, says="FAILED, ")
    name = f"lr={float(child.params['lr']):.6g}, seed={child.params['seed']}"
    total += ended.expected("the sweep", 1, says=f"gdexp: {name} failed; traceback.txt of run ")
    (sweep,) = place.recorded.sweeps()
    finished = [number for number, tries in sweep.attempts.items() if [t.status for t in tries] == ["FINISHED"]]
    if finished != [number for number in lab.expected.attempts if number != job]:
        total += wrong(f"jobs {finished} have finished beside job {job}, which failed")
    total += place.resume().expected("resume", 1, says="FAILED, ")
    place.recorded.execute("DROP TRIGGER refuse")
    return total + mended(place, lab.expected)

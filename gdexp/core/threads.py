"""Work on many items at once by threads: NumPy, LAPACK, Arrow and hashes run without the interpreter's lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

DRAWN_AHEAD = 8
"""Items that `ahead` holds ready: enough that drawing does not stop while the caller computes."""


def usable_cores() -> int:
    """Return on how many cores this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mapped(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield function(item) for each of `items`, in their order, computed by the caller and a thread on each other core.

    Items are drawn in the caller's thread, no more of them ahead than keep all busy. A single item starts no thread.
    What an item or its computation raises is raised here.
    """
    items = iter(items)
    first = list(islice(items, 2))
    if len(first) < 2:
        yield from map(function, first)
        return
    cores = usable_cores()
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    results: deque[Future[Result]] = deque()

    def compute_one() -> bool:
        try:
            item, result = waiting.popleft()
        except IndexError:
            return False
        try:
            result.set_result(function(item))
        except Exception as fault:
            result.set_exception(fault)
        except BaseException as interrupt:  # of the caller, who must not wait for it
            result.set_exception(interrupt)
            raise
        finally:
            del item, result  # which what was raised would hold on to
        return True

    with ThreadPoolExecutor(max(cores - 1, 1)) as pool:
        try:
            for item in chain(first, items):
                results.append(Future())
                waiting.append((item, results[-1]))
                pool.submit(compute_one)
                if len(waiting) > cores:
                    compute_one()
                while results and (results[0].done() or len(results) > 2 * cores):
                    yield results.popleft().result()
            while compute_one():
                pass
            while results:
                yield results.popleft().result()
        finally:
            waiting.clear()


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield `items`; once the second is in use, another thread draws the next DRAWN_AHEAD.

    What drawing an item raises is raised here, at the latest after the items before it. Fewer than two items start no
    thread. A caller who stops waits for no more than the item that is being drawn.
    """
    end = object()
    first = list(islice(items, 2))
    yield from first
    if len(first) < 2:
        return
    with ThreadPoolExecutor(1) as thread:
        pending = deque(thread.submit(next, items, end) for _ in range(DRAWN_AHEAD))
        try:
            while (item := pending.popleft().result()) is not end:
                pending.append(thread.submit(next, items, end))
                yield cast("Item", item)
        finally:
            thread.shutdown(cancel_futures=True)

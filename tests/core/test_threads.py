from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from gdexp.core.threads import DRAWN_AHEAD, ahead, mapped


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)


def numbers(count: int, drawn: list[int] | None = None, fault: Exception | None = None) -> Iterator[int]:
    """Yield 0, 1, ..., noting what was drawn, then raise `fault` if there is one."""
    for number in range(count):
        if drawn is not None:
            drawn.append(number)
        yield number
    if fault:
        raise fault


def thread_of(_: int) -> int:
    return threading.get_ident()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    assert list(mapped(lambda number: number**2, numbers(count))) == [number**2 for number in range(count)]
    assert list(ahead(numbers(count))) == list(range(count))


def test_a_single_item_is_computed_without_a_thread() -> None:
    assert list(mapped(thread_of, numbers(1))) == [threading.get_ident()]


def test_the_caller_and_a_thread_compute_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)

    def meet(_: int) -> int:
        both.wait()
        return threading.get_ident()

    first, second = mapped(meet, numbers(2))
    assert threading.get_ident() in (first, second)
    assert first != second


def test_the_items_of_a_mapping_are_drawn_by_the_caller_and_not_far_ahead_of_a_slow_one() -> None:
    drawn: list[int] = []
    slow = threading.Event()
    caller = threading.get_ident()

    def compute(number: int) -> int:
        # Whoever has the first item waits: a thread until the caller can draw no more, the caller not at all.
        if number == 0 and threading.get_ident() != caller:
            slow.wait(1)
        return number

    results = mapped(compute, numbers(100, drawn))
    for number in range(50):
        assert next(results) == number
        assert len(drawn) <= number + 5
    results.close()  # type: ignore[attr-defined]


def test_a_caller_who_stops_early_leaves_nothing_to_compute() -> None:
    computed: list[int] = []

    def compute(number: int) -> int:
        time.sleep(0.01)
        computed.append(number)
        return number

    results = mapped(compute, numbers(100))
    next(results)
    before = len(computed)
    results.close()  # type: ignore[attr-defined]
    assert len(computed) <= before + 1  # what the other thread was at


def test_an_interrupt_of_the_caller_is_raised_at_once() -> None:
    caller, drawn = threading.get_ident(), []

    def compute(number: int) -> int:
        if threading.get_ident() == caller:
            drawn.append(number)
            raise KeyboardInterrupt
        time.sleep(0.05)
        return number

    with pytest.raises(KeyboardInterrupt):
        list(mapped(compute, numbers(100)))
    assert len(drawn) == 1


def test_what_could_not_be_computed_is_not_held_on_to() -> None:
    class Item:
        pass

    items = [Item() for _ in range(4)]
    alive = [weakref.ref(item) for item in items]

    def compute(_: Item) -> None:
        raise ValueError

    gc.disable()
    try:
        with pytest.raises(ValueError):  # noqa: PT011
            list(mapped(compute, iter([items.pop() for _ in range(4)])))
        assert [item() for item in alive] == [None] * 4
    finally:
        gc.enable()


def test_items_ahead_are_drawn_by_another_thread_and_not_more_than_it_holds_ready() -> None:
    drawers: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            drawers.append(threading.get_ident())
            yield number

    results = ahead(items())
    for number in range(50):
        assert next(results) == number
        assert len(drawers) <= number + 1 + DRAWN_AHEAD
    assert drawers[:2] == [threading.get_ident()] * 2
    assert threading.get_ident() not in drawers[2:]
    results.close()  # type: ignore[attr-defined]


def test_a_caller_who_stops_early_waits_for_one_item_that_is_drawn_ahead() -> None:
    drawn: list[int] = []

    def slow() -> Iterator[int]:
        for number in numbers(100, drawn):
            time.sleep(0.05)
            yield number

    results = ahead(slow())
    for _ in range(3):
        next(results)
    before = len(drawn)
    results.close()  # type: ignore[attr-defined]
    assert len(drawn) <= before + 1


@pytest.mark.parametrize("use", [ahead, lambda items: mapped(lambda number: number, items)], ids=["ahead", "mapped"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_what_drawing_an_item_raises_is_raised_to_the_caller(
    use: Callable[[Iterator[int]], Iterator[int]], count: int
) -> None:
    with pytest.raises(OSError, match=r"^gone$"):
        list(use(numbers(count, fault=OSError("gone"))))


def test_all_items_before_a_fault_are_handed_out() -> None:
    results = ahead(numbers(7, fault=OSError("gone")))
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(OSError, match=r"^gone$"):
        next(results)


def test_what_a_computation_raises_is_raised_to_the_caller() -> None:
    results = mapped(lambda number: 1 // (5 - number), numbers(100))
    assert [next(results) for _ in range(5)] == [0, 0, 0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("use", [ahead, lambda items: mapped(lambda number: number, items)], ids=["ahead", "mapped"])
def test_no_thread_is_left_where_the_caller_stops_early(use: Callable[[Iterator[int]], Iterator[int]]) -> None:
    before = threading.active_count()
    results = use(numbers(100))
    assert [next(results) for _ in range(10)] == list(range(10))
    assert threading.active_count() > before
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before

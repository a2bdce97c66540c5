from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest

from gdexp.core.threads import ahead, mapped


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


def test_the_items_of_a_mapping_are_drawn_by_the_caller_and_not_far_ahead() -> None:
    drawn: list[int] = []
    results = mapped(lambda number: number, numbers(100, drawn))
    for number in range(50):
        assert next(results) == number
        assert len(drawn) <= number + 6
    results.close()  # type: ignore[attr-defined]


def test_items_ahead_are_drawn_by_another_thread_and_no_more_than_two() -> None:
    drawers: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            drawers.append(threading.get_ident())
            yield number

    results = ahead(items())
    for number in range(50):
        assert next(results) == number
        assert len(drawers) <= number + 3
    assert drawers[:2] == [threading.get_ident()] * 2
    assert threading.get_ident() not in drawers[2:]
    results.close()  # type: ignore[attr-defined]


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

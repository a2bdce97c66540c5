"""The short form of `python -m tests.chaos`: whatever breaks, a resumed sweep is what an undisturbed one would be."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.chaos import processes, stores
from tests.chaos.case import Case, Lab
from tests.chaos.content import Difference

FAULTS: dict[str, Callable[[Lab], Iterator[Case]]] = {
    "killed": lambda lab: processes.kills(lab, 3),
    "killed while the store was made": lambda lab: processes.kills_of_a_new_store(lab, 1),
    "interrupted": lambda lab: processes.interrupts(lab, signal.SIGTERM, 1),
    "started twice": lambda lab: processes.at_once(lab, 1, 2),
    "resumed twice at once": lambda lab: processes.resumed_at_once(lab, 1),
    "failing in one run": lambda lab: processes.failing_runs(lab, 1),
    "out of disk space": lambda lab: stores.full_disks(lab, 1),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    # How long an interrupt takes is for the long form to say, which runs alone on a machine.
    return replace(Lab.begin(tmp_path_factory.mktemp("chaos"), seed=7), longest=math.inf)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_run_is_lost_doubled_or_wrong_of_a_sweep_that_was(lab: Lab, fault: str) -> None:
    cases = list(FAULTS[fault](lab))
    lab.carry_out(cases)
    (name,) = {case.name for case in cases}
    done = [case for case in cases if case.inject]
    if not done:
        pytest.skip(cases[0].why)
    assert lab.results[name] == [Difference()] * len(done)

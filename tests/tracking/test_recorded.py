"""What a store says of a run is anybody's: it is taken for what gdexp writes, or refused in one line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdexp.report.provenance import typed_arguments
from gdexp.tracking import Store, TrackingError
from gdexp.tracking.read import AXES, COMMAND, JOB, RUNS, RecordedData, RecordedSweep
from gdexp.tracking.recorded import TAG_LENGTH, in_tags, of_tags, recorded_data
from tests.report.conftest import recorded

STORE: Any = None
values = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)
fast = settings(deadline=None, derandomize=True, database=None)


def sweep(**tags: str) -> RecordedSweep:
    store: Store = STORE
    return RecordedSweep(store, recorded(tags={f"gdexp.{key}": value for key, value in tags.items()}), [])


@fast
@given(text=st.text() | values.map(json.dumps))
def test_tags_are_read_or_refused(text: str) -> None:
    found = sweep(axes=text, runs=text, job=text, command=text)
    for read in (lambda: found.axes, lambda: found.planned, lambda: found.parent.job):
        with contextlib.suppress(TrackingError):
            read()
    assert all(isinstance(argument, str) for argument in typed_arguments(found.parent) or [])


@pytest.mark.parametrize("tag", [AXES, RUNS, JOB])
def test_a_tag_that_was_changed_is_named(tag: str) -> None:
    found = sweep(**{tag.removeprefix("gdexp."): "x\x1b"})
    reads: dict[str, Callable[[], object]] = {
        AXES: lambda: found.axes,
        RUNS: lambda: found.planned,
        JOB: lambda: found.parent.job,
    }
    with pytest.raises(TrackingError, match=rf"is not as gdexp recorded it: its tag {tag} is 'x\\x1b'$"):
        reads[tag]()


def test_a_command_that_was_cut_is_none() -> None:
    assert typed_arguments(recorded(tags={COMMAND: "python -m gdexp 'lr=1"})) is None


KEYS = ("sha256", "rows", "features", "target", "units")


@fast
@given(profile=st.text() | st.dictionaries(st.sampled_from(KEYS), values).map(json.dumps) | values.map(json.dumps))
def test_a_profile_of_somebody_else_is_none(profile: str) -> None:
    found = recorded_data("data", profile)
    assert found is None or all(isinstance(text, str) for text in (found.sha256, found.target, *found.features))


def test_a_profile_of_gdexp_is_read() -> None:
    found = recorded_data("data", '{"sha256": "0", "rows": 3, "features": ["x"], "target": "y", "units": {"x": "kg"}}')
    assert isinstance(found, RecordedData)
    assert (found.rows, found.features, found.units) == (3, ("x",), {"x": "kg"})


@pytest.mark.parametrize("length", [1, TAG_LENGTH, TAG_LENGTH + 1, 3 * TAG_LENGTH])
def test_a_text_that_no_tag_holds_is_whole_in_several(length: int) -> None:
    text = ("0123456789" * length)[:length]
    tags = in_tags("gdexp.command", text)
    assert all(len(value) <= TAG_LENGTH for value in tags.values())
    assert of_tags("gdexp.command", tags | {"gdexp.command.else": "x"}) == text

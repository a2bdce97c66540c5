from __future__ import annotations

from collections.abc import Mapping

import pytest

from gdexp.tracking import origin
from gdexp.tracking.context import TREES
from gdexp.tracking.origin import COMMIT, DIRTY, differences_of_origin
from gdexp.tracking.read import RecordedData, RecordedRun

A, B = "a" * 40, "b" * 40
ENVIRONMENT = "# Python 3.12.1\n# Linux-6.1-x86_64\nnumpy==2.3.0\nHydra_Core==1.3.2\nrich==13.0\n"


def differences(
    monkeypatch: pytest.MonkeyPatch,
    recorded: Mapping[str, str] = {TREES: "gdexp/ x"},
    now: Mapping[str, str] = {TREES: "gdexp/ x"},
    *,
    sha256: str | None = "d" * 64,
    was: str | None = ENVIRONMENT,
    here: str = ENVIRONMENT,
) -> list[str]:
    monkeypatch.setattr(origin, "context_tags", lambda: dict(now))
    monkeypatch.setattr(origin, "environment_text", lambda: here)
    data = RecordedData("file", sha256, 3, ("weight",), "mpg", {}) if sha256 else None
    run = RecordedRun("0" * 32, "run", "FINISHED", "1", "", {}, {}, recorded, data)
    return differences_of_origin(run, "d" * 64, was)


def test_what_is_as_it_was_recorded_is_not_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    assert differences(monkeypatch) == []


def test_other_data_are_told_with_both_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "the data are not the recorded ones: sha256 dddddddddddd... now, eeeeeeeeeeee... recorded"
    assert differences(monkeypatch, sha256="e" * 64) == [told]
    assert differences(monkeypatch, sha256=None) == ["the hash of the data was not recorded"]


@pytest.mark.parametrize(
    ("recorded", "now", "told"),
    [
        ({TREES: f"gdexp/ {A}", COMMIT: A}, {TREES: f"gdexp/ {A}", COMMIT: B}, None),
        (
            {TREES: f"gdexp/ {A}, conf/ {B}"},
            {TREES: f"gdexp/ {B}, conf/ {B}"},
            "the program is not the recorded one: gdexp/ bbbbbbbbbbbb, conf/ bbbbbbbbbbbb now; "
            "gdexp/ aaaaaaaaaaaa, conf/ bbbbbbbbbbbb recorded",
        ),
        (
            {TREES: f"gdexp/ {A}, with uncommitted changes"},
            {TREES: f"gdexp/ {A}"},
            "the program is not the recorded one: gdexp/ aaaaaaaaaaaa now; "
            "gdexp/ aaaaaaaaaaaa, with uncommitted changes recorded",
        ),
        (
            {TREES: f"gdexp/ {A}, with uncommitted changes"},
            {TREES: f"gdexp/ {A}, with uncommitted changes"},
            "the program had uncommitted changes, as it has now: they may not be the same "
            "(gdexp/ aaaaaaaaaaaa, with uncommitted changes)",
        ),
        (
            {COMMIT: A, DIRTY: "true"},
            {COMMIT: B, DIRTY: "false", TREES: f"gdexp/ {A}"},
            "the program is not the recorded one: commit bbbbbbbbbbbb now; "
            "commit aaaaaaaaaaaa, with uncommitted changes recorded",
        ),
        ({COMMIT: A, DIRTY: "false"}, {COMMIT: A, DIRTY: "false"}, None),
        (
            {TREES: f"gdexp/ {A}"},
            {},
            "the program is not the recorded one: not from a git checkout now; gdexp/ aaaaaaaaaaaa recorded",
        ),
        ({}, {COMMIT: A}, "the commit was not recorded: the program was not run from a git checkout"),
    ],
    ids=[
        "other commit, same trees",
        "trees",
        "was dirty",
        "both dirty",
        "commits",
        "same commit",
        "wheel now",
        "wheel",
    ],
)
def test_another_program_is_told_with_both(
    monkeypatch: pytest.MonkeyPatch, recorded: Mapping[str, str], now: Mapping[str, str], told: str | None
) -> None:
    assert differences(monkeypatch, recorded, now) == ([] if told is None else [told])


def test_packages_that_decide_numbers_are_told_a_line_each_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "# Python 3.13.0\n# macOS-15-arm64\nnumpy==2.4.1\nhydra-core==1.3.2\npandas==2.2.3\nrich==14.0\n"
    assert differences(monkeypatch, here=here) == [
        "Python 3.13.0 is running, 3.12.1 was recorded",
        "platform macOS-15-arm64 is here, Linux-6.1-x86_64 was recorded",
        "numpy 2.4.1 is installed, 2.3.0 was recorded",
        "pandas 2.2.3 is installed, none was recorded",
    ]


def test_packages_that_were_not_recorded_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert differences(monkeypatch, was=None) == ["the packages were not recorded"]

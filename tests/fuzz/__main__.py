"""`python -m tests.fuzz [TARGET ...]`: the properties of this folder on as many cases as wanted, guided by coverage.

Each target is a process of its own, in which atheris drives a property of Hypothesis with the bytes that it mutates;
what reaches a new line or branch of gdexp is kept and mutated further. Where atheris is not installed the bytes are
random, which is said. A case that breaks its property is kept, told in full, and ends its target.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

KEPT = Path(".hypothesis/fuzz")
"""Where a target's interesting bytes lie from one run to the next, and those that broke a property."""
LONGEST, SEEDS, SLOWEST_SECONDS, MOST_MEGABYTES = 4096, 64, 120, 4096


@dataclass(frozen=True)
class Target:
    """A property, and what share of the cases it gets: those of slow ones are few."""

    module: str
    test: str
    share: float


TARGETS = {
    "arguments": Target("test_arguments", "test_whatever_is_typed_is_answered_or_refused_in_one_line", 0.04),
    "studies": Target("test_arguments", "test_whatever_a_study_says_is_answered_or_refused_in_one_line", 0.005),
    "csv": Target("test_files", "test_whatever_a_csv_file_holds_is_read_or_refused", 0.3),
    "parquet": Target("test_files", "test_whatever_a_parquet_file_holds_is_read_or_refused", 0.2),
    "claims": Target("test_claims", "test_whatever_a_claims_file_says_is_checked_or_refused", 0.2),
    "configs": Target("test_recorded", "test_whatever_a_recorded_configuration_says_is_taken_or_refused", 0.12),
    "names": Target("test_recorded", "test_whatever_a_run_is_asked_for_by_is_found_or_refused", 0.115),
    "commands": Target("test_recorded", "test_whatever_report_replay_and_resume_are_told_is_answered_or_refused", 0.02),
}


def main() -> None:
    """Fuzz the targets, each in its share of the cases; exit 0 where every property held."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", metavar="TARGET", nargs="*", help=f"among {', '.join(TARGETS)}; all without it")
    parser.add_argument("--cases", type=int, default=100_000, help="cases of all targets together (default: 100,000)")
    parser.add_argument("--seed", type=int, default=1, help="of what is random (default: 1)")
    parser.add_argument("--one", metavar="CASES", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--again", metavar="FILE", type=Path, help="only the bytes in this file, of one target")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"there is no target {unknown[0]}")
    if options.again:
        property_of(names[0])(options.again.read_bytes())
    elif options.one:
        fuzz(names[0], options.one, options.seed)
    else:
        print("guided by coverage" if find_spec("atheris") else "atheris is not installed, so cases are random")
        whole = sum(TARGETS[name].share for name in names)
        counts = {name: max(1, round(options.cases * TARGETS[name].share / whole)) for name in names}
        sys.exit(max(started(name, count, options.seed) for name, count in counts.items()))


def started(name: str, cases: int, seed: int) -> int:
    """Fuzz one target in a process of its own and return its exit status."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--one", str(cases), "--seed", str(seed)]
    log = KEPT / f"{name}.log"
    KEPT.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("w") as file:
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=file, text=True, check=False)
    held = ended.returncode == 0
    counts = [int(line) for line in ended.stdout.splitlines() if line.isdecimal()]  # atheris may say more at its end
    done = counts[-1] if counts else 0
    said = "every one held" if held else f"one did not: {log}"
    print(f"{name:10} {done:>8,} cases in {time.monotonic() - began:6.0f} s: {said}", flush=True)
    return int(not held)


def property_of(name: str) -> Callable[[bytes], Any]:
    """Return the property of a target as a function of bytes, which returns None where they make up no case."""
    module = import_module(f"tests.fuzz.{TARGETS[name].module}")
    one: Callable[[bytes], Any] = getattr(module, TARGETS[name].test).hypothesis.fuzz_one_input
    return one


def fuzz(name: str, cases: int, seed: int) -> None:
    """Put mutated bytes to the property of a target until it has had that many cases, and end the process."""
    corpus = KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    generator = random.Random(seed)
    for number in range(SEEDS):
        (corpus / f"seed-{number}").write_bytes(generator.randbytes(LONGEST))
    done = 0

    def one(content: bytes) -> None:
        nonlocal done
        done += check(content) is not None
        if done % 100 == 0 or done >= cases:
            print(done, flush=True)
        if done >= cases:
            os._exit(0)

    if find_spec("atheris") is None:
        check = property_of(name)
        while True:
            content = generator.randbytes(LONGEST)
            (corpus / "latest").write_bytes(content)
            one(content)
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["gdexp"]):
        check = property_of(name)
    limits = [f"-max_len={LONGEST}", f"-timeout={SLOWEST_SECONDS}", f"-rss_limit_mb={MOST_MEGABYTES}", "-len_control=0"]
    kept = [f"-artifact_prefix={KEPT / name}-", f"-seed={seed}", "-verbosity=0", "-print_final_stats=0"]
    atheris.Setup([sys.argv[0], *limits, *kept, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

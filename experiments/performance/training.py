"""Rows 1 and 2: training on arrays in memory, with every loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from experiments.performance.descents import LR, Array, Problem, generated, jax_scan, numpy_loop, torch_sgd
from experiments.performance.measure import Contender, Sample, fastest, interleaved, keep_memory
from experiments.performance.profiles import by_module
from experiments.performance.results import Aim, Case, Profile, Settings, check_same
from gdexp.core import LeastSquares, Stopping, Trajectory, descend, zero

FEATURES = 20
ROUNDS = 5
"""In how many rounds of a turn all but the peers take part, who need some milliseconds."""
PEERS = {"NumPy loop": numpy_loop, "JAX jit + scan": jax_scan, "PyTorch full-batch SGD": torch_sgd}


def trained(problem: Problem) -> Trajectory:
    """Return gdexp's trajectory, from the arrays on: all losses, gaps and gradient norms, no parameters yet."""
    squares = LeastSquares.from_arrays(problem.X, problem.y)
    return descend(squares, lr=LR, start=zero(squares), stopping=Stopping(max_iterations=problem.steps))


def one_read(problem: Problem, settings: Settings) -> list[Contender]:
    """Return the limit: each number of the data read once at memory bandwidth, measured on more than a cache holds.

    Beside it stands the least that ten reads in a row take.
    """
    numbers = np.ones(settings.size(2**25, 2**15))
    share = (problem.X.nbytes + problem.y.nbytes) / numbers.nbytes
    note = f"at {numbers.nbytes // 2**20} MiB's bandwidth"
    return [
        Contender("one read of the data", "limit", lambda: numbers @ numbers, note, share),
        Contender("fastest of ten reads", "limit", lambda: fastest(lambda: numbers @ numbers), note, share),
    ]


def one_write(problem: Problem) -> Array:
    """Return an array as large as the trajectory with its parameters, written once."""
    return np.full((problem.steps + 1, FEATURES + 4), 1.0)


def measured(
    problem: Problem, settings: Settings, extra: list[Contender] | None = None, *, timed_steps: int | None = None
) -> dict[str, Sample]:
    """Return the samples of gdexp, its peers, the limit and `extra` on one problem, after comparing the losses.

    Peers that would take minutes are timed on the first `timed_steps` steps, each of which costs them the same.
    """
    keep_memory()
    timed = Problem(problem.X, problem.y, timed_steps or problem.steps)
    note = f"extrapolated from {timed.steps:,} steps" if timed_steps else ""
    scale = problem.steps / timed.steps
    everybody = [
        Contender("gdexp", "gdexp", lambda: trained(problem).mse),
        *(Contender(name, "peer", peer(timed), note, scale) for name, peer in PEERS.items()),
        Contender("gdexp, all parameters too", "reference", lambda: trained(problem).parameters),
        *(extra or []),
        *one_read(problem, settings),
    ]
    contenders = [one if one.role == "peer" else replace(one, rounds=ROUNDS) for one in everybody]
    tiny = Problem(problem.X[:100], problem.y[:100], 2)
    for work in (lambda: trained(tiny), numpy_loop(tiny), lambda: trained(problem).parameters):
        work()
    samples = interleaved(contenders, settings.repetitions)
    for name in PEERS:
        if samples[name].seconds:
            check_same(samples["gdexp"].result[: timed.steps + 1], samples[name].result, name)
    return samples


def case(
    row: int,
    problem: Problem,
    samples: dict[str, Sample],
    aims: list[Aim],
    timed_steps: int | None = None,
    profiles: Sequence[Profile] = (),
) -> Case:
    """Return the case of a problem; scikit-learn is in no row because nothing in it does this work."""
    n = len(problem.y)
    return Case(
        row=row,
        work=f"training, n={n:,}, d={FEATURES}, K={problem.steps:,}, every MSE",
        samples=list(samples.values()),
        aims=aims,
        checked=f"{'the first' if timed_steps else 'all'} {(timed_steps or problem.steps) + 1:,} losses of every peer",
        sizes={"n": n, "K": problem.steps},
        profiles=profiles,
    )


def profile(problem: Problem) -> Profile:
    """Return where gdexp's time goes on a problem."""
    return by_module(f"training with n={len(problem.y):,}, K={problem.steps:,}", lambda: trained(problem))


def speedups(samples: dict[str, Sample], over_numpy: float, over_fastest: float) -> list[Aim]:
    """Return the aims of a training row in comparison with the peers."""
    ours = samples["gdexp"].median
    fastest = min(samples[name].median for name in PEERS if samples[name].seconds)
    return [
        Aim(f"{over_numpy:g}x the NumPy loop", samples["NumPy loop"].median / ours, at_least=over_numpy),
        Aim(f"{over_fastest:g}x the fastest peer", fastest / ours, at_least=over_fastest),
    ]


def within_limit(samples: dict[str, Sample]) -> Aim:
    """Return the aim to need at most 20 reads of the data."""
    ratio = samples["gdexp"].median / samples["one read of the data"].median
    return Aim("within 20x of one read of the data", ratio, at_most=20)


def steps_rows(settings: Settings) -> list[Case]:
    """Row 1: 1,000 and 10,000 steps over 100,000 rows."""
    cases = []
    for steps, over_numpy, over_fastest in ((1000, 40, 20), (10_000, 400, 200)):
        problem = generated(settings.size(100_000, 500), FEATURES, settings.size(steps, steps // 50))
        samples = measured(problem, settings)
        cases.append(case(1, problem, samples, speedups(samples, over_numpy, over_fastest)))
    return cases


def growth_rows(settings: Settings) -> list[Case]:
    """Row 2: 100,000 steps, and 10,000 and 1,000,000 rows."""
    problem = generated(settings.size(100_000, 500), FEATURES, settings.size(100_000, 500))
    few_steps = Problem(problem.X, problem.y, problem.steps // 100)
    few_rows = Problem(problem.X[: len(problem.y) // 100], problem.y[: len(problem.y) // 100], problem.steps)
    least = Problem(few_rows.X, few_rows.y, few_steps.steps)
    extra = [
        Contender("gdexp, K / 100", "reference", lambda: trained(few_steps).mse),
        Contender("gdexp, n / 100", "reference", lambda: trained(few_rows).mse),
        Contender("gdexp, n / 100 and K / 100", "reference", lambda: trained(least).mse),
        Contender("one write of as many numbers", "reference", lambda: one_write(problem)),
    ]
    samples = measured(problem, settings, extra, timed_steps=few_steps.steps)
    many_rows = samples["gdexp"].median - samples["gdexp, K / 100"].median
    no_rows = samples["gdexp, n / 100"].median - samples["gdexp, n / 100 and K / 100"].median
    growth = Aim("99% of the steps cost at most 1.5x what they cost with n / 100", many_rows / no_rows, at_most=1.5)
    cases = [case(2, problem, samples, [growth, within_limit(samples)], few_steps.steps, [profile(problem)])]
    for n, quick in ((1_000_000, 5000), (10_000, 50)):
        problem = generated(settings.size(n, quick), FEATURES, settings.size(1000, 20))
        if n > 100_000:
            timed_steps = problem.steps // 10
            samples = measured(problem, settings, timed_steps=timed_steps)
            cases.append(case(2, problem, samples, [within_limit(samples)], timed_steps, [profile(problem)]))
        else:
            cases.append(case(2, problem, measured(problem, settings), []))
    return cases

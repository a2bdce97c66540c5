"""What one run does: data, problem, start, descend, record."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from gdexp.config import Config
from gdexp.core import DataError, ParameterError, Theory, Trajectory, descend, theory
from gdexp.core.factor import Array
from gdexp.data import Dataset, load
from gdexp.plots import RunView, run_figures, save
from gdexp.report.words import caption, decisive, description, stability
from gdexp.tracking import Store, masked, recorded_run
from gdexp.tracking.context import environment_text
from gdexp.tracking.metrics import parameter_names
from gdexp.tracking.trajectory import write_trajectory


@dataclass(frozen=True, eq=False)
class Plan:
    """A run that can be carried out: its configuration is valid, its data are read, its start fits them."""

    config: Config
    dataset: Dataset
    lr: float
    start: Array
    theory: Theory

    @property
    def name(self) -> str:
        """The name of the run where no sweep gives it one."""
        unit = " x limit" if self.config.lr_unit == "limit" else ""
        return f"{self.config.data.name}, lr={self.config.lr:.6g}{unit}, {self.config.init.name}"

    @property
    def remarks(self) -> list[str]:
        """What is to be said before the run: rows that were left out, a learning rate above the limit."""
        return [text for text in (self.dataset.note, "" if self.theory.stable else stability(self.theory)) if text]


@dataclass(frozen=True, eq=False)
class Result:
    """A run that was carried out and recorded as `run_id`."""

    trajectory: Trajectory = field(repr=False)
    run_id: str


def plan_run(config: Config) -> Plan:
    """Return the plan of the run that `config` describes; nothing is recorded.

    Raises GdexpError for whatever would keep the run from being carried out: data that cannot be read, a start
    that does not fit them.
    """
    try:
        dataset = load(config.data)
    except ParameterError as error:
        raise error.within("data") from None
    except DataError as error:
        raise DataError(f"data={config.data.name}: {error}") from None
    except MemoryError as error:
        raise DataError(f"data={config.data.name}: there is not enough memory ({error})") from None
    check_memory(config.stopping.max_iterations, dataset.problem.p)
    lr = config.absolute_lr(dataset.problem)
    try:
        start = config.init.start(dataset.problem, config.seed)
    except ParameterError as error:
        raise error.within("init") from None
    try:
        known = theory(dataset.problem, lr=lr, start=start)
    except DataError as error:
        raise DataError(f"data={config.data.name}, init={config.init.name}: {error}") from None
    if not np.isfinite(known.contraction):
        raise ParameterError("lr", "a number whose product with the largest eigenvalue is finite", config.lr)
    return Plan(config, dataset, lr, start, known)


def check_memory(max_iterations: int, parameters: int) -> None:
    """Raise ParameterError where a trajectory of so many steps would not fit into this machine's memory."""
    needed = 8 * (parameters + 4) * (max_iterations + 1)
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        raise ParameterError(
            "stopping.max_iterations",
            f"at most {available // (8 * (parameters + 4)) - 1:,} steps of {parameters} parameters on this machine, "
            "for every step is recorded",
            max_iterations,
        )


def execute(
    plan: Plan,
    store: Store,
    overrides: Sequence[str] = (),
    *,
    name: str | None = None,
    parent: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Result:
    """Descend as `plan` says and record everything in `store`, as a child of the run `parent` where one is given.

    `overrides` are what the user typed, recorded as they are.
    """
    config, dataset = plan.config, plan.dataset
    known = {"gdexp.config_hash": config.sha256(dataset.sha256), **(tags or {})}
    with recorded_run(store, name or plan.name, config.params(), known, parent) as record:
        trajectory = descend(
            dataset.problem, lr=plan.lr, start=plan.start, stopping=config.stopping, engine=config.engine
        )
        names = parameter_names(dataset.features)
        original = dataset.scaling.original(trajectory.parameters[-1]) if dataset.scaled else None
        record.dataset(dataset, config.data)
        record.descent(trajectory, plan.theory, names, config.tracking, original)
        with record.files() as folder:
            (folder / "config.yaml").write_text(masked(OmegaConf.to_yaml(config.to_mapping())), encoding="utf-8")
            (folder / "overrides.yaml").write_text(masked(OmegaConf.to_yaml(list(overrides))), encoding="utf-8")
            (folder / "environment.txt").write_text(environment_text(), encoding="utf-8")
            write_trajectory(folder / "trajectory.parquet", trajectory, names)
            draw(plan, trajectory, folder / "plots")
        record.note(" ".join([description(config.params(), trajectory, plan.theory), dataset.note]).strip())
    return Result(trajectory, record.run_id)


def draw(plan: Plan, trajectory: Trajectory, folder: Path) -> None:
    """Write the figures that the configuration asks for into `folder`."""
    config = plan.config
    view = RunView(
        trajectory=trajectory,
        theory=plan.theory,
        dataset=plan.dataset,
        title=plan.name,
        caption=caption(decisive(config.params())),
    )
    for name, figure in run_figures(config.plots.name or "all", view):
        folder.mkdir(exist_ok=True)
        save(figure, folder / f"{name}.{config.plots.format}")

"""What one run does: data, problem, start, descend, record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from gdexp.config import Config, overrides_yaml
from gdexp.core import DataError, ParameterError, Theory, Trajectory, descend, theory
from gdexp.core.factor import Array
from gdexp.data import Dataset, load
from gdexp.data.memory import machine_memory
from gdexp.plots import RunView, run_figures, save
from gdexp.report.words import caption, decisive, description, stability
from gdexp.tracking import Store, masked, recorded_run
from gdexp.tracking.context import environment_text
from gdexp.tracking.metrics import parameter_names
from gdexp.tracking.record import Outcome, dataset_input, descent_outcome
from gdexp.tracking.recorded import CONFIG_HASH
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

    @cached_property
    def params(self) -> dict[str, str]:
        """Every configuration key with its value, as the run records them."""
        return self.config.params()

    @property
    def config_hash(self) -> str:
        """The hash of everything that decides the run's numbers."""
        return self.config.sha256(self.dataset.sha256)

    @property
    def names(self) -> list[str]:
        """The name of each parameter in the store."""
        return parameter_names(self.dataset.features)

    @property
    def remarks(self) -> list[str]:
        """What is to be said before the run: rows that were left out, a learning rate above the limit."""
        return [text for text in (self.dataset.note, "" if self.theory.stable else stability(self.theory)) if text]

    def original(self, trajectory: Trajectory) -> Array | None:
        """Return the last parameters in the data's own units, shape (p,), None where the data were not scaled."""
        return self.dataset.scaling.original(trajectory.parameters[-1]) if self.dataset.scaled else None

    def note(self, trajectory: Trajectory) -> str:
        """Return the run's description in the UI, in Markdown."""
        return " ".join([description(self.params, trajectory, self.theory), self.dataset.note]).strip()

    def outcome(self, trajectory: Trajectory) -> Outcome:
        """Return what is recorded of the run besides its files, once it has ended."""
        return descent_outcome(
            trajectory,
            self.theory,
            self.names,
            self.config.tracking,
            original=self.original(trajectory),
            dataset=dataset_input(self.dataset, self.config.data),
            note=self.note(trajectory),
        )


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
    if needed > (available := machine_memory()):
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
    config = plan.config
    with recorded_run(
        store, name or plan.name, plan.params, {CONFIG_HASH: plan.config_hash, **(tags or {})}, parent
    ) as record:
        trajectory = descend(
            plan.dataset.problem, lr=plan.lr, start=plan.start, stopping=config.stopping, engine=config.engine
        )
        record.outcome(plan.outcome(trajectory))
        with record.files() as folder:
            write_files(plan, trajectory, overrides, folder)
    return Result(trajectory, record.run_id)


def write_files(plan: Plan, trajectory: Trajectory, overrides: Sequence[str], folder: Path) -> None:
    """Write the run's artifacts into `folder`: what was configured, where it ran, every step, and the figures."""
    (folder / "config.yaml").write_text(masked(plan.config.to_yaml()), encoding="utf-8")
    (folder / "overrides.yaml").write_text(masked(overrides_yaml(overrides)), encoding="utf-8")
    (folder / "environment.txt").write_text(environment_text(), encoding="utf-8")
    write_trajectory(folder / "trajectory.parquet", trajectory, plan.names)
    draw(plan, trajectory, folder / "plots")


def draw(plan: Plan, trajectory: Trajectory, folder: Path) -> None:
    """Write the figures that the configuration asks for into `folder`."""
    config = plan.config
    if config.plots.name == "none":
        return
    view = RunView(
        trajectory=trajectory,
        theory=plan.theory,
        dataset=plan.dataset,
        title=plan.name,
        caption=caption(decisive(plan.params)),
    )
    for name, figure in run_figures(config.plots.name or "all", view):
        folder.mkdir(exist_ok=True)
        save(figure, folder / f"{name}.{config.plots.format}")

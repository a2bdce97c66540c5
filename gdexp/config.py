"""The configuration of a run: checked once, where settings become dataclasses, and written down as it was used."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, TypeVar

from omegaconf import OmegaConf

from gdexp.core import GdexpError, LeastSquares, ParameterError, Stopping, max_stable_lr
from gdexp.core.checks import choice, near_keys, number, whole_number
from gdexp.core.engines import ENGINES
from gdexp.core.factor import Array
from gdexp.core.initialization import start_function
from gdexp.data import Source, dataset_class
from gdexp.data.datasets.seven_cars import SevenCars
from gdexp.plots import Plots
from gdexp.tracking import Tracking

LR_UNITS = ("absolute", "limit")

T = TypeVar("T")


class UnknownKeyError(GdexpError):
    """A key that no setting has; the text names the nearest ones."""

    def __init__(self, key: str, known: Iterable[str]) -> None:
        super().__init__(f"{key} is not a setting. {near_keys(key, known)}")


@dataclass(frozen=True)
class Init:
    """The initialization called `name`, a function of gdexp.core, with the keyword arguments `settings`."""

    name: str = "zero"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = inspect.signature(start_function(self.name)).parameters.values()
        keys = {known.name: known.default for known in known if known.kind is known.KEYWORD_ONLY}
        keys.pop("seed", None)
        for key in self.settings:
            if key not in keys:
                raise UnknownKeyError(f"init.{key}", (f"init.{known}" for known in keys))
        defaults = {key: None if value is inspect.Parameter.empty else value for key, value in keys.items()}
        object.__setattr__(self, "settings", {**defaults, **self.settings})

    def start(self, problem: LeastSquares, seed: int) -> Array:
        """Return the start for `problem`, shape (p,); raises ParameterError for a setting that it does not take."""
        function = start_function(self.name)
        seeded = {"seed": seed} if "seed" in inspect.signature(function).parameters else {}
        return function(problem, **self.settings, **seeded)


@dataclass(frozen=True)
class Config:
    """Everything that a run may be told; the defaults are the worked example.

    `lr` is the learning rate in units of `lr_unit`: `absolute`, or `limit`, the largest stable one. `seed` feeds
    what is random in a run. `dry_run`, which is not recorded, says that nothing is to be carried out. Raises
    ParameterError for a value that a setting does not take.
    """

    lr: float = 0.01
    lr_unit: str = "absolute"
    seed: int = 0
    engine: str = "spectral"
    data: Source = field(default_factory=SevenCars)
    init: Init = field(default_factory=Init)
    stopping: Stopping = field(default_factory=Stopping)
    tracking: Tracking = field(default_factory=Tracking)
    plots: Plots = field(default_factory=Plots)
    experiment: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", number("lr", self.lr, above=0))
        object.__setattr__(self, "seed", whole_number("seed", self.seed, least=0))
        choice("lr_unit", self.lr_unit, LR_UNITS)
        choice("engine", self.engine, ENGINES)
        if not isinstance(self.dry_run, bool):
            raise ParameterError("dry_run", "true or false", self.dry_run)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any], *, plots: str | None = "all") -> Config:
        """Return the configuration that nested `settings` describe, as conf/ and config.yaml write them.

        What they leave out keeps its default; `plots` are the figures drawn where `plots.name` is null. Raises
        UnknownKeyError for a key that there is not, ParameterError for a value that a key does not take.
        """
        given = dict(settings)
        data = dict(_group(given, "data"))
        init = dict(_group(given, "init"))
        known = [field.name for field in fields(cls)]
        for key in given:
            if key not in known:
                raise UnknownKeyError(key, known)
        try:
            source = dataset_class(data.pop("name", "seven_cars"))
        except ParameterError as error:
            raise error.within("data") from None
        chosen = _built(Plots, "plots", _group(given, "plots"))
        return cls(
            **{
                **given,
                "data": _built(source, "data", data),
                "init": _built(Init, "init", {"name": init.pop("name", "zero"), "settings": init}),
                "stopping": _built(Stopping, "stopping", _group(given, "stopping")),
                "tracking": _built(Tracking, "tracking", _group(given, "tracking")),
                "plots": replace(chosen, name=chosen.name or plots),
            }
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return what is recorded as nested plain values, from which `from_mapping` makes the same configuration."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "dry_run"}
        plain["data"] = {"name": self.data.name, **asdict(self.data)}
        plain["init"] = {"name": self.init.name, **self.init.settings}
        for group in ("stopping", "tracking", "plots"):
            plain[group] = asdict(plain[group])
        listed: dict[str, Any] = json.loads(json.dumps(plain))
        return listed

    def params(self) -> dict[str, str]:
        """Return every key, flattened with dots, and its value as it would be typed."""
        flat: dict[str, str] = {}
        for key, value in self.to_mapping().items():
            group = (
                {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
            )
            flat |= {name: typed(inner) for name, inner in group.items()}
        return flat

    def to_yaml(self) -> str:
        """Return `to_mapping` as YAML."""
        return "".join(_yaml(json.dumps({key: value})) for key, value in self.to_mapping().items())

    def sha256(self, data_sha256: str) -> str:
        """Return the hash of everything that decides the numbers: all but `tracking` and `plots`, and the data."""
        decisive = self.to_mapping() | {"data_sha256": data_sha256}
        for key in ("tracking", "plots", "experiment"):
            del decisive[key]
        # The hash of the data stands for where they lie and which columns were named.
        for key in ("path", "features"):
            decisive["data"].pop(key, None)
        if self.stopping.relative_decrease is None:
            del decisive["stopping"]["patience"]
        decisive = json.loads(json.dumps(decisive), parse_int=float)
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def absolute_lr(self, problem: LeastSquares) -> float:
        """Return the learning rate as it multiplies the gradient."""
        return self.lr * max_stable_lr(problem) if self.lr_unit == "limit" else self.lr


def overrides_yaml(overrides: Sequence[str]) -> str:
    """Return what was typed for a run as a YAML list."""
    return "".join(_yaml(json.dumps([text])) for text in overrides) or "[]\n"


@lru_cache(maxsize=1024)
def _yaml(text: str) -> str:
    """Return JSON `text` as YAML; the runs of a sweep share most pieces, and writing one takes long."""
    return str(OmegaConf.to_yaml(json.loads(text)))


def typed(value: object) -> str:
    """Return `value` as a user would type it on the command line."""
    if isinstance(value, list):
        return f"[{','.join(typed(inner) for inner in value)}]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def _group(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    group = settings.get(name, {})
    if not isinstance(group, Mapping):
        raise ParameterError(name, f"the name of a preset in conf/{name}, or keys such as {name}.KEY", group)
    return group


def _built(kind: type[T], group: str, settings: Mapping[str, Any]) -> T:
    """Return the dataclass `kind` of `settings`, with errors that name the keys as a user writes them."""
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in settings:
        if key not in known:
            raise UnknownKeyError(f"{group}.{key}", (f"{group}.{name}" for name in known))
    try:
        return kind(**settings)
    except ParameterError as error:
        raise error.within(group) from None

"""Hydra's errors in one line each, with the nearest keys and options to what was typed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gdexp.command import UsageError
from gdexp.core import GdexpError
from gdexp.core.checks import near_keys
from gdexp.terminal import printable

GROUPS = ("data", "init", "stopping", "tracking", "plots", "experiment")
PARSERS = ("hydra", "omegaconf", "antlr4", "yaml")


def check_options(arguments: Sequence[str]) -> None:
    """Raise UsageError for an option that Hydra does not have, where argparse would print a screenful."""
    parser = get_args_parser()
    parser.error = _raise  # type: ignore[method-assign]
    options = [option for action in parser._actions for option in action.option_strings]
    for argument in arguments:
        if argument.startswith("~"):
            raise UsageError(f"{argument}: a setting cannot be taken away, only set; null switches off what can be off")
        name, _, value = argument.partition("=")
        if name in GROUPS and value.startswith("["):
            raise UsageError(f"{name} takes the name of one preset, or in a sweep several with commas; got {value!r}")
        if name == "experiment" and "," in value:
            raise UsageError("experiment takes the name of one study, which sweeps by itself; run one after the other")
        if name.startswith("--") and not any(option.startswith(name) for option in options):
            raise UsageError(f"{name} is not an option. {near_keys(name, options)}")
    parser.parse_args(arguments)


def _raise(message: str) -> NoReturn:
    raise UsageError(f"{message}. See --help.")


def is_configuration_error(error: BaseException) -> bool:
    """Tell whether Hydra refused the configuration: by its own errors, or by whatever its code lets through."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return isinstance(error, HydraException | OmegaConfBaseException) or module.partition(".")[0] in PARSERS


def in_one_line(error: Exception, conf: Path) -> str:
    """Return what is wrong in one line; `conf` is the folder whose keys and options may be meant."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, GdexpError):
        return printable(text)
    if found := re.match(r"Could not override '\+*([^'@]+?)'", text):
        return _unknown_key(found[1], conf)
    if found := re.search(r"Key '([^']+)' is not in struct\s+full_key: (\S+)", text):
        return _unknown_key(found[2], conf)
    if found := re.search(r"Could not find '([^']+)/([^'/]*)'\s+Available options in .*:\n((?:\t.*\n)*)", text):
        return _unknown_option(found[1], found[2], found[3].split())
    if found := re.match(r"Ambiguous value for argument '(.+)'", text):
        return (
            f"{printable(found[1])} has several values: add -m to sweep over them, or quote them if they are one text."
        )
    if text.startswith("Config group override"):
        return f"{', '.join(GROUPS)} each take the name of a preset, as in init=zero; see --help."
    if isinstance(error, OverrideParseException):
        typed = printable(str(error.override))
        return (
            f"{typed} cannot be read as KEY=VALUE. A value with signs or letters beyond ASCII wants quotes of its "
            "own inside the shell's: 'KEY=\"VALUE\"'."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("See http")]
    return printable("; ".join(lines[:2])) + ". Settings are typed as KEY=VALUE; see --help."


def _unknown_key(key: str, conf: Path) -> str:
    settings = known_settings(conf)
    if key in GROUPS:
        return f"{key} takes the name of a preset: {', '.join(_options(key, conf))}."
    if key in settings:
        group = key.partition(".")[0]
        return f"{key} is a setting of {' and '.join(f'{group}={option}' for option in settings[key])} only."
    return f"{key} is not a setting. {near_keys(key, settings)}"


def _unknown_option(group: str, option: str, options: Sequence[str]) -> str:
    near = difflib.get_close_matches(option, options, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{group} takes one of {', '.join(options)}; got {option!r}.{hint}"


def _options(group: str, conf: Path) -> list[str]:
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def known_settings(conf: Path) -> dict[str, list[str]]:
    """Return every key that can be set, with the options of its group that have it."""
    settings: dict[str, list[str]] = {key: [] for key in _keys(conf / "config.yaml") if key != "hydra"}
    for group in GROUPS[:-1]:
        settings[group] = []
        for option in _options(group, conf):
            for key in _keys(conf / group / f"{option}.yaml"):
                settings.setdefault(f"{group}.{key}", []).append(option)
    return settings | {"experiment": []}


def _keys(path: Path) -> list[str]:
    return [str(key) for key in OmegaConf.load(path) if key != "defaults"]

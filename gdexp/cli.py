"""The command line: Hydra's entry, exit codes, and one line for each mistake."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gdexp.cli_errors import check_options, in_one_line, is_configuration_error
from gdexp.core import GdexpError
from gdexp.sweep.logspace import expanded_arguments
from gdexp.sweep.sweeper import register, settings_of
from gdexp.terminal import say

PACKAGE = Path(__file__).resolve().parent
CONF = next(folder for folder in (PACKAGE / "conf", PACKAGE.parent / "conf") if folder.is_dir())
"""The configuration: inside an installed package, beside the package in a checkout."""


def main() -> None:
    """Run `python -m gdexp`: exit 0 done, 1 some run failed, 2 refused before the first run, 130 interrupted."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then raises its errors instead of printing them
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        check_options(sys.argv[1:])
        sys.argv[1:] = expanded_arguments(sys.argv[1:])
        register()
        single_run()
    except Exception as error:
        refuse_or_fail(error)
    except KeyboardInterrupt:
        say("gdexp: interrupted; what had finished is recorded", error=True)
        sys.exit(130)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def single_run(settings: DictConfig) -> None:
    """Carry out one run; a sweep's runs come in through its sweeper."""
    from gdexp.config import Config
    from gdexp.report.words import summary
    from gdexp.run import execute, plan_run
    from gdexp.tracking import open_store
    from gdexp.tracking.links import run_link, ui_hint

    # As they were typed: to read one by one would resolve what is written in them.
    overrides = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    assert isinstance(overrides, list)
    try:
        config = Config.from_mapping(settings_of(settings))
        plan = plan_run(config)
        store = open_store(config.tracking)
    except Exception as error:
        # Leaving here keeps Hydra from adding lines of its own.
        refuse_or_fail(error)
    for remark in plan.remarks:
        say(remark, error=True)
    try:
        result = execute(plan, store, overrides)
    except Exception as error:
        fail(error)
    say(summary(result.trajectory, plan.theory))
    say(f"  recorded   run {result.run_id} in experiment {store.experiment!r} of {store.uri}")
    say(f"  to look    {ui_hint(store)} {run_link(store, result.run_id)}")


def refuse_or_fail(error: Exception) -> NoReturn:
    """End with status 2 and one line where a user can mend what is wrong, and as failed where it is gdexp's fault."""
    if isinstance(error, GdexpError) or is_configuration_error(error):
        say(f"gdexp: {in_one_line(error, CONF)}", error=True)
        sys.exit(2)
    fail(error)


def fail(error: Exception) -> NoReturn:
    """End with status 1: what was wrong, where it is told in full, and the traceback if it is told nowhere else."""
    where = " and ".join(getattr(error, "__notes__", []))
    say(f"gdexp: failed: {type(error).__name__}: {error}", error=True)
    say(f"traceback.txt of {where} tells more" if where else traceback.format_exc(), error=True)
    sys.exit(1)


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Treat a request to terminate like Ctrl-C, and let no second one disturb what is being saved after the first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt

"""The command line: Hydra's entry, exit codes, and one line for each mistake."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gdexp.cli_errors import check_options, in_one_line, is_configuration_error
from gdexp.command import command, fail, refuse_or_fail
from gdexp.core import GdexpError
from gdexp.sweep.composition import settings_of
from gdexp.sweep.logspace import expanded_arguments
from gdexp.sweep.sweeper import register
from gdexp.terminal import say

PACKAGE = Path(__file__).resolve().parent
CONF = next(folder for folder in (PACKAGE / "conf", PACKAGE.parent / "conf") if folder.is_dir())
"""The configuration: inside an installed package, beside the package in a checkout."""


def main() -> None:
    """Run `python -m gdexp`: exit 0 done, 1 some run failed, 2 refused before the first run, 130 interrupted."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then raises its errors instead of printing them
    with command("gdexp", refusal=refusal, interrupted="interrupted; what had finished is recorded"):
        check_options(sys.argv[1:])
        sys.argv[1:] = expanded_arguments(sys.argv[1:])
        register()
        with shown_by_hydra(sys.argv[1:]):
            single_run()


@contextlib.contextmanager
def shown_by_hydra(arguments: Sequence[str]) -> Iterator[None]:
    """Have what Hydra itself prints of the configuration go through `say`, which masks the credentials in it."""
    if not any(argument.startswith(("--cfg", "-c", "--info", "-i")) for argument in arguments):
        yield
        return
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        say(printed.getvalue().rstrip("\n"))


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def single_run(settings: DictConfig) -> None:
    """Carry out one run; a sweep's runs come in through its sweeper."""
    from gdexp.config import Config
    from gdexp.report.words import summary
    from gdexp.run import execute, plan_run
    from gdexp.tracking import masked, open_store
    from gdexp.tracking.context import typed_command
    from gdexp.tracking.links import run_link, ui_hint
    from gdexp.tracking.recorded import COMMAND, STUDY, in_tags
    from gdexp.tracking.unsent import FOLDER

    # As they were typed: to read one by one would resolve what is written in them.
    overrides = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    assert isinstance(overrides, list)
    try:
        config = Config.from_mapping(settings_of(settings))
        plan = plan_run(config)
        if config.dry_run:
            say(f"would run {plan.name}; nothing was run: dry_run=true.")
            return
        store = open_store(config.tracking)
    except Exception as error:
        # Leaving here keeps Hydra from adding lines of its own.
        refuse_or_fail("gdexp", error, refusal)
    for remark in plan.remarks:
        say(remark, error=True)
    try:
        tags = in_tags(COMMAND, masked(typed_command())) | ({STUDY: config.experiment} if config.experiment else {})
        result = execute(plan, store, overrides, tags=tags)
    except Exception as error:
        fail("gdexp", error)
    say(summary(result.trajectory, plan.theory))
    if store.delivery.unsent.holds(result.run_id):
        say(f"gdexp: the run is kept in {FOLDER} until `python -m gdexp.resume` sends it", error=True)
        sys.exit(1)
    say(f"  recorded   run {result.run_id} in experiment {store.experiment!r} of {store.uri}")
    say(f"  to look    {ui_hint(store)} {run_link(store, result.run_id)}")


def refusal(error: Exception) -> str | None:
    """Return what is wrong in one line where a user can mend it, None where the fault is gdexp's."""
    return in_one_line(error, CONF) if isinstance(error, GdexpError) or is_configuration_error(error) else None

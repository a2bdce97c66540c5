"""Whatever a store holds or is asked for by name: an answer, or one line."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from gdexp import resume
from gdexp.config import Config
from gdexp.replay import __main__ as replay
from gdexp.replay.rebuild import recorded_config
from gdexp.report import __main__ as report
from gdexp.tracking import Store, Tracking, open_store
from gdexp.tracking.read import find_run, find_sweep
from tests.fuzz.law import answered, assert_answered_or_refused, empty_folder, ended, short, texts
from tests.report.conftest import recorded

RUN = recorded(
    params=Config().params(), tags={"gdexp.version": "0", "gdexp.config_hash": "0"}, run_id="0" * 32, status="FINISHED"
)
KEYS = sorted({key for name in Config().params() for key in (name, name.partition(".")[0], name.rpartition(".")[2])})
keys = st.one_of(st.sampled_from(KEYS), texts)
plain = st.recursive(
    st.one_of(texts, st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.binary(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=8,
)
configs = st.one_of(
    st.dictionaries(keys, st.one_of(plain, st.dictionaries(keys, plain, max_size=4)), max_size=4).map(
        lambda settings: yaml.safe_dump(settings, allow_unicode=True).encode("utf-8", "surrogatepass")
    ),
    st.sampled_from(["data", "init", "stopping", "tracking", "plots"]).flatmap(
        lambda group: st.dictionaries(st.sampled_from(KEYS), plain, max_size=3).map(
            lambda settings: yaml.safe_dump(Config().to_mapping() | {group: settings}, allow_unicode=True).encode(
                "utf-8", "surrogatepass"
            )
        )
    ),
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=60),
)


@short
@given(content=configs)
def test_whatever_a_recorded_configuration_says_is_taken_or_refused(content: bytes) -> None:
    with empty_folder() as folder:
        path = folder / "config.yaml"
        path.write_bytes(content)
        answered(lambda: recorded_config(RUN, path))


@cache
def some_store() -> Store:
    """A store with an experiment and no run, kept as long as this process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return open_store(Tracking(uri=f"sqlite:///{Path(folder) / 'mlflow.db'}"))


run_ids = st.one_of(
    texts, st.text("0123456789abcdef", min_size=30, max_size=34), st.text("0123456789ABCDEF", min_size=32, max_size=32)
)
selectors = st.one_of(run_ids, st.sampled_from(["stopping", "learning_rate", "../stopping", "stopping'--", "a.b", "%"]))


@short
@given(name=selectors)
def test_whatever_a_run_is_asked_for_by_is_found_or_refused(name: str) -> None:
    store = some_store()
    assert answered(lambda: find_run(store, name)) is None
    assert answered(lambda: find_sweep(store, name)) is None


URIS = (
    "sqlite:///",
    "sqlite://",
    "sqlite:///none.db",
    "sqlite:///a/../../none.db",
    "nothing",
    "x://y",
    "",
    " ",
    "file:///none",
)
COMMANDS = {"report": report.main, "replay": replay.main, "resume": resume.main}
OPTIONS = ("--sweep", "--dry-run", "--assume-dead", "--latex", "--format=png", "--format=x", "--out=x", "--help", "-h")
more = st.one_of(
    selectors,
    st.sampled_from(OPTIONS),
    st.sampled_from(URIS).map(lambda uri: f"--uri={uri}"),
    st.sampled_from(["--claims=none", "--experiment=none", "--experiment=", "lr=1", "hydra/launcher=x"]),
    texts.map(lambda text: f"--experiment={text}"),
)


@short
@given(command=st.sampled_from(sorted(COMMANDS)), name=selectors, told=st.lists(more, max_size=4), own=st.booleans())
def test_whatever_report_replay_and_resume_are_told_is_answered_or_refused(
    command: str, name: str, told: list[str], own: bool
) -> None:
    with empty_folder() as folder:
        uri = [f"--uri={some_store().uri}"] if own else []
        end = ended(COMMANDS[command], *told, name, *uri)
        assert_answered_or_refused(end, (command, name, told))
        assert not list(folder.iterdir()), (command, name, told)

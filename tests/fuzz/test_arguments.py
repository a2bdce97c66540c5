"""Whatever is typed or written into a study: a configuration that was checked, or one line; nothing begins."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from unittest import mock

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import gdexp.tracking
from gdexp import cli
from gdexp.cli_errors import GROUPS, known_settings
from gdexp.sweep import sweeper
from tests.fuzz.law import assert_answered_or_refused, empty_folder, ended, short, texts

KEYS = [*known_settings(cli.CONF), "hydra.sweeper.params", "hydra.sweeper.runs", "hydra/launcher", "hydra.mode"]
PRESETS = sorted({path.stem for group in GROUPS for path in (cli.CONF / group).glob("*.yaml")})
VALUES = (
    "0.1", "1e-3", "-1", "0", "nan", "inf", "1e400", "1e308", "5e-324", "true", "null", "7", "1e15", "1e30", "2.5",
    "0.1,0.2", "1,1,1", ",", "range(3)", "range(3,0)", "range(1,2,0)", "choice(1,2)", "choice()", "interval(0,1)",
    "glob(*)", "glob([a*,n*],exclude=near*)", "sort(3,1)", "shuffle(1,2)", "tag(x,1)", "int(a)", "str([1])", "float(x)",
    "logspace(1e-3,1,3)", "logspace(0,1,3)", "logspace(1,2)", "logspace(1,2,-5)", "logspace(1,2,1)", "logspace()",
    "logspace(logspace(1,2,2),3,2)", "[1,2]", "[1,[2]]", "[]", "{}", "{a:1}", "{lr:'0.1,0.2'}", "{lr:[1,2]}",
    "{lr:'logspace(1,2,2)'}", "{data:synthetic}", "[{lr:1},{lr:2}]", "[{stopping:convergence}]", "[5]", "[{lr:{a:1}}]",
    "[{dry_run:false}]", "${lr}", "${seed}", "${data.n}", "${oc.env:HOME}", "${now:%Y}", "${a", "'", "'a b'", '"x,y"',
    "a=b", "a.csv", "/dev/zero", "/dev/zero.csv", ".", "x.parquet", "sqlite:///x.db", "MULTIRUN", "RUN", "basic",
)  # fmt: skip
OPTIONS = (
    "-m", "--multirun", "-r", "--cfg=job", "--cfg", "--help", "--hydra-help", "--resolve", "-p", "--package=data",
    "--config-name=x", "--config-path=x", "--config-dir=nowhere", "--version", "--nothing", "-x", "--", "lr", "=", "=1",
)  # fmt: skip

keys = st.one_of(st.sampled_from(KEYS), texts)
values = st.one_of(st.sampled_from(VALUES), st.sampled_from(PRESETS), texts)
overrides = st.tuples(st.sampled_from(["", "", "", "", "+", "++", "~"]), keys, st.just("="), values).map("".join)
arguments = st.lists(st.one_of(overrides, overrides, overrides, st.sampled_from(OPTIONS), texts), max_size=5)


register_once = cache(sweeper.register)  # a process does it once


def assert_nothing_begins(*told: str) -> None:
    """Assert that a dry run of what is told answers or refuses, and leaves nothing behind."""
    before = sorted(Path().rglob("*"))
    begins = AssertionError("a run was about to begin")
    with (
        mock.patch.object(cli, "register", register_once),
        mock.patch.object(gdexp.tracking, "open_store", side_effect=begins),
        mock.patch.object(sweeper, "begin", side_effect=begins),
        mock.patch.object(sweeper, "resumed", side_effect=begins),
    ):
        assert_answered_or_refused(ended(cli.main, *told, "dry_run=true"), told)
    assert sorted(Path().rglob("*")) == before, told


@short
@given(told=arguments)
def test_whatever_is_typed_is_answered_or_refused_in_one_line(told: list[str]) -> None:
    with empty_folder():
        assert_nothing_begins(*told)


plain = st.recursive(
    st.one_of(
        st.sampled_from(VALUES), st.sampled_from(PRESETS), texts, st.none(), st.booleans(), st.integers(), st.floats()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)
sweepers = st.fixed_dictionaries({}, optional={"params": plain, "runs": plain, "x": plain})
studies = st.one_of(
    st.builds(
        lambda given, swept, mode: given | {"hydra": {"mode": mode, "sweeper": swept}},
        st.dictionaries(keys, plain, max_size=3),
        sweepers,
        st.sampled_from(["MULTIRUN", "MULTIRUN", "RUN", None, "x"]),
    ).map(lambda study: "# @package _global_\n" + yaml.safe_dump(study, allow_unicode=True)),
    texts,
    texts.map(lambda text: f"# @package _global_\n{text}"),
    st.tuples(keys, texts).map(lambda pair: f"# @package {pair[1]}\n{pair[0]}: {pair[1]}\n"),
)


@settings(short, max_examples=12)  # Hydra composes each from its files
@given(study=studies)
def test_whatever_a_study_says_is_answered_or_refused_in_one_line(study: str) -> None:
    with empty_folder() as folder:
        (folder / "experiment").mkdir()
        (folder / "experiment" / "fuzzed.yaml").write_bytes(study.encode("utf-8", "surrogatepass"))
        assert_nothing_begins(f"--config-dir={folder}", "experiment=fuzzed")

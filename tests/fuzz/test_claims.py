"""Whatever a claims file says: findings, or one line that names the file and the place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gdexp.core.factor import Array
from gdexp.report.blocks import Block, Part, Section, Table, Text
from gdexp.report.checks import BOUNDS, CHECKS, ORDERS, OUTCOMES, SERIES, TRENDS, WORDS
from gdexp.report.claims import findings, tables
from gdexp.report.page import html, markdown
from gdexp.report.study import read_study
from gdexp.tracking.read import RecordedRun
from tests.fuzz.law import answered, empty_folder, short, texts
from tests.report.conftest import recorded

METRICS = {"mse_final": 1.0, "mse_gap": 0.5, "steps": 2.0, "theory_minimum_mse": 0.5, "theory_max_stable_lr": 0.1}
RUNS = [
    recorded(
        {"lr": lr, "init": name},
        metrics=METRICS | {"mse_gradient_norm": float(lr)},
        tags={"gdexp.job": str(job), "gdexp.stop_reason": "max_iterations", "gdexp.stable": "true"},
        status=status,
        run_id=f"{job:032x}",
    )
    for job, (lr, name, status) in enumerate(
        [("0.1", "zero", "FINISHED"), ("0.2", "<b>", "FINISHED"), ("0.3", "../x", "FINISHED"), ("1", "zero", "FAILED")]
    )
]
COLUMNS = {
    "step": np.arange(3),
    "mse": np.array([3.0, 2.0, 1.0]),
    "gap": np.array([2.0, 1.0, 0.0]),
    "gradient_norm": np.array([1.0, np.nan, np.inf]),
    "parameter_bias": np.array([1e300, -1e300, 5e-324]),
}

known = st.sampled_from([*SERIES, *OUTCOMES, *WORDS, *METRICS, "parameter_bias", "lr", "init"])
words = st.one_of(
    known, texts, st.sampled_from(["paper", "true", "max_iterations", "5.54", "1e-6", "0", "2", "-1e300"])
)
runs = st.one_of(st.dictionaries(st.one_of(st.sampled_from(["lr", "init"]), texts), words, max_size=2), words)
tables_of_values = st.lists(st.dictionaries(st.one_of(st.just("step"), known), words, max_size=3), max_size=3)
others = st.fixed_dictionaries({}, optional={"run": runs, "metric": words, "step": words})
checks = {
    **dict.fromkeys(("value", *BOUNDS), words),
    **dict.fromkeys(TRENDS, st.one_of(st.sampled_from(["lr", "init"]), words)),
    **dict.fromkeys(ORDERS, st.one_of(others, words)),
    "table": st.one_of(tables_of_values, words),
    "not_checkable": words,
}
claims = st.sampled_from(CHECKS).flatmap(
    lambda kind: st.fixed_dictionaries(
        {"id": st.one_of(st.sampled_from(["a", "b"]), words), "source": st.sampled_from(["paper", "paper", "x"])},
        optional={"says": words, "run": runs, "metric": words, "step": words, kind: checks[kind], "x": words},
    )
)
studies = st.one_of(
    st.fixed_dictionaries(
        {"question": words, "sources": st.fixed_dictionaries({"paper": words}, optional={"x": words})},
        optional={
            "claims": st.lists(claims, max_size=3),
            "show": st.lists(st.fixed_dictionaries({"figure": words}, optional={"run": runs}), max_size=2),
        },
    ).map(lambda study: yaml.safe_dump(study, allow_unicode=True).encode("utf-8", "surrogatepass")),
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(alphabet="-:[]{}!&*#|>\"'%@`a1 \n\t?,~", max_size=60).map(str.encode),
    st.binary(max_size=60),
)


def trajectory(_: RecordedRun) -> Mapping[str, Array]:
    return COLUMNS


@short
@given(content=studies)
def test_whatever_a_claims_file_says_is_checked_or_refused(content: bytes) -> None:
    with empty_folder() as folder:
        path = folder / "claims.yaml"
        path.write_bytes(content)
        study = answered(lambda: read_study(path))
    if study is None:
        return
    found = findings(study, RUNS, trajectory)
    rows = [[f.claim_id, f.says, f.what, f.published, f.ours, f.difference, f.why] for f in found]
    assert all(cell.isprintable() for row in rows for cell in row)
    blocks: list[Block] = [Text(study.question), Table(["claim"] * 7, rows)]
    blocks += [Table(one.header, one.rows) for one in tables(study, found)]
    section = [Section("Claims", [Part("", blocks)])]
    page = html(study.question, section)
    assert "<script" not in page
    assert "<img" not in page
    assert markdown(study.question, section).isprintable() is False  # it has lines

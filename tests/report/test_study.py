from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gdexp.report.checks import Bound, NotCheckable, Number, Order, Point, Table, Trend, Value, Word
from gdexp.report.nodes import DEEPEST, LARGEST, MOST_NODES
from gdexp.report.study import Shown, Source, Study, StudyError, read_study

WHOLE = """
question: Do six iterations by hand give what
  descent gives?
sources:
  course: {title: "A course, gradient descent", url: "https://example.org/a?b=c#d"}
  notes: Somebody's notes
show:
  - {run: {lr: 0.06}, figure: model}
  - figure: loss_curve
claims:
  - id: minimum
    source: course
    says: A weight of -5.44 and a bias of 35.94 produce the lowest loss.
    run: {init: explicit, init.values: [-5.44, 35.940]}
    metric: mse
    step: 0
    value: 5.540
  - {id: bound, source: notes, says: It is low., metric: mse, step: 1000, below: 2.0}
  - {id: trend, source: notes, says: Higher is faster., metric: steps_to_gap, decreasing_in: lr}
  - {id: order, source: notes, says: One is better., run: {lr: 0.06}, metric: mse, step: 9, less_than: {run: {lr: 1}}}
  - {id: own, source: notes, says: At last., metric: mse, step: 9, greater_than: {run: {lr: 1}, metric: mse_final}}
  - {id: later, source: notes, says: Later., metric: mse, step: 9, greater_than: {run: {lr: 1}, step: 10}}
  - {id: itself, source: notes, says: It falls., metric: mse, step: 9, less_than: {step: 0}}
  - {id: word, source: notes, says: It converges., metric: stop_reason, value: converged}
  - id: table
    source: notes
    says: Six iterations.
    run:
    table:
      - {step: 0, parameter_weight: 0, mse: 303.71}
      - {step: 1, mse: 170.67}
  - {id: words-only, source: notes, says: The model is good., not_checkable: No number is named.}
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "claims.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def fault(folder: Path, text: str | bytes) -> str:
    """What the error says of the file, from the line on."""
    path = written(folder, text)
    with pytest.raises(StudyError) as raised:
        read_study(path)
    said = str(raised.value)
    assert said.startswith(f"{path}:")
    assert "\n" not in said
    return said.removeprefix(f"{path}:")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(written(tmp_path_factory.mktemp("study"), WHOLE))


def test_a_study_has_its_question_in_one_line_and_the_figures_to_show(study: Study) -> None:
    assert study.question == "Do six iterations by hand give what descent gives?"
    assert study.shown == (Shown({"lr": "0.06"}, "model"), Shown({}, "loss_curve"))


def test_a_claim_keeps_the_digits_that_were_written_and_knows_its_source(study: Study) -> None:
    minimum = study.claims[0]
    assert minimum.source == Source("A course, gradient descent", "https://example.org/a?b=c#d")
    assert minimum.selector == {"init": "explicit", "init.values": "[-5.44,35.940]"}
    assert minimum.check == Value(Point("mse", 0), Number("5.540"))
    assert study.claims[1].source == Source("Somebody's notes", None)


def test_every_kind_of_check_is_read(study: Study) -> None:
    assert {claim.id: claim.check for claim in study.claims[1:]} == {
        "bound": Bound(Point("mse", 1000), "below", Number("2.0")),
        "trend": Trend(Point("steps_to_gap"), "decreasing_in", "lr"),
        "order": Order(Point("mse", 9), "less_than", {"lr": "1"}, Point("mse", 9)),
        "own": Order(Point("mse", 9), "greater_than", {"lr": "1"}, Point("mse_final")),
        "later": Order(Point("mse", 9), "greater_than", {"lr": "1"}, Point("mse", 10)),
        "itself": Order(Point("mse", 9), "less_than", None, Point("mse", 0)),
        "word": Word(Point("stop_reason"), "converged"),
        "table": Table(
            ((0, {"parameter_weight": Number("0"), "mse": Number("303.71")}), (1, {"mse": Number("170.67")}))
        ),
        "words-only": NotCheckable("No number is named."),
    }


@pytest.mark.parametrize("text", ["question: q", "question: q\nclaims: []", "question: q\nclaims:\nsources:\nshow:"])
def test_a_study_may_have_no_claims(tmp_path: Path, text: str) -> None:
    assert read_study(written(tmp_path, text)) == Study("q")


@pytest.mark.parametrize(
    "metric", ["mse", "gap", "relative_gap", "gradient_norm", "parameter_bias", "steps", "theory_contraction"]
)
def test_every_recorded_number_can_be_claimed_of_the_outcome(tmp_path: Path, metric: str) -> None:
    text = f"question: q\nsources: {{s: t}}\nclaims: [{{id: a, source: s, says: b, metric: {metric}, value: 1}}]"
    assert read_study(written(tmp_path, text)).claims[0].check == Value(Point(metric), Number("1"))


def test_a_minus_sign_may_be_the_one_that_web_pages_print(tmp_path: Path) -> None:
    text = WHOLE.replace("value: 5.540", "value: \N{MINUS SIGN}5.44")
    assert read_study(written(tmp_path, text)).claims[0].check == Value(Point("mse", 0), Number("-5.44"))


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(tmp_path: Path, study: Study) -> None:
    assert read_study(written(tmp_path, b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())) == study


TOP = "question: q\nsources:\n  course: t\nclaims:\n"
START = TOP + "  - id: a\n    source: course\n    says: b\n"  # the claim begins in line 5, what follows in line 8
STEPPED = "metric with a step takes mse, gap, relative_gap, gradient_norm, parameter_NAME; got"
CHECKS = (
    "value, below, above, at_least, at_most, decreasing_in, increasing_in, less_than, greater_than, table, "
    "not_checkable"
)
CLAIM = f"a claim takes the keys id, source, says, run, metric, step, {CHECKS}; got"
NUMBER = "a finite number in plain digits, as 5.54, -36 or 1e-6"
WORD = "a word of letters, digits, _ and -"
ROWS = "table takes rows of a step and published values, {step: 0, mse: 303.71}; got none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: the file is empty"),
        ("# only a comment\n", "1: the file is empty"),
        ("[1]", "1: a study takes a mapping of the keys question, sources, show, claims; got a list"),
        ("\n\nclaims: []", "3: a study has no question"),
        ("question:", "1: question takes a text; got nothing"),
        ("question: {a: b}", "1: question takes a text; got a mapping"),
        ('question: q\nsources: {"": t}', "2: a key of sources takes a name; got nothing"),
        ("question: q\nsources: {a b: t}", f"2: a key of sources takes {WORD}; got 'a b'"),
        ("question: q\nsources: []", "2: sources takes a mapping of keys to titles; got a list"),
        ("question: q\nsources: {s: []}", "2: a source takes a mapping of the keys title, url; got a list"),
        ("question: q\nsources: {s: {url: 'http://a'}}", "2: a source has no title"),
        (
            "question: q\nsources:\n  s: {title: t, url: 'javascript:alert(1)'}",
            "3: url takes an address that begins with http:// or https://; got 'javascript:alert(1)'",
        ),
        (
            "question: q\nclaim: []",
            "2: a study takes the keys question, sources, show, claims; got 'claim'. Near it: claims.",
        ),
        ("question: q\nquestion: r", "2: a study has 'question' twice"),
        ("question: q\n? [a]\n: b", "2: a key of a study takes a name; got a list"),
        ("question: q\nshow: {}", "2: show takes a list; got a mapping"),
        ("question: q\nshow:\n  - {run: {}}", "3: an item of show has no figure"),
        ("question: q\nshow: [{figure: ../a}]", f"2: figure takes {WORD}; got '../a'"),
        ("question: q\nclaims: none", "2: claims takes a list; got 'none'"),
        ("question: q\nclaims:\n  - ", "3: a claim has no id"),
        (TOP + "  - says: b", "5: a claim has no id"),
        (TOP + "  - id: a b", f"5: id takes {WORD}; got 'a b'"),
        (TOP + "  - id: a\n    says: b", "5: the claim 'a' has no source"),
        (TOP + "  - id: a\n    source: book", "6: source takes a key of sources; got 'book'"),
        (TOP + "  - id: a\n    source: corse", "6: source takes a key of sources; got 'corse'. Near it: course."),
        (TOP + "  - id: a\n    source: course", "5: the claim 'a' has no says"),
        (
            "question: q\nsources: {s: t}\nclaims:\n" + "  - {id: a, source: s, says: b, not_checkable: c}\n" * 2,
            "5: claims has the id 'a' twice",
        ),
    ],
)
def test_a_mistake_in_a_study_is_said_in_one_line_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert fault(tmp_path, text) == said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["value: 1"], "5: the claim 'a' has no metric"),
        (["metric: mse"], f"5: the claim 'a' takes one check of {CHECKS}; got none"),
        (
            ["metric: mse", "value: 1", "below: 2"],
            f"10: the claim 'a' takes one check of {CHECKS}; got value and below",
        ),
        (["metrc: mse"], f"8: {CLAIM} 'metrc'. Near it: metric."),
        (["colour: red"], f"8: {CLAIM} 'colour'"),
        (["run: all", "metric: mse", "value: 1"], "8: run takes settings, as {lr: 0.06}; got 'all'"),
        (["run: {lr: {a: b}}", "metric: mse", "value: 1"], "8: lr takes a text; got a mapping"),
        (["run: {lr: 1, lr: 2}", "metric: mse", "value: 1"], "8: run has 'lr' twice"),
        (["step: 1", "metric: msee", "value: 1"], f"9: {STEPPED} 'msee'. Near it: mse."),
        (["metric: mse_final", "value: 1", "step: 0"], f"8: {STEPPED} 'mse_final'"),
        (["metric: stop_reason", "step: 3", "value: converged"], f"8: {STEPPED} 'stop_reason'"),
        (["metric: parameter_", "step: 3", "value: 1"], f"8: {STEPPED} 'parameter_'. Near it: parameter_NAME."),
        (["metric: mse", "value:"], "9: value takes a number; got nothing"),
        (["metric: mse", "value: [1]"], "9: value takes a number; got a list"),
        (["metric: mse", "decreasing_in: [lr]"], "9: decreasing_in takes the key of a setting; got a list"),
        (["metric: stop_reason", "below: 1"], "9: stop_reason takes the check value, being a word; got below"),
        (["metric: stable", "value: yes"], "9: value takes one of true, false for stable; got 'yes'"),
        (
            ["metric: stop_reason", "value: convergd"],
            "9: value takes one of diverged, loss_threshold, gradient_norm, converged, max_iterations for stop_reason; "
            "got 'convergd'. Near it: converged.",
        ),
        (["metric: mse", "less_than: 3"], "9: less_than takes a mapping of the keys run, metric, step; got '3'"),
        (["metric: mse", "less_than:"], "9: less_than takes a run, or a metric or step of the same run; got nothing"),
        (
            ["metric: mse", "less_than: {}"],
            "9: less_than takes a run, or a metric or step of the same run; got a mapping",
        ),
        (
            ["metric: mse", "less_than: {stp: 3}"],
            "9: less_than takes the keys run, metric, step; got 'stp'. Near it: step.",
        ),
        (
            ["metric: mse", "less_than: {run: {}, metric: stable}"],
            "9: less_than takes a metric that is a number; got 'stable'",
        ),
        (["metric: mse_final", "less_than: {run: {}, step: 3}"], f"8: {STEPPED} 'mse_final'"),
        (["metric: mse", "table: []"], "8: the claim 'a' takes no metric beside table"),
        (["step: 0", "not_checkable: why"], "8: the claim 'a' takes no step beside not_checkable"),
        (["not_checkable:"], "8: not_checkable takes a text; got nothing"),
        (["table: {}"], "8: table takes a list; got a mapping"),
        (["table:"], f"8: {ROWS}"),
        (["table: []"], f"8: {ROWS}"),
        (["table: [{step: 0}]"], f"8: {ROWS}"),
        (["table:", "  - {mse: 1}"], "9: a row of table has no step"),
        (["table:", "  - 3"], "9: a row of table takes a mapping of step and metrics; got '3'"),
        (["table:", "  - {step: 1, mse: 1}", "  - {step: 1, mse: 2}"], "10: table has step 1 twice"),
        (["table:", "  - {step: 1, mse: x}"], f"9: mse takes {NUMBER}; got 'x'"),
        (["table:", "  - {step: 1, loss: 1}"], f"9: a column of table {STEPPED.partition('step ')[2]} 'loss'"),
    ],
)
def test_a_mistake_in_a_claim_is_said_in_one_line_with_its_place(tmp_path: Path, lines: list[str], said: str) -> None:
    assert fault(tmp_path, START + "".join(f"    {line}\n" for line in lines)) == said


@pytest.mark.parametrize("step", ["-1", "1.5", "1e3", "last", "1_000"])
def test_a_step_is_a_whole_number_from_zero_on(tmp_path: Path, step: str) -> None:
    text = START + f"    metric: mse\n    step: {step}\n    value: 1"
    assert fault(tmp_path, text) == f"9: step takes a whole number of at least 0; got '{step}'"


@pytest.mark.parametrize("key", ["value", "below", "above", "at_least", "at_most"])
@pytest.mark.parametrize(
    "value",
    [
        "low",
        "1,000",
        "1_000",
        ".inf",
        "nan",
        "1e999",
        "0x10",
        "1e-99999",
        "--1",
        ".",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "1 2",
    ],
)
def test_a_published_number_is_finite_and_in_plain_digits(tmp_path: Path, key: str, value: str) -> None:
    assert fault(tmp_path, START + f"    metric: mse\n    {key}: {value}") == f"9: {key} takes {NUMBER}; got '{value}'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [", "2: while parsing a flow node expected the node content, but found '<stream end>'"),
        ("question: a: b", "1: mapping values are not allowed here; put text that holds a colon in quotes"),
        ("a: 1\n\tb: 2", "2: while scanning for the next token found character '\\t' that cannot start any token"),
        ("a: 1\n---\nb: 2", "2: expected a single document in the stream but found another document"),
        ("a: 1\nb: &x 2", "2: anchors (&) and aliases (*) are not taken; put text that begins so in quotes"),
        ("a: 1\nb: *x", "2: anchors (&) and aliases (*) are not taken; put text that begins so in quotes"),
        ("a: 1\nb: !!python/name:os.system x", "2: tags (!) are not taken; put text that begins so in quotes"),
        ("question: q\n# \x07", "2: the character #x0007 is not allowed in YAML"),
        (b"question: q\nclaims: \xff", "2: this is not UTF-8 text; save the file as UTF-8"),
        ("a: 1\nb: " + "[" * DEEPEST, f"2: this is nested more than {DEEPEST} levels deep"),
        ("a: 1\nb: " + "[" * 500_000, f"2: this is nested more than {DEEPEST} levels deep"),
        ("a: 1\nb:\n" + "- a\n" * MOST_NODES, f"{MOST_NODES - 2}: the file has more than {MOST_NODES} values"),
        ('question: q\nsources: {s: "\\U7FFFFFFF"}', "2: this is not YAML, for a number in it is too large"),
        ('question: q\nsources: {s: "\\ud800"}', "2: a source takes a text without control characters; got '\\ud800'"),
        ('question: "\\e[2J"', "1: question takes a text without control characters; got '\\x1b[2J'"),
    ],
    ids=range(15),
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert fault(tmp_path, text) == said


def test_an_alias_bomb_is_refused_at_its_first_anchor(tmp_path: Path) -> None:
    bomb = "a: &a [x]\n" + "\n".join(f"{chr(98 + k)}: &{chr(98 + k)} [{f'*{chr(97 + k)},' * 9}]" for k in range(9))
    assert fault(tmp_path, bomb).startswith("1: anchors (&)")


def test_a_file_that_is_too_long_is_refused_unread(tmp_path: Path) -> None:
    path = written(tmp_path, "question: q\n" + "#" * LARGEST)
    with pytest.raises(StudyError, match=f"^{re.escape(str(path))}: the file has more than 1000000 bytes$"):
        read_study(path)


def test_a_file_that_is_not_there_or_is_no_file_is_said_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / "pipe"):
        with pytest.raises(StudyError, match=f"^{re.escape(str(path))}: there is no such file$"):
            read_study(path)


@pytest.mark.parametrize("digits", ["1" * 400_000 + "x", "1e" + "9" * 400_000, "0." + "0" * 400_000 + "1"])
def test_a_number_without_end_is_refused_at_once(tmp_path: Path, digits: str) -> None:
    said = fault(tmp_path, START + f"    metric: mse\n    value: {digits}")
    assert said.startswith(f"9: value takes {NUMBER}; got ")
    assert len(said) < 200


FUZZED = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def reads_or_refuses(folder: Path, content: bytes) -> None:
    path = written(folder, content)
    try:
        assert isinstance(read_study(path), Study)
    except StudyError as error:
        said = str(error)
        assert re.match(rf"{re.escape(str(path))}:\d+: .", said)
        assert said.isprintable() or not said.isascii()
        assert "\n" not in said
        said.encode()


@FUZZED
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_study_or_an_error(tmp_path: Path, content: bytes) -> None:
    reads_or_refuses(tmp_path, content)


@FUZZED
@given(st.text(alphabet="abq:,-[]{}\"'\\#&*!|>%@`?~ \n\t0.1eUxu<=\x85\u2028", max_size=60))
@example('"\\UFFFFFFFF"')
@example("%YAML 1." + "9" * 5000 + "\n--- a")
@example("!<%ff> a")
@example("? " * 500)
def test_arbitrary_yaml_signs_are_a_study_or_an_error(tmp_path: Path, content: str) -> None:
    reads_or_refuses(tmp_path, content.encode())


@FUZZED
@given(st.data())
def test_a_study_with_any_part_overwritten_is_a_study_or_an_error(tmp_path: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, min(start + 20, len(WHOLE))))
    text = data.draw(
        st.text(max_size=10) | st.sampled_from(["&a ", "*a", "[", "]", "{", "}", "\n  - ", ": ", "1e400", "''"])
    )
    reads_or_refuses(tmp_path, (WHOLE[:start] + text + WHOLE[end:]).encode("utf-8", "surrogatepass"))

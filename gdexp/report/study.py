"""A study's claims: what was published of its runs, in numbers, read from a `claims.yaml` that is written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gdexp.report.checks import (
    CHECKS,
    ORDERS,
    OUTCOMES,
    SERIES,
    TRENDS,
    WORDS,
    Bound,
    Check,
    NotCheckable,
    Number,
    Order,
    Point,
    Selector,
    Table,
    Trend,
    Value,
    Word,
    printed,
)
from gdexp.report.nodes import Node, StudyError, read_nodes

__all__ = ["Claim", "Shown", "Source", "Study", "StudyError", "read_study"]


@dataclass(frozen=True)
class Source:
    """Where a claim is published."""

    title: str
    url: str | None = None


@dataclass(frozen=True)
class Claim:
    """What a source says of the runs that `selector` selects, in words, and as a check that can fail."""

    id: str
    source: Source
    says: str
    selector: Selector
    check: Check


@dataclass(frozen=True)
class Shown:
    """A figure of single runs that the report shows."""

    selector: Selector
    figure: str


@dataclass(frozen=True)
class Study:
    """The question of a study, the claims about its runs, and the figures to show."""

    question: str
    claims: tuple[Claim, ...] = ()
    shown: tuple[Shown, ...] = ()


def read_study(path: Path) -> Study:
    """Return the study in the YAML file `path`; raises StudyError, one line with file and line, for any mistake."""
    top = read_nodes(path)
    given = top.fields("a study", ("question", "sources", "show", "claims"))
    question = _needed(top, given, "a study", "question").text("question")
    listed = given["sources"].pairs("sources", "a mapping of keys to titles") if "sources" in given else []
    sources = {_word(place, "a key of sources"): _source(node) for _, place, node in listed}
    shown = [_shown(node) for node in given["show"].items("show")] if "show" in given else []
    claims: dict[str, Claim] = {}
    for node in given["claims"].items("claims") if "claims" in given else []:
        claim = _claim(node, sources)
        if claim.id in claims:
            raise node.error(f"claims has the id {claim.id!r} twice")
        claims[claim.id] = claim
    return Study(question, tuple(claims.values()), tuple(shown))


def _claim(node: Node, sources: Mapping[str, Source]) -> Claim:
    given = node.fields("a claim", ("id", "source", "says", "run", "metric", "step", *CHECKS))
    name = _word(_needed(node, given, "a claim", "id"), "id")
    key = _needed(node, given, f"the claim {name!r}", "source")
    if key.text("source") not in sources:
        raise key.takes("source", "a key of sources", sources)
    says = _needed(node, given, f"the claim {name!r}", "says").text("says")
    selector = _selector(given["run"]) if "run" in given else {}
    return Claim(name, sources[key.text("source")], says, selector, _check(node, given, f"the claim {name!r}"))


def _check(node: Node, given: Mapping[str, Node], claim: str) -> Check:
    kinds = [key for key in given if key in CHECKS]
    if len(kinds) != 1:
        place = given[kinds[1]] if kinds else node
        raise place.error(f"{claim} takes one check of {', '.join(CHECKS)}; got {' and '.join(kinds) or 'none'}")
    kind, says = kinds[0], given[kinds[0]]
    if kind in ("table", "not_checkable"):
        for key in ("metric", "step"):
            if key in given:
                raise given[key].error(f"{claim} takes no {key} beside {kind}")
        return _table(says) if kind == "table" else NotCheckable(says.text(kind))
    _needed(node, given, claim, "metric")
    point = _point(given)
    if point.metric in WORDS:
        words = WORDS[point.metric]
        if kind != "value":
            raise says.error(f"{point.metric} takes the check value, being a word; got {kind}")
        if says.text(kind) not in words:
            raise says.takes(kind, f"one of {', '.join(words)} for {point.metric}", words)
        return Word(point, says.text(kind))
    if kind in TRENDS:
        return Trend(point, kind, says.text(kind, "the key of a setting"))
    if kind in ORDERS:
        return _order(given, kind)
    number = _number(says, kind)
    return Value(point, number) if kind == "value" else Bound(point, kind, number)


def _order(given: Mapping[str, Node], relation: str) -> Order:
    node = given[relation]
    own = node.fields(relation, ("run", "metric", "step"))
    if not own:
        raise node.takes(relation, "a run, or a metric or step of the same run")
    others = _selector(own["run"]) if "run" in own else None
    # A metric of its own has a step of its own too.
    other = _point(own if "metric" in own else {**given, **own})
    if other.metric in WORDS:
        raise own["metric"].error(f"{relation} takes a metric that is a number; got {other.metric!r}")
    return Order(_point(given), relation, others, other)


def _table(node: Node) -> Table:
    rows: dict[int, Mapping[str, Number]] = {}
    for item in node.items("table"):
        pairs = item.pairs("a row of table", "a mapping of step and metrics")
        step = _step(_needed(item, {key: value for key, _, value in pairs}, "a row of table", "step"))
        if step in rows:
            raise item.error(f"table has step {step} twice")
        cells = [(key, place, value) for key, place, value in pairs if key != "step"]
        for metric, place, _ in cells:
            _check_metric(place, metric, "a column of table", SERIES)
        rows[step] = {metric: _number(value, metric) for metric, _, value in cells}
    if not any(rows.values()):
        raise node.error("table takes rows of a step and published values, {step: 0, mse: 303.71}; got none")
    return Table(tuple(rows.items()))


def _point(given: Mapping[str, Node]) -> Point:
    step = _step(given["step"]) if "step" in given else None
    metric = given["metric"].text("metric")
    known = (*SERIES, *OUTCOMES, *WORDS) if step is None else SERIES
    _check_metric(given["metric"], metric, "metric" if step is None else "metric with a step", known)
    return Point(metric, step)


def _check_metric(place: Node, metric: str, key: str, known: tuple[str, ...]) -> None:
    open_ended = [name.removesuffix("NAME") for name in known if name.endswith("NAME")]
    if metric not in known and not any(metric.startswith(prefix) and metric != prefix for prefix in open_ended):
        raise place.takes(key, ", ".join(known), known)


def _number(node: Node, key: str) -> Number:
    number = printed(node.text(key, "a number"))
    if number is None:
        raise node.takes(key, "a finite number in plain digits, as 5.54, -36 or 1e-6")
    return number


def _step(node: Node) -> int:
    text = node.text("step", "a whole number of at least 0")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise node.takes("step", "a whole number of at least 0")
    return int(text)


def _selector(node: Node) -> Selector:
    return {key: _setting(value, key) for key, _, value in node.pairs("run", "settings, as {lr: 0.06}")}


def _setting(node: Node, key: str) -> str:
    """Return a setting as it would be typed; only lists are no plain text."""
    return node.text(key) if not node.is_list else f"[{','.join(item.text(key) for item in node.items(key))}]"


def _shown(node: Node) -> Shown:
    given = node.fields("an item of show", ("run", "figure"))
    figure = _word(_needed(node, given, "an item of show", "figure"), "figure")
    return Shown(_selector(given["run"]) if "run" in given else {}, figure)


def _source(node: Node) -> Source:
    if node.is_text:
        return Source(node.text("a source"))
    given = node.fields("a source", ("title", "url"))
    title = _needed(node, given, "a source", "title").text("title")
    if "url" not in given:
        return Source(title)
    url = given["url"].text("url", "an address that begins with http:// or https://")
    if not re.fullmatch(r"https?://[^\s<>\"'`\\]+", url):
        raise given["url"].takes("url", "an address that begins with http:// or https://")
    return Source(title, url)


def _word(node: Node, key: str) -> str:
    takes = "a word of letters, digits, _ and -"
    if not re.fullmatch(r"[\w-]{1,100}", node.text(key, takes), re.ASCII):
        raise node.takes(key, takes)
    return node.text(key)


def _needed(node: Node, given: Mapping[str, Node], what: str, key: str) -> Node:
    if key not in given:
        raise node.error(f"{what} has no {key}")
    return given[key]

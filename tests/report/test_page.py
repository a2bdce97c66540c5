from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp.report.blocks import Block, Listing, Part, Picture, Section, Table, Text
from gdexp.report.page import escaped, fenced, html, markdown

EVIL = '<script>alert("1")</script>|`x`[a](javascript:b)\n# no\x1b[31m'


class Elements(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "figures" / "curves.png"
    path.parent.mkdir()
    path.write_bytes(b"\x89PNG and more")
    return path


def sections(text: str, picture: Path) -> list[Section]:
    blocks: list[Block] = [
        Text(text),
        Table([text, "n"], [[text, "1"], [text, "-"]]),
        Listing((text,)),
        Picture(picture, text),
    ]
    return [Section("Everything", [Part(text, blocks)])]


def test_a_page_needs_no_other_file_and_runs_no_script(picture: Path) -> None:
    page = html("title", sections("text", picture))
    elements = Elements(page)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in elements.tags}
    (image,) = (attributes["src"] for tag, attributes in elements.tags if tag == "img")
    assert image == "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
    assert not re.search(r"https?://|url\(|@import", page)


def test_every_name_in_a_page_is_escaped_and_has_no_control_codes(picture: Path) -> None:
    page = html(EVIL, sections(EVIL, picture))
    elements = Elements(page)
    assert "script" not in {tag for tag, _ in elements.tags}
    assert '<script>alert("1")</script>' in elements.words
    assert "\x1b" not in page


def test_columns_of_numbers_stand_to_the_right(picture: Path) -> None:
    classes = [
        attributes.get("class") for tag, attributes in Elements(html("", sections("a", picture))).tags if tag == "td"
    ]
    assert classes == [None, "number", None, "number"]


def test_two_sweeps_stand_side_by_side_under_their_names() -> None:
    page = html("both", [Section("Outcomes", [Part("first", [Text("one")]), Part("second", [Text("two")])])])
    assert "repeat(2, minmax(0, 1fr))" in page
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["first", "second"]
    lines = markdown("both", [Section("Outcomes", [Part("first", [Text("one")]), Part("second", [])])]).splitlines()
    assert [line for line in lines if line.startswith("#")] == ["# both", "## Outcomes", "### first"]


def test_markdown_links_the_figures_beside_it(picture: Path) -> None:
    text = markdown("title", [Section("Curves", [Part("", [Picture(picture, "the curves")])])])
    assert "![the curves](figures/curves.png)" in text


def test_a_markdown_table_has_a_line_for_each_row() -> None:
    text = markdown("title", [Section("S", [Part("", [Table(["a", "b|c"], [["1", "x\ny"], ["2", "z"]])])])])
    assert [line for line in text.splitlines() if line.startswith("|")] == [
        "| a | b\\|c |",
        "| --- | --- |",
        "| 1 | x y |",
        "| 2 | z |",
    ]


def test_markdown_shows_names_letter_by_letter() -> None:
    assert escaped("max_iterations") == "max_iterations"
    assert escaped("_a_ *b* <c>") == "\\_a\\_ \\*b\\* \\<c\\>"


@given(st.text())
def test_no_text_starts_anything_in_markdown(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)(\\\\)*[`<>|\[\]*#]", shown)


@given(st.lists(st.text(alphabet="`a \n")))
def test_no_line_closes_the_fence_around_it(lines: list[str]) -> None:
    first, *inside, last = fenced(lines).split("\n")
    assert first == last
    assert not any(line.strip().startswith(first) for line in inside)

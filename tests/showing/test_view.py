"""`ir.show`: a tree of text, and HTML that is safe and readable in light and dark themes."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from google.protobuf import struct_pb2, timestamp_pb2
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.showing import html

EVIL = "</span></style><script>alert(1)</script><img src=x onerror=alert(2)> & \"'\x1b[31m\u202e"


class Page(HTMLParser):
    """The tags, attributes and text of HTML; every tag must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.text: list[str] = []
        self.style: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes.update(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.style if self.open[-1:] == ["style"] else self.text).append(data)


def page_of(message: Message, *, full: bool = False) -> Page:
    return Page(ir.show(message, full=full)._repr_html_())


def run_with_history() -> v1.TrainingRun:
    run = v1.TrainingRun(id="r")
    for loss in (3.0, 2.0, 1.0):
        run.metrics_history.add().values["loss"] = loss
    return run


def test_the_text_is_a_tree() -> None:
    stage = v1.StageDef(name="embed", options={"batch": 8})
    message = v1.Experiment(id="e", backend=v1.BackendRef(id="b"), pipeline=[stage])
    assert repr(ir.show(message)).splitlines() == [
        "Experiment",
        '├── id: "e"',
        "├── backend BackendRef",
        '│   └── id: "b"',
        "└── pipeline 1",
        "    └── [0] StageDef",
        '        ├── name: "embed"',
        '        └── options: {"batch": 8}',
    ]


def test_defaults_and_violations_are_marked() -> None:
    message = v1.TrainingConfig(id="t", epochs=0)
    shown = repr(ir.show(message))
    assert "epochs: 0  ✗ must be greater than 0, or unset (the trainer chooses) [int32.gt]" in shown
    assert "batch_size" not in shown
    assert "batch_size: 32 (default)" in repr(ir.show(message, with_defaults=True))
    assert "✗ must be greater than 0, or unset (the trainer chooses) [int32.gt]" in "".join(
        page_of(message).text
    )


def test_long_values_are_cut_unless_in_full() -> None:
    message = v1.StageDef(name="x" * 500)
    assert max(map(len, repr(ir.show(message)).splitlines())) <= 100
    assert repr(ir.show(message, full=True)).count("x") == 500
    assert "".join(page_of(message, full=True).text).count("x") == 500
    tags = v1.Experiment(id="e", tags=[f"t{number}" for number in range(1000)])
    assert "t999" not in ir.show(tags)._repr_html_()


def test_a_history_is_a_table() -> None:
    page = page_of(run_with_history(), full=True)
    assert page.tags >= {"table", "tr", "th", "td"}
    assert page.text[page.text.index("loss") :][:6] == ["loss", "3", "1", "1", "3", "█▅▁"]
    assert page.text[page.text.index("[2]") + 1] == "1.0"
    assert "█▅▁" in repr(ir.show(run_with_history()))


@pytest.mark.parametrize("full", [False, True])
def test_text_of_the_message_cannot_become_html(full: bool) -> None:
    run = run_with_history()
    run.metrics_history[0].values[EVIL] = 1.0
    messages: list[Message] = [
        v1.Experiment(id=EVIL, tags=[EVIL], metadata={EVIL: [EVIL, {EVIL: EVIL}]}),
        v1.Ensemble(models=[EVIL], weights={EVIL: 2.0}),
        v1.ModelRef(id="m", custom_provider=EVIL),
        v1.ModelVersion(id=EVIL, version=EVIL, metrics={EVIL: 1.0}),
        run,
    ]
    for message in messages:
        page = page_of(message, full=full)
        known = {"div", "style", "details", "summary", "ul", "li", "span"}
        assert page.tags <= known | {"table", "tr", "th", "td"}
        assert {name for name, _ in page.attributes} <= {"class", "open"}
        assert {value for name, value in page.attributes if name == "class"} <= {
            *("crucible-ir", "aside", "bad", "good", "name", "number", "text", "word")
        }
        shown = "".join(page.text)
        assert "<script>alert(1)</script>" in shown
        assert not set(shown) & {"\x1b", "\u202e"}
        # Nothing is loaded from elsewhere.
        assert not re.search(r"url\(|@import|https?:", "".join(page.style))


def luminance(color: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2)."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [html._LIGHT, html._DARK], ids=["light", "dark"])
def test_every_colour_can_be_read_on_its_background(theme: str) -> None:
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", theme))
    back = luminance(colors.pop("back"))
    assert len(colors) == 6
    for name, color in colors.items():
        lighter, darker = sorted([luminance(color), back], reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name


def test_both_themes_can_be_chosen_by_the_notebook() -> None:
    style = "".join(page_of(v1.StageDef(name="a")).style)
    assert "prefers-color-scheme: dark" in style
    for theme in ('data-jp-theme-light="false"', ".vscode-dark", ".vscode-light"):
        assert theme in style
    assert style.count("{") == style.count("}")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (struct_pb2.Struct(fields={}), "Struct"),
        (timestamp_pb2.Timestamp(seconds=5), "Timestamp\n└── seconds: 5"),
        (v1.StageDef(), "StageDef\n└── name: unset  ✗ must not be empty [required]"),
    ],
)
def test_any_message_can_be_shown(message: Message, text: str) -> None:
    assert repr(ir.show(message)) == text
    assert page_of(message).tags


@pytest.mark.parametrize("value", [None, "text", {"id": "e"}, v1.Experiment])
def test_what_is_no_message_is_an_error(value: object) -> None:
    with pytest.raises(ir.Error, match="expected a protobuf message, got"):
        ir.show(value)  # type: ignore[arg-type]

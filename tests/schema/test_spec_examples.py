"""The examples and tables of the specification agree with the schema and the package.

The info string of a fenced block in proto/README.md says how to test it: `json TYPE` is ProtoJSON,
`json crucible:TYPE` Crucible JSON, `yaml TYPE` YAML and `textproto TYPE` the text format. All
blocks with the same `#LABEL` are one message, `invalid=RULES` lists the rules that it breaks, and
readers must reject a `rejected` block.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from google.protobuf import json_format, text_format
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1

PROTO = Path(__file__).parents[2] / "proto"
SPECIFICATION = (PROTO / "README.md").read_text(encoding="utf-8")
TABLE: dict[str, Any] = json.loads(
    Path(__file__).with_name("field_table.json").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Block:
    """A fenced block of the specification with its info string."""

    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def subject(self) -> str:
        """The type, or the first word in its place."""
        return self.words[0] if self.words else ""

    @property
    def message(self) -> str:
        return self.subject.removeprefix("crucible:")

    @property
    def is_crucible(self) -> bool:
        return self.subject.startswith("crucible:")

    @property
    def label(self) -> str | None:
        return next((word for word in self.words if word.startswith("#")), None)

    @property
    def rejected(self) -> bool:
        return "rejected" in self.words

    @property
    def invalid(self) -> set[str]:
        """The ids of the rules that the block's message breaks."""
        listed = [word.removeprefix("invalid=") for word in self.words if "invalid=" in word]
        return set(listed[0].split(",")) if listed else set()

    def __str__(self) -> str:
        return f"line {self.line}: {self.language} {' '.join(self.words)}"


def _blocks() -> list[Block]:
    fence = re.compile(r"^```(\w+)(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
    return [
        Block(
            SPECIFICATION.count("\n", 0, found.start()) + 1,
            found[1],
            tuple(found[2].split()),
            found[3],
        )
        for found in fence.finditer(SPECIFICATION)
    ]


BLOCKS = _blocks()
DOCUMENTS = [block for block in BLOCKS if block.language in ("json", "yaml", "textproto")]
DECODABLE = [block for block in DOCUMENTS if not block.rejected]


def _new(block: Block) -> Any:
    return getattr(v1, block.message)()


def _decode(block: Block) -> Message:
    """Decode with google's library if it supports the format, and with ours otherwise."""
    message: Message
    if block.language == "textproto":
        message = text_format.Parse(block.text, _new(block))
    elif block.language == "yaml":
        message = ir.from_yaml(block.text, block.message, validate=False)
    elif block.is_crucible:
        message = ir.from_crucible_json(block.text, block.message, validate=False)
    else:
        message = json_format.Parse(block.text, _new(block))
    return message


def _section(heading: str) -> str:
    found = re.search(rf"^#+ {heading}\n(.*?)(?=^#)", SPECIFICATION, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def test_every_fenced_block_is_tested() -> None:
    assert SPECIFICATION.count("\n```") == 2 * len(BLOCKS)
    assert {block.language for block in BLOCKS} == {"json", "yaml", "textproto", "proto", "text"}
    assert all(block.message in ir.MESSAGE_TYPES for block in DOCUMENTS)


@pytest.mark.parametrize("block", DECODABLE, ids=str)
def test_an_example_decodes_and_breaks_exactly_the_rules_that_it_lists(block: Block) -> None:
    violations = protovalidate.collect_violations(_decode(block))
    assert {violation.proto.rule_id for violation in violations} == block.invalid


@pytest.mark.parametrize("block", [block for block in DOCUMENTS if block.rejected], ids=str)
def test_a_rejected_example_is_rejected_with_a_path(block: Block) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_json(block.text, block.message)
    assert caught.value.path


@pytest.mark.parametrize("label", sorted({block.label for block in DECODABLE if block.label}))
def test_the_examples_of_one_label_are_one_message(label: str) -> None:
    same = [block for block in DECODABLE if block.label == label]
    first, *others = [_decode(block) for block in same]
    for block, other in zip(same[1:], others, strict=True):
        assert other == first, f"{block} is not {same[0]}"


def test_the_canonical_json_and_the_digest_of_the_example_are_correct() -> None:
    labelled: dict[str, Block] = {
        block.subject: block for block in BLOCKS if block.label == "#digest"
    }
    plain = json_format.MessageToDict(_decode(labelled["BackendRef"]))
    # RFC 8785 for ASCII text and whole numbers: sorted keys, no spaces, numbers without a point.
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":")).replace("0.0", "0")
    assert labelled["jcs"].text == canonical + "\n"
    digest = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    assert labelled["sha256"].text == digest + "\n"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "proto"], ids=str)
def test_an_excerpt_of_the_schema_is_in_the_schema(block: Block) -> None:
    files = (PROTO / "crucible_ir" / "v1").glob("*.proto")
    # There may be comments between the lines that the excerpt omits.
    lines = [line for line in block.text.splitlines() if line.strip()]
    pattern = r"\n(?:\s*//.*\n)*".join(re.escape(line) for line in lines)
    assert any(re.search(pattern, file.read_text(encoding="utf-8")) for file in files)


def test_the_table_of_rule_ids_lists_every_id_of_the_schema_and_no_other() -> None:
    listed = re.findall(r"^\| `([a-z0-9_.]+)` \|", _section("Rule ids"), re.MULTILINE)
    own = [rule for rules in TABLE["message_rules"].values() for rule in rules]
    assert len(listed) == len(set(listed))
    assert set(listed) == {*TABLE["rule_ids"], *own}


def test_every_message_that_is_not_only_content_has_its_paragraph() -> None:
    named = set(re.findall(r"\*\*(\w+)\*\*", _section("Messages")))
    contained = {"ContentParts", "ImageContent", "AudioContent", "ToolResultContent"}
    assert named == ir.MESSAGE_TYPES.keys() - contained


def test_every_internal_link_has_a_heading_as_its_target() -> None:
    headings = re.findall(r"^#+ (.+)$", SPECIFICATION, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]+)\)", SPECIFICATION)
    assert links
    assert set(links) <= anchors


def test_the_specification_uses_only_the_keywords_of_rfc_2119() -> None:
    used: dict[str, int] = defaultdict(int)
    for word in re.findall(
        r"\b(MUST NOT|SHOULD NOT|MUST|SHOULD|MAY|[A-Z]{3,} NOT)\b", SPECIFICATION
    ):
        used[word] += 1
    assert used.keys() == {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"}

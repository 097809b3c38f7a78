"""Cases for the examples of the specification, which say of themselves what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from conformance_cases import truth
from conformance_cases.drafts import ContradictionError, Draft
from crucible_ir.conformance import v1
from crucible_ir.schema.types import PACKAGE

SPECIFICATION = Path(__file__).resolve().parents[2] / "proto" / "README.md"

_BLOCK = re.compile(r"^```json (\w+)( [^\n]*)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INVALID = re.compile(r"invalid=(\S+)")


def examples() -> Iterator[Draft]:
    """Yield cases for the ProtoJSON documents in proto/README.md, good and bad."""
    blocks = _BLOCK.findall(SPECIFICATION.read_text(encoding="utf-8"))
    for number, (type_name, words, text) in enumerate(blocks, start=1):
        name, full_name = f"example_{number:02}", f"{PACKAGE}.{type_name}"
        request = v1.EvaluateRequest(message_type=full_name, json=text.encode())
        found = truth.expected(request)
        if "rejected" in words:
            # What google reads all the same is an integer beyond 2^53, which `opaque` has.
            if found.WhichOneof("outcome") == "decode_error":
                words = "the specification refuses it"
                yield Draft(name, full_name, json=request.json, refused=words)
            continue
        invalid = _INVALID.search(words)
        ids = set(invalid[1].split(",")) if invalid else set()
        broken = {rule.rule_id for rule in found.evaluation.broken_rules.rules}
        if broken != ids:
            raise ContradictionError(f"{name}: broken are {sorted(broken)}, not {sorted(ids)}")
        yield Draft(name, full_name, json=request.json, broken=None)

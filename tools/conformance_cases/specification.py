"""Cases for the examples of the specification, which state their own expected results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from conformance_cases import oracle
from conformance_cases.partial_cases import ContradictionError, PartialCase
from crucible_ir.conformance import v1
from crucible_ir.schema.types import PACKAGE

SPECIFICATION = Path(__file__).resolve().parents[2] / "proto" / "README.md"

_BLOCK = re.compile(r"^```json (\w+)( [^\n]*)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INVALID = re.compile(r"invalid=(\S+)")


def examples() -> Iterator[PartialCase]:
    """Yield cases for the ProtoJSON documents in proto/README.md, valid and invalid."""
    blocks = _BLOCK.findall(SPECIFICATION.read_text(encoding="utf-8"))
    for number, (type_name, words, text) in enumerate(blocks, start=1):
        name, full_name = f"example_{number:02}", f"{PACKAGE}.{type_name}"
        request = v1.EvaluateRequest(message_type=full_name, json=text.encode())
        found = oracle.expected(request)
        if "rejected" in words:
            # google's library accepts integers beyond 2^53; the topic `opaque` has that case.
            if found.WhichOneof("outcome") == "decode_error":
                words = "the specification rejects it"
                yield PartialCase(name, full_name, json=request.json, decode_error=words)
            continue
        invalid = _INVALID.search(words)
        ids = set(invalid[1].split(",")) if invalid else set()
        broken = {rule.rule_id for rule in found.evaluation.broken_rules.rules}
        if broken != ids:
            raise ContradictionError(
                f"{name}: the broken rules are {sorted(broken)}, not {sorted(ids)}"
            )
        yield PartialCase(name, full_name, json=request.json, broken=None)

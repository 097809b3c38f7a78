"""Cases for digests: the published digest vectors as conformance cases."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

from conformance_cases import oracle
from conformance_cases.partial_cases import ContradictionError, PartialCase
from crucible_ir.conformance import v1
from crucible_ir.schema.types import PACKAGE

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "digest"


def published() -> Iterator[PartialCase]:
    """Yield cases for the vectors in tests/vectors/digest, with the digests that they publish."""
    for path in sorted(VECTORS.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), start=1):
            vector = json.loads(line)
            full_name = f"{PACKAGE}.{vector['type']}"
            name = f"{path.stem}_{number:03}"
            if "binary" in vector:
                binary = base64.b64decode(vector["binary"])
                request = v1.EvaluateRequest(message_type=full_name, binary=binary)
            else:
                request = v1.EvaluateRequest(message_type=full_name, json=vector["json"].encode())
            message = oracle.decode(request)
            found = oracle.evaluation(message)
            if found.digest != vector.get("digest", ""):
                raise ContradictionError(f"{name}: the digest is {found.digest}")
            yield PartialCase(
                name,
                full_name,
                json=request.json if request.HasField("json") else None,
                binary=request.binary if request.HasField("binary") else None,
                broken=None,
                reason=vector["name"],
            )

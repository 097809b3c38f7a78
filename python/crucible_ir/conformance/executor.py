"""The executor of this package, which uses only its public functions.

Run it as ``python -m crucible_ir.conformance.executor``; `crucible-ir conformance run` communicates
with it over standard input and output.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO

import crucible_ir as ir
from crucible_ir.conformance import v1
from crucible_ir.conformance.frames import frame, read_frame
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from google.protobuf.message import Message

_ASPECTS = (
    v1.Aspect.ASPECT_BINARY,
    v1.Aspect.ASPECT_JSON,
    v1.Aspect.ASPECT_VIOLATIONS,
    v1.Aspect.ASPECT_DIGEST,
)


def main() -> int:
    """Answer requests until the input ends."""
    # Other code that prints must not write between the responses.
    source, target = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    serve(source, target)
    return 0


def serve(source: BinaryIO, target: BinaryIO) -> None:
    """Answer the requests of one stream on another."""
    while (body := read_frame(source)) is not None:
        target.write(frame(answer(v1.Request.FromString(body))))
        target.flush()


def answer(request: v1.Request) -> v1.Response:
    """Return the response to a request."""
    try:
        match request.WhichOneof("request"):
            case "describe":
                return v1.Response(describe=_describe())
            case "evaluate":
                return v1.Response(evaluate=evaluate(request.evaluate))
            case _:
                return v1.Response(executor_error="unknown request")
    except Exception as error:
        return v1.Response(executor_error=f"{type(error).__name__}: {error}")


def _describe() -> v1.DescribeResponse:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("protobuf", "protovalidate"))
    return v1.DescribeResponse(
        implementation=f"crucible-ir {VERSION} ({libraries})", aspects=_ASPECTS
    )


def evaluate(request: v1.EvaluateRequest) -> v1.EvaluateResponse:
    """Decode a payload and evaluate every aspect of the message."""
    try:
        if request.WhichOneof("payload") == "json":
            message = ir.from_json(request.json, request.message_type, validate=False)
        else:
            message = ir.from_binary(request.binary, request.message_type, validate=False)
    except ir.DecodeError as error:
        return v1.EvaluateResponse(decode_error=str(error))
    return v1.EvaluateResponse(evaluation=_evaluation(message))


def _evaluation(message: Message) -> v1.Evaluation:
    made = v1.Evaluation(binary=ir.to_binary(message))
    try:
        made.json = ir.to_json(message)
    except ir.EncodeError as error:
        made.json_error = str(error)
    made.broken_rules.SetInParent()
    for violation in ir.violations(message):
        made.broken_rules.rules.add(path=violation.path, rule_id=violation.rule_id)
    try:
        made.digest = ir.digest(message)
    except ir.EncodeError as error:
        made.digest_error = str(error)
    return made


if __name__ == "__main__":
    sys.exit(main())

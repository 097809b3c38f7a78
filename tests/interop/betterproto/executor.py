"""The executor of betterproto2, which reads and writes payloads without this package.

It speaks to `crucible-ir conformance run` over standard input and output. Nothing here goes through
google's runtime or through `to_betterproto`, which refuses what betterproto2 gets wrong.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import BinaryIO

import betterproto2

from crucible_ir.betterproto.conformance import v1
from crucible_ir.betterproto.generated.message_pool import default_message_pool


def main() -> int:
    """Answer requests until the input ends."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while (body := read_frame(source)) is not None:
        answer(v1.Request.parse(body)).dump(target, delimit=True)
        target.flush()
    return 0


def read_frame(source: BinaryIO) -> bytes | None:
    """Read one message's bytes; `None` at the end of the input."""
    try:
        size, _ = betterproto2.load_varint(source)
    except EOFError:
        return None
    return source.read(size)


def answer(request: v1.Request) -> v1.Response:
    """Return the response to a request."""
    match betterproto2.which_one_of(request, "request"):
        case "describe", _:
            return v1.Response(describe=describe())
        case "evaluate", v1.EvaluateRequest() as asked:
            try:
                return v1.Response(evaluate=evaluate(asked))
            except Exception as error:
                return v1.Response(executor_error=f"{type(error).__name__}: {error}")
        case _:
            return v1.Response(executor_error="this executor does not know the request")


def describe() -> v1.DescribeResponse:
    """Describe this executor."""
    return v1.DescribeResponse(
        implementation=f"betterproto2 {version('betterproto2')}",
        aspects=[v1.Aspect.BINARY, v1.Aspect.JSON],
    )


def evaluate(request: v1.EvaluateRequest) -> v1.EvaluateResponse:
    """Read a payload and write it again in both formats."""
    class_ = default_message_pool.url_to_type[f"type.googleapis.com/{request.message_type}"]
    # betterproto2 raises errors of many types for a payload that it cannot read.
    try:
        if request.json is not None:
            message = class_.from_json(request.json)
        else:
            message = class_.parse(request.binary or b"")
    except Exception as error:
        return v1.EvaluateResponse(decode_error=f"{type(error).__name__}: {error}")
    evaluation = v1.Evaluation(binary=bytes(message))
    try:
        evaluation.json = message.to_json()
    except Exception as error:
        evaluation.json_error = f"{type(error).__name__}: {error}"
    return v1.EvaluateResponse(evaluation=evaluation)


if __name__ == "__main__":
    sys.exit(main())

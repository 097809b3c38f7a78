"""Measures the statements of `benchmarks.engines` in a process with one engine.

It reads the name of a group of statements from each line, measures each statement once, and writes
the times as a line of JSON. Its first line reports the engine.
"""

from __future__ import annotations

import json
import os
import sys
import time
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from benchmarks.serialization import MESSAGES, protobuf_py_class, training_run
from benchmarks.validation import (
    EVENT,
    MsgspecEvent,
    PydanticEvent,
    calls_in_a_turn,
    error_of,
    event_message,
    parse_and_validate,
)
from google.protobuf import json_format

import crucible_ir
from crucible_ir import v1

#: The rows of the run that is written and read.
ROWS = 1_000

#: The messages of the statements.
DOCUMENTS = {
    "event": MESSAGES["event"],
    "experiment": MESSAGES["experiment"],
    "run": training_run(ROWS),
}

EVENT_TYPE = v1.FeedbackEvent


def main() -> None:
    """Answer the requests of the parent."""
    folder = Path(sys.argv[1])
    groups = {"documents": document_timers(), "streams": stream_timers(folder)}
    print(crucible_ir.native.status().engine, flush=True)
    for line in sys.stdin:
        times = {name: measure() for name, measure in groups[line.strip()].items()}
        print(json.dumps(times), flush=True)


def document_timers() -> dict[str, Callable[[], float]]:
    """Return the functions that measure statements about single documents, in nanoseconds."""
    names = document_names()
    timers: dict[str, Callable[[], float]] = {}
    for subject, statement in document_statements().items():
        timer = timeit.Timer(statement, timer=time.process_time, globals=names)
        timers[subject] = partial(_nanoseconds, timer, calls_in_a_turn(timer))
    return timers


def _nanoseconds(timer: timeit.Timer, calls: int) -> float:
    return timer.timeit(calls) / calls * 1e9


def document_statements() -> dict[str, str]:
    """Return the statements about single documents by name."""
    statements: dict[str, str] = {}
    for name in DOCUMENTS:
        statements |= {
            f"{name} parse": f"{name}_class.FromString({name}_data)",
            f"{name} decode": f"{name}_decoder({name}_data)",
            f"{name} out": f"to_json({name})",
            f"{name} out, google": f"MessageToJson({name}, indent=None)",
            f"{name} out, crucible": f"to_crucible_json({name})",
            f"{name} out, protobuf-py": f"{name}_peer.to_json()",
            f"{name} in": f"from_json({name}_json, {name}_class)",
            f"{name} in, google": f"Parse({name}_json, {name}_class())",
            f"{name} in, crucible": f"from_crucible_json({name}_crucible, {name}_class)",
            f"{name} in, protobuf-py": f"type({name}_peer).from_json({name}_json)",
            f"{name} digest": f"digest({name})",
        }
    return statements | {
        "event transcode out": "event_out(event_data)",
        "event transcode in": "event_in(event_json)",
        "event out, pydantic": "pydantic_event.model_dump_json(exclude_none=True)",
        "event in, pydantic": "PydanticEvent.model_validate_json(plain_event)",
        "event out, msgspec": "encode_msgspec(msgspec_event)",
        "event in, msgspec": "decode_msgspec(plain_event)",
        "invalid decode": "error_of(event_decoder, invalid_data)",
        "invalid protovalidate": "error_of(parse_and_validate, invalid_data)",
    }


def document_names() -> dict[str, Any]:
    """Return the names in the statements."""
    plain_event = json.dumps(EVENT).encode()
    decode_msgspec = msgspec.json.Decoder(MsgspecEvent).decode
    names: dict[str, Any] = {
        "to_json": crucible_ir.to_json,
        "from_json": crucible_ir.from_json,
        "to_crucible_json": crucible_ir.to_crucible_json,
        "from_crucible_json": crucible_ir.from_crucible_json,
        "event_out": crucible_ir.transcoder(
            "FeedbackEvent", from_="binary", to="json", validate=False
        ),
        "event_in": crucible_ir.transcoder("FeedbackEvent", from_="json", to="binary"),
        "digest": crucible_ir.digest,
        "error_of": error_of,
        "parse_and_validate": parse_and_validate,
        "invalid_data": event_message(EVENT | {"latency_ms": -1}).SerializeToString(),
        "MessageToJson": json_format.MessageToJson,
        "Parse": json_format.Parse,
        "PydanticEvent": PydanticEvent,
        "plain_event": plain_event,
        "pydantic_event": PydanticEvent.model_validate_json(plain_event),
        "decode_msgspec": decode_msgspec,
        "msgspec_event": decode_msgspec(plain_event),
        "encode_msgspec": msgspec.json.Encoder().encode,
    }
    for name, message in DOCUMENTS.items():
        data = message.SerializeToString(deterministic=True)
        names |= {
            name: message,
            f"{name}_class": type(message),
            f"{name}_data": data,
            f"{name}_json": crucible_ir.to_json(message).encode(),
            f"{name}_crucible": crucible_ir.to_crucible_json(message).encode(),
            f"{name}_decoder": crucible_ir.decoder(type(message)),
            f"{name}_peer": protobuf_py_class(message).from_binary(data),
        }
    return names


def stream_timers(folder: Path) -> dict[str, Callable[[], float]]:
    """Return the functions that measure what reads or converts a whole file, in nanoseconds."""
    binary, lines = folder / "events.binpbs", folder / "events.jsonl"
    written = folder / f"written-{os.getpid()}"

    def read() -> None:
        for _ in crucible_ir.read_delimited(binary, EVENT_TYPE):
            pass

    def convert(source: Path, target: Any) -> None:
        with open(written, "wb") as file:
            for chunk in crucible_ir.bulk_records(source, EVENT_TYPE, to=target):
                file.write(chunk.data)

    def validate(threads: int) -> None:
        assert crucible_ir.validate_many(binary, EVENT_TYPE, threads=threads).is_valid

    def write_lines() -> None:
        with open(written, "wb") as file:
            crucible_ir.write_jsonl(file, crucible_ir.read_delimited(binary, EVENT_TYPE))

    def write_binary() -> None:
        with open(written, "wb") as file:
            crucible_ir.write_delimited(file, crucible_ir.read_jsonl(lines, EVENT_TYPE))

    cpu, wall = time.process_time, time.perf_counter
    return {
        "read_delimited": partial(_once, read, cpu),
        "validate_many": partial(_once, partial(validate, 1), cpu),
        "validate_many, 1 thread, wall": partial(_once, partial(validate, 1), wall),
        "validate_many, 2 threads, wall": partial(_once, partial(validate, 2), wall),
        "read_delimited, write_jsonl": partial(_once, write_lines, cpu),
        "read_jsonl, write_delimited": partial(_once, write_binary, cpu),
        "bulk to lines": partial(_once, partial(convert, binary, "jsonl"), cpu),
        "bulk to binary": partial(_once, partial(convert, lines, "delimited"), cpu),
    }


def _once(function: Callable[[], None], clock: Callable[[], float]) -> float:
    return timeit.timeit(function, timer=clock, number=1) * 1e9


if __name__ == "__main__":
    main()

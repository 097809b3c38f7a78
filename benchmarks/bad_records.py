"""Compares the CPU time of bad records of streams, as `validate` sums them up, with protovalidate.

The base is protovalidate's verdict on messages that were parsed before; for JSON lines it is
google's JSON parser and the verdict. Each statement reads a stream of bad records.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import protovalidate
from benchmarks.validation import EVENT, EXPERIMENT, Ratio, event_message, measure, report
from google.protobuf import json_format
from google.protobuf.message import Message

import crucible_ir
from crucible_ir import v1
from crucible_ir.cli.checking.issue_groups import IssueGroups

ROUNDS = 31
#: The records of a stream.
RECORDS = 200

#: Bad messages.
MESSAGES = {
    "event": event_message(EVENT | {"latency_ms": -1}),
    "event without fields": v1.FeedbackEvent(),
    "experiment": json_format.ParseDict(EXPERIMENT | {"id": ""}, v1.Experiment()),
    "three violations": v1.TrainingConfig(id="t", epochs=-1, batch_size=0, learning_rate=-1.0),
}


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    arguments = parser.parse_args()
    calls: dict[str, Callable[[], object]] = {}
    ratios = []
    for name, message in MESSAGES.items():
        assert protovalidate.collect_violations(message)
        calls[f"verdict, {name}"] = partial(verdicts, [message] * RECORDS)
        calls[f"delimited, {name}"] = stream(
            crucible_ir.read_delimited, crucible_ir.write_delimited, message
        )
        calls[f"verdict, JSON, {name}"] = partial(json_verdicts, message)
        calls[f"JSON lines, {name}"] = stream(
            crucible_ir.read_jsonl, crucible_ir.write_jsonl, message
        )
        ratios += [
            Ratio(f"delimited, {name}", f"delimited, {name}", f"verdict, {name}", "<= 2"),
            Ratio(f"JSON lines, {name}", f"JSON lines, {name}", f"verdict, JSON, {name}", "<= 2"),
        ]
    names = {f"call{index}": call for index, call in enumerate(calls.values())}
    subjects = dict(zip(calls, (f"{name}()" for name in names), strict=True))
    print(f"{RECORDS} bad records")
    report(measure(subjects, names, arguments.rounds), ratios)


def stream(
    read: Callable[..., Any], write: Callable[..., int], message: Message
) -> Callable[[], object]:
    """Return a function that reads a stream of one bad message and sums up the errors."""
    file = BytesIO()
    write(file, [message] * RECORDS)
    data = file.getvalue()

    groups = IssueGroups()

    def call() -> None:
        for _ in read(BytesIO(data), type(message), on_bad=groups.add_error):
            raise AssertionError("the record is bad")
        assert groups.rules()

    return call


def verdicts(messages: list[Message]) -> None:
    """Validate messages with protovalidate."""
    for message in messages:
        protovalidate.collect_violations(message)


def json_verdicts(message: Message) -> None:
    """Parse the JSON of a message with google's parser and validate it with protovalidate."""
    text = json_format.MessageToJson(message, indent=None)
    for _ in range(RECORDS):
        protovalidate.collect_violations(json_format.Parse(text, type(message)()))


if __name__ == "__main__":
    main()

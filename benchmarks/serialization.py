"""Measures what JSON costs: against google's json_format, protobuf-py, pydantic and msgspec."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path
from typing import Any

import msgspec
from benchmarks.validation import (
    EVENT,
    EXPERIMENT,
    MsgspecEvent,
    PydanticEvent,
    Ratio,
    event_message,
    measure,
    report,
)
from google.protobuf import json_format
from google.protobuf.message import Message
from protobuf import Registry

# protobuf-py has no public way from a descriptor to a class: its users generate code.
from protobuf._file_registry import add_file
from protobuf.wkt import FileDescriptorProto

import crucible_ir
from crucible_ir import v1
from crucible_ir.serialization.streams.delimited import read_delimited, write_delimited

ROUNDS = 101
STREAM_ROUNDS = 11
STREAM_RECORDS = 20_000
#: Rows of the run whose writing is watched for memory, and of the run that is timed.
LARGE_ROWS, ROWS = 200_000, 100

STATUS: dict[str, Any] = {
    "id": "ds-0a1b2c3d",
    "deployment_id": "prod-eu-7",
    "state": "DEPLOYMENT_STATE_ACTIVE",
    "ready_replicas": 3,
    "total_replicas": 4,
    "endpoint_url": "https://models.example.org/prod-eu-7",
    "traffic_percent": 12.5,
    "health": "DEPLOYMENT_HEALTH_HEALTHY",
    "last_health_check": "2025-03-01T12:00:00.250Z",
    "created_at": "2025-02-28T08:30:00Z",
    "updated_at": "2025-03-01T12:00:00.250Z",
}


def training_run(rows: int) -> v1.TrainingRun:
    """Build a run with a history of three metrics a row."""
    run = v1.TrainingRun(
        id="run-0a1b2c3d",
        config=v1.TrainingConfig(
            id="cfg-7",
            model_ref=v1.ModelRef(id="meta-llama/Llama-3.1-8B"),
            dataset_ref=v1.DatasetRef(name="gsm8k"),
            epochs=3,
            learning_rate=0.0003,
        ),
        status=v1.TrainingStatus.TRAINING_STATUS_COMPLETED,
    )
    for row in range(rows):
        values = {"loss": 2.5 / (row + 3), "accuracy": row / (row + 7), "grad_norm": row**0.5}
        run.metrics_history.add().values.update(values)
    return run


MESSAGES: dict[str, Message] = {
    "event": event_message(EVENT),
    "experiment": json_format.ParseDict(EXPERIMENT, v1.Experiment()),
    "status": json_format.ParseDict(STATUS, v1.DeploymentStatus()),
    "run": training_run(ROWS),
}
#: How many times faster than json_format each message is to be written, and to be read.
TARGETS = {"event": (2.5, 4), "experiment": (4, 8), "status": (5, 5), "run": (5, 5)}


def main() -> None:
    """Check that the peers agree, measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    arguments = parser.parse_args()
    names = subject_names()
    check_peers(names)
    sizes = ", ".join(f"{name} {len(names[f'{name}_json'])}" for name in MESSAGES)
    print(f"bytes of ProtoJSON: {sizes}")
    report(measure(subjects(), names, arguments.rounds), ratios())
    print()
    report_memory()
    report_streams()


def subjects() -> dict[str, str]:
    """Return what is measured, by name: statements, so that no call is added to what they do."""
    made: dict[str, str] = {}
    for name in MESSAGES:
        made |= {
            f"{name} out": f"to_json({name})",
            f"{name} out, crucible": f"to_crucible_json({name})",
            f"{name} out, google": f"MessageToJson({name}, indent=None)",
            f"{name} out, protobuf-py": f"{name}_peer.from_binary({name}.SerializeToString())"
            ".to_json()",
            f"{name} in": f"from_json({name}_json, {name}_class, validate=False)",
            f"{name} in, validated": f"from_json({name}_json, {name}_class)",
            f"{name} in, crucible": f"from_crucible_json({name}_crucible, {name}_class,"
            " validate=False)",
            f"{name} in, google": f"Parse({name}_json, {name}_class())",
            f"{name} in, protobuf-py": f"{name}_class.FromString("
            f"{name}_peer.from_json({name}_json).to_binary())",
        }
    return made | {
        "event out, pydantic": "pydantic_event.model_dump_json(exclude_none=True)",
        "event in, pydantic": "PydanticEvent.model_validate_json(plain_event)",
        "event out, msgspec": "encode_msgspec(msgspec_event)",
        "event in, msgspec": "decode_msgspec(plain_event)",
    }


def ratios() -> list[Ratio]:
    """Return the figures: those that have a target, then the peers'."""
    made: list[Ratio] = []
    for name, targets in TARGETS.items():
        for way, target in zip(("out", "in"), targets, strict=True):
            ours = f"{name} {way}"
            made.append(
                Ratio(f"json_format / ours, {ours}", f"{ours}, google", ours, f">= {target}")
            )
    for name in MESSAGES:
        for way in ("out", "in"):
            ours = f"{name} {way}"
            made.append(
                Ratio(f"Crucible JSON / ProtoJSON, {ours}", f"{ours}, crucible", ours, "<= 1")
            )
    for name in MESSAGES:
        made.append(
            Ratio(
                f"json_format / ours validated, {name}",
                f"{name} in, google",
                f"{name} in, validated",
            )
        )
        for way in ("out", "in"):
            ours = f"{name} {way}"
            made.append(Ratio(f"protobuf-py / ours, {ours}", f"{ours}, protobuf-py", ours))
    for peer in ("pydantic", "msgspec"):
        made.append(Ratio(f"{peer} / ours, event out", f"event out, {peer}", "event out"))
        made.append(
            Ratio(f"{peer} / ours validated, event in", f"event in, {peer}", "event in, validated")
        )
    return made


def subject_names() -> dict[str, Any]:
    """Prepare the names that the subjects use."""
    plain_event = json.dumps(EVENT).encode()
    decode_msgspec = msgspec.json.Decoder(MsgspecEvent).decode
    names: dict[str, Any] = {
        "to_json": crucible_ir.to_json,
        "from_json": crucible_ir.from_json,
        "to_crucible_json": crucible_ir.to_crucible_json,
        "from_crucible_json": crucible_ir.from_crucible_json,
        "MessageToJson": json_format.MessageToJson,
        "Parse": json_format.Parse,
        "PydanticEvent": PydanticEvent,
        "plain_event": plain_event,
        "pydantic_event": PydanticEvent.model_validate_json(plain_event),
        "decode_msgspec": decode_msgspec,
        "msgspec_event": decode_msgspec(plain_event),
        "encode_msgspec": msgspec.json.Encoder().encode,
    }
    for name, message in MESSAGES.items():
        names[name] = message
        names[f"{name}_class"] = type(message)
        names[f"{name}_json"] = crucible_ir.to_json(message)
        names[f"{name}_crucible"] = crucible_ir.to_crucible_json(message)
        names[f"{name}_peer"] = protobuf_py_class(message)
    return names


def protobuf_py_class(message: Message) -> Any:
    """Return protobuf-py's class of a message's type."""
    registry = Registry()

    def add(file: Any) -> None:
        for needed in file.dependencies:
            add(needed)
        if registry.file(file.name) is None:
            add_file(registry, FileDescriptorProto.from_binary(file.serialized_pb), None)

    add(message.DESCRIPTOR.file)
    found = registry.message(message.DESCRIPTOR.full_name)
    assert found is not None
    return found.type


def check_peers(names: dict[str, Any]) -> None:
    """Check that whatever writes and reads a message gives the same."""
    for name, message in MESSAGES.items():
        written = [
            eval(subjects()[f"{name} out{by}"], names) for by in ("", ", google", ", protobuf-py")
        ]
        assert json.loads(written[0]) == json.loads(written[1]) == json.loads(written[2]), name
        for by in ("", ", validated", ", google", ", protobuf-py"):
            assert eval(subjects()[f"{name} in{by}"], names) == message, name


def report_memory() -> None:
    """Print the most memory that writing a large run takes, and how that compares to its text."""
    # In a process of its own: the peak of this one is another's.
    command = [sys.executable, "-m", "benchmarks.serialization_memory", str(LARGE_ROWS)]
    output, peak = map(int, subprocess.run(command, check=True, capture_output=True).stdout.split())
    print(f"{LARGE_ROWS} rows: {output / 1e6:.1f} MB of JSON, {peak / 1e6:.1f} MB more at the peak")
    report_figure("memory at the peak / output", peak / output, "<= 2")


def report_streams() -> None:
    """Print the rate of reading and validating events from a file, against parsing alone."""
    event = MESSAGES["event"]
    assert isinstance(event, v1.FeedbackEvent)
    records = [event.SerializeToString()] * STREAM_RECORDS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.binpbs"
        write_delimited(path, [event] * STREAM_RECORDS)

        def read() -> None:
            for _ in read_delimited(path, v1.FeedbackEvent):
                pass

        def parse() -> None:
            from_string = v1.FeedbackEvent.FromString
            for record in records:
                from_string(record)

        pairs = [
            (timeit.timeit(parse, number=1), timeit.timeit(read, number=1))
            for _ in range(STREAM_ROUNDS)
        ]
    rate = STREAM_RECORDS / statistics.median(read for _, read in pairs)
    print(f"events from a file, validated: {rate:,.0f} a second")
    figure = statistics.median(parse / read for parse, read in pairs)
    report_figure("rate of a validated stream / FromString alone", figure, ">= 0.5")


def report_figure(name: str, figure: float, target: str) -> None:
    """Print a figure in the shape of the table of ratios."""
    ratio = Ratio(name, "", "", target)
    print(f"{name:<46} {figure:7.2f}  {target:>7}  {ratio.meets(figure)}")


if __name__ == "__main__":
    main()

"""Compares the CPU time of JSON with google's json_format, protobuf-py, pydantic and msgspec."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import protovalidate
from benchmarks.validation import (
    EVENT,
    EXPERIMENT,
    MsgspecEvent,
    PydanticEvent,
    Ratio,
    error_of,
    event_message,
    measure,
    report,
)
from google.protobuf import json_format
from google.protobuf.message import Message
from protobuf import Registry

# protobuf-py has no public function that returns the class for a descriptor.
from protobuf._file_registry import add_file
from protobuf.wkt import FileDescriptorProto

import crucible_ir
from crucible_ir import v1
from crucible_ir.serialization.streams.delimited import read_delimited, write_delimited

ROUNDS = 101
STREAM_ROUNDS = 11
STREAM_RECORDS = 20_000
#: The rows of the run whose memory is measured, and of the run that is timed.
LARGE_ROWS, ROWS = 200_000, 100

#: An experiment with a stage without a name, which breaks a rule.
INVALID = '{"id":"e-1","backend":{"id":"gpt-4"},"pipeline":[{"name":"load"},{"module":"score"}]}'

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
    """Return a run with a number of rows, each with three metrics."""
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
#: The least ratios to json_format of writing, and of reading with validation.
TARGETS = {"event": (2.5, 4.2), "experiment": (2.5, 4.2)}
#: The most microseconds of a digest.
DIGEST_TARGETS = {"event": 20, "experiment": 40}


def main() -> None:
    """Check that all libraries agree, measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    arguments = parser.parse_args()
    names = subject_names()
    check_peers(names)
    sizes = ", ".join(f"{name} {len(names[f'{name}_json'])}" for name in MESSAGES)
    print(f"bytes of ProtoJSON: {sizes}")
    times = measure(subjects(), names, arguments.rounds)
    report(times, ratios())
    for name, target in DIGEST_TARGETS.items():
        median = statistics.median(times[f"{name} digest"]) / 1000
        report_figure(f"digest of {name}, microseconds", median, f"<= {target}")
    report_memory()
    report_streams()


def subjects() -> dict[str, str]:
    """Return the measured statements by name."""
    statements = {f"{name} digest": f"digest({name})" for name in DIGEST_TARGETS}
    for name in MESSAGES:
        statements |= {
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
    return statements | {
        "invalid in, validated": "error_of(from_json_experiment, invalid_json)",
        "invalid, protovalidate": "collect_violations(invalid)",
        "event out, pydantic": "pydantic_event.model_dump_json(exclude_none=True)",
        "event in, pydantic": "PydanticEvent.model_validate_json(plain_event)",
        "event out, msgspec": "encode_msgspec(msgspec_event)",
        "event in, msgspec": "decode_msgspec(plain_event)",
    }


def ratios() -> list[Ratio]:
    """Return the ratios, first those with a target."""
    found: list[Ratio] = []
    for name, (out_target, in_target) in TARGETS.items():
        found += [
            _json_format(f"{name} out", "", f">= {out_target}"),
            _json_format(f"{name} in", ", validated", f">= {in_target}"),
        ]
    found.append(
        Ratio(
            "from_json / protovalidate, invalid experiment",
            "invalid in, validated",
            "invalid, protovalidate",
            "<= 2.5",
        )
    )
    for name in MESSAGES:
        if name not in TARGETS:
            found += [_json_format(f"{name} out"), _json_format(f"{name} in", ", validated")]
        found.append(_json_format(f"{name} in"))
        for way in ("out", "in"):
            ours = f"{name} {way}"
            found += [
                Ratio(f"Crucible JSON / ProtoJSON, {ours}", f"{ours}, crucible", ours),
                Ratio(f"protobuf-py / ours, {ours}", f"{ours}, protobuf-py", ours),
            ]
    for peer in ("pydantic", "msgspec"):
        found += [
            Ratio(f"{peer} / ours, event out", f"event out, {peer}", "event out"),
            Ratio(f"{peer} / ours, event in", f"event in, {peer}", "event in, validated"),
        ]
    return found


def _json_format(ours: str, validated: str = "", target: str = "") -> Ratio:
    name = f"json_format / ours, {ours}{validated}"
    return Ratio(name, f"{ours}, google", f"{ours}{validated}", target)


def subject_names() -> dict[str, Any]:
    """Return the names in the statements."""
    plain_event = json.dumps(EVENT).encode()
    from_json_experiment = partial(crucible_ir.from_json, type=v1.Experiment)
    decode_msgspec = msgspec.json.Decoder(MsgspecEvent).decode
    names: dict[str, Any] = {
        "to_json": crucible_ir.to_json,
        "from_json": crucible_ir.from_json,
        "to_crucible_json": crucible_ir.to_crucible_json,
        "from_crucible_json": crucible_ir.from_crucible_json,
        "digest": crucible_ir.digest,
        "from_json_experiment": from_json_experiment,
        "error_of": error_of,
        "collect_violations": protovalidate.collect_violations,
        "invalid_json": INVALID,
        "invalid": from_json_experiment(INVALID, validate=False),
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
    """Return the class of protobuf-py for the type of a message."""
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
    """Check that all libraries write the same JSON values and read the same messages."""
    for name, message in MESSAGES.items():
        written = [
            eval(subjects()[f"{name} out{by}"], names) for by in ("", ", google", ", protobuf-py")
        ]
        assert json.loads(written[0]) == json.loads(written[1]) == json.loads(written[2]), name
        for by in ("", ", validated", ", google", ", protobuf-py"):
            assert eval(subjects()[f"{name} in{by}"], names) == message, name


def report_memory() -> None:
    """Print the peak memory of writing a large run, and its ratio to the size of the text."""
    # In another process, because the peak of this one is higher.
    command = [sys.executable, "-m", "benchmarks.serialization_memory", str(LARGE_ROWS)]
    output, peak = map(int, subprocess.run(command, check=True, capture_output=True).stdout.split())
    print(f"{LARGE_ROWS} rows: {output / 1e6:.1f} MB of JSON, {peak / 1e6:.1f} MB at the peak")
    report_figure("peak memory / size of the text", peak / output, "<= 1.1")


def report_streams() -> None:
    """Print the rate of reading and validating events from a file, and its ratio to parsing."""
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

        pairs = [(cpu_time(parse), cpu_time(read)) for _ in range(STREAM_ROUNDS)]
    rate = STREAM_RECORDS / statistics.median(read for _, read in pairs)
    print(f"events from a file, validated: {rate:,.0f} a second of CPU time")
    figure = statistics.median(parse / read for parse, read in pairs)
    report_figure("rate of a validated stream / FromString alone", figure, ">= 0.5")


def cpu_time(function: Callable[[], None]) -> float:
    """Return the CPU seconds of a call."""
    return timeit.timeit(function, timer=time.process_time, number=1)


def report_figure(name: str, figure: float, target: str) -> None:
    """Print a figure as a line of the table of ratios."""
    ratio = Ratio(name, "", "", target)
    print(f"{name:<46} {figure:7.2f}  {target:>7}  {ratio.meets(figure)}")


if __name__ == "__main__":
    main()

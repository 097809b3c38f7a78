"""Compares the CPU time of validation with parsing alone, protovalidate, pydantic and msgspec."""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import protovalidate
import pydantic
from google.protobuf import json_format

import crucible_ir
from crucible_ir import v1
from crucible_ir.validation.guards import GUARDS

ROUNDS = 101
#: The seconds that a statement runs in each round.
TURN = 0.002

MAX_ID_BYTES = 512
MAX_INT32 = 2**31 - 1

EVENT: dict[str, Any] = {
    "id": "fb-0a1b2c3d",
    "deployment_id": "prod-eu-7",
    "model_version": "3.1.0",
    "input": {
        "prompt": "What is the capital of France?",
        "params": {"temperature": 0.2, "max_tokens": 64},
    },
    "output": {"text": "Paris.", "usage": {"prompt_tokens": 12, "completion_tokens": 3}},
    "feedback_type": "rating",
    "feedback_value": 4,
    "user_id": "u-1234",
    "session_id": "s-9876",
    "latency_ms": 182,
    "timestamp": "2025-03-01T12:00:00.250Z",
    "metadata": {"client": "web", "page": 2},
}

EXPERIMENT: dict[str, Any] = {
    "id": "gsm8k-ensemble-07",
    "backend": {
        "id": "meta-llama/Llama-3.1-8B",
        "profile": "lora_finetune",
        "options": {"temperature": 0.2, "max_tokens": 512},
    },
    "pipeline": [
        {"name": "load", "options": {"limit": 500}, "enabled": True},
        {"name": "infer", "options": {"batch_size": 16}, "enabled": True},
        {"name": "score", "options": {"metric": "exact_match"}, "enabled": True},
    ],
    "description": "A majority vote of two models",
    "tags": ["gsm8k", "ensemble"],
    "metadata": {"ticket": "EVAL-118", "cost_limit": 25},
    "dataset": {
        "name": "gsm8k",
        "provider": "DATASET_PROVIDER_HUGGINGFACE",
        "split": "DATASET_SPLIT_TEST",
    },
    "reliability": {
        "ensemble": {
            "strategy": "ENSEMBLE_STRATEGY_MAJORITY",
            "models": ["gpt-4", "claude-3"],
            "min_agreement": 0.6,
        },
        "stats": {"tests": ["STATISTICAL_TEST_BOOTSTRAP"], "alpha": 0.05},
    },
    "outputs": [{"name": "report", "formats": ["OUTPUT_FORMAT_MARKDOWN"]}],
    "created_at": "2025-03-01T12:00:00Z",
    "experiment_type": "EXPERIMENT_TYPE_EVALUATION",
}

FeedbackType = Literal["thumbs", "rating", "correction", "label", "flag"]


def check_id_size(text: str) -> str:
    """Raise if an id has more bytes than the schema allows; a pydantic validator."""
    if len(text) > MAX_ID_BYTES // 4 and len(text.encode()) > MAX_ID_BYTES:
        raise ValueError(f"more than {MAX_ID_BYTES} bytes")
    return text


class PydanticEvent(pydantic.BaseModel):
    """A FeedbackEvent with the same rules in pydantic."""

    id: Annotated[str, pydantic.Field(min_length=1), pydantic.AfterValidator(check_id_size)]
    deployment_id: str | None = None
    model_version: str | None = None
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    feedback_type: FeedbackType | None = None
    custom_feedback_type: str | None = None
    feedback_value: Any = None
    user_id: str | None = None
    session_id: str | None = None
    latency_ms: Annotated[int, pydantic.Field(ge=0, le=MAX_INT32)] | None = None
    timestamp: datetime | None = None
    metadata: dict[str, Any] | None = None


class MsgspecEvent(msgspec.Struct):
    """A FeedbackEvent with the same rules in msgspec."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    deployment_id: str | None = None
    model_version: str | None = None
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    feedback_type: FeedbackType | None = None
    custom_feedback_type: str | None = None
    feedback_value: Any = None
    user_id: str | None = None
    session_id: str | None = None
    latency_ms: Annotated[int, msgspec.Meta(ge=0, le=MAX_INT32)] | None = None
    timestamp: datetime | None = None
    metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check the size of the id in bytes; msgspec counts characters."""
        check_id_size(self.id)


@dataclass(frozen=True, slots=True)
class Ratio:
    """The ratio of the times of two statements.

    Attributes:
        name: A description.
        subject: The name of the statement whose time is divided.
        base: The name of the statement whose time is the divisor.
        target: The target, such as ``<= 1.5``; empty if there is none.
    """

    name: str
    subject: str
    base: str
    target: str = ""

    def meets(self, figure: float) -> str:
        """Return whether a figure meets the target, as a word."""
        if not self.target:
            return ""
        sign, bound = self.target.split()
        met = figure <= float(bound) if sign == "<=" else figure >= float(bound)
        return "yes" if met else "NO"


RATIOS = (
    Ratio("decoder(FeedbackEvent) / parse alone", "decode event", "parse event", "<= 1.5"),
    Ratio("decoder(Experiment) / parse alone", "decode experiment", "parse experiment", "<= 4.5"),
    Ratio("protovalidate / guard, event", "protovalidate event", "guard event", ">= 40"),
    Ratio(
        "protovalidate / guard, experiment",
        "protovalidate experiment",
        "guard experiment",
        ">= 5.5",
    ),
    Ratio(
        "pydantic model_validate_json / decoder, event", "pydantic event", "decode event", ">= 2"
    ),
    Ratio("msgspec msgpack decode / decoder, event", "msgspec event", "decode event"),
    Ratio(
        "invalid event / protovalidate alone", "decode invalid", "protovalidate invalid", "<= 1.1"
    ),
)


def main() -> None:
    """Check that all libraries agree, measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    arguments = parser.parse_args()
    check_peers()
    names = subject_names()
    sizes = (len(names[data]) for data in ("event_data", "experiment_data"))
    print("event {} bytes, experiment {} bytes".format(*sizes))
    report(measure(SUBJECTS, names, arguments.rounds), RATIOS)


def report(times: dict[str, list[float]], ratios: Sequence[Ratio]) -> None:
    """Print the median time of each statement, and the median of each ratio with its target."""
    for name, nanoseconds in times.items():
        print(f"{name:<26} {statistics.median(nanoseconds) / 1000:8.2f} us")
    print(f"\n{'ratio':<46} {'median':>7}  {'target':>7}  met")
    for ratio in ratios:
        pairs = zip(times[ratio.subject], times[ratio.base], strict=True)
        figure = statistics.median(above / below for above, below in pairs)
        print(f"{ratio.name:<46} {figure:7.2f}  {ratio.target:>7}  {ratio.meets(figure)}")


#: The measured statements by name. They are statements because calling a function takes time.
SUBJECTS = {
    "parse event": "FeedbackEvent.FromString(event_data)",
    "decode event": "decode_event(event_data)",
    "guard event": "guard_event(event)",
    "protovalidate event": "collect_violations(event)",
    "pydantic event": "PydanticEvent.model_validate_json(event_json)",
    "msgspec event": "decode_msgpack(event_msgpack)",
    "parse experiment": "Experiment.FromString(experiment_data)",
    "decode experiment": "decode_experiment(experiment_data)",
    "guard experiment": "guard_experiment(experiment)",
    "protovalidate experiment": "collect_violations(experiment)",
    "decode invalid": "error_of(decode_event, invalid_data)",
    "protovalidate invalid": "error_of(parse_and_validate, invalid_data)",
}


def subject_names() -> dict[str, Any]:
    """Return the names in the statements."""
    event, experiment = event_message(EVENT), json_format.ParseDict(EXPERIMENT, v1.Experiment())
    invalid = event_message(EVENT | {"latency_ms": -1})
    guard_event, guard_experiment = (
        GUARDS[each.DESCRIPTOR.full_name] for each in (event, experiment)
    )
    assert guard_event(event) and guard_experiment(experiment) and not guard_event(invalid)
    return {
        "FeedbackEvent": v1.FeedbackEvent,
        "Experiment": v1.Experiment,
        "event": event,
        "event_data": event.SerializeToString(),
        "event_json": json.dumps(EVENT),
        "event_msgpack": msgspec.msgpack.encode(msgspec.convert(EVENT, MsgspecEvent)),
        "invalid_data": invalid.SerializeToString(),
        "experiment": experiment,
        "experiment_data": experiment.SerializeToString(),
        "decode_event": crucible_ir.decoder(v1.FeedbackEvent),
        "decode_experiment": crucible_ir.decoder(v1.Experiment),
        "decode_msgpack": msgspec.msgpack.Decoder(MsgspecEvent).decode,
        "guard_event": guard_event,
        "guard_experiment": guard_experiment,
        "PydanticEvent": PydanticEvent,
        "collect_violations": protovalidate.collect_violations,
        "parse_and_validate": parse_and_validate,
        "error_of": error_of,
    }


def event_message(document: dict[str, Any]) -> v1.FeedbackEvent:
    """Return the message for the document of an event."""
    document = copy.deepcopy(document)
    if document.get("feedback_type"):
        document["feedback_type"] = f"FEEDBACK_TYPE_{document['feedback_type'].upper()}"
    return json_format.ParseDict(document, v1.FeedbackEvent())


def parse_and_validate(data: bytes) -> object:
    """Parse an event and raise the violations of protovalidate."""
    event = v1.FeedbackEvent.FromString(data)
    protovalidate.validate(event)
    return event


def error_of(read: Callable[[Any], object], data: str | bytes) -> ValueError:
    """Return the error that a reader raises."""
    try:
        read(data)
    except ValueError as error:
        return error
    raise AssertionError("the data is valid")


def check_peers() -> None:
    """Check that all libraries accept and reject the same events as protovalidate."""
    edits: list[dict[str, Any]] = [{}, {"id": ""}, {"id": "a" * 512}, {"id": "a" * 513}]
    edits += [{"id": "é" * count} for count in (128, 256, 257)]
    edits += [{"latency_ms": value} for value in (-1, 0, MAX_INT32, None)]
    edits += [{"timestamp": f"{date}T00:00:00Z"} for date in ("0001-01-01", "9999-12-31")]
    edits += [{name: None} for name in EVENT if name not in ("id", "latency_ms")]
    for edit in edits:
        document = EVENT | edit
        is_valid = not protovalidate.collect_violations(event_message(document))
        for accepts in (pydantic_accepts, msgspec_accepts):
            assert accepts(document) == is_valid, f"{accepts.__name__} of {edit}: not {is_valid}"


def pydantic_accepts(document: dict[str, Any]) -> bool:
    """Return whether pydantic accepts an event."""
    try:
        PydanticEvent.model_validate_json(json.dumps(document))
    except pydantic.ValidationError:
        return False
    return True


def msgspec_accepts(document: dict[str, Any]) -> bool:
    """Return whether msgspec accepts an event."""
    timestamp = document["timestamp"] and datetime.fromisoformat(document["timestamp"])
    try:
        data = msgspec.msgpack.encode(document | {"timestamp": timestamp})
        msgspec.msgpack.decode(data, type=MsgspecEvent)
    except msgspec.ValidationError:
        return False
    return True


def measure(subjects: dict[str, str], names: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """Measure the CPU time of statements in rounds, each of which runs every statement.

    Ratios are taken within a round, so that a change of the machine's speed affects both times.

    Args:
        subjects: The statements by name.
        names: The names in the statements.
        rounds: The number of rounds.

    Returns:
        The nanoseconds of one execution in each round, by the name of the statement.
    """
    timers = {
        name: timeit.Timer(subject, timer=time.process_time, globals=names)
        for name, subject in subjects.items()
    }
    calls = {name: calls_in_a_turn(timer) for name, timer in timers.items()}
    times: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(rounds):
        for name, timer in timers.items():
            times[name].append(timer.timeit(calls[name]) / calls[name] * 1e9)
    return times


def calls_in_a_turn(timer: timeit.Timer) -> int:
    """Return how often a statement is executed in each round."""
    timer.timeit(100)
    return max(1, int(TURN / (timer.timeit(100) / 100)))


if __name__ == "__main__":
    main()

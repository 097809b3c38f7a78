"""An example of each message: the call of its constructor, and the message in each format.

The examples are made from the schema: every field that has a place in a valid message without lint
findings, with sample values. Each text is read again before it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir.building.construct import construct
from crucible_ir.schema.fields import Field, fields_of
from samples import call_lines, required_arguments, sample, snake_case

#: Values that explain more than the samples of their types, by the names of fields, or of a message
#: and its field.
SAMPLES: Mapping[str, Any] = {
    "Ensemble.strategy": "majority",
    "Hedging.strategy": "fixed",
    "Message.text": "What is 2 + 2?",
    "MetricsSnapshot.values": {"loss": 0.42},
    "ModelSource.relation": "quantized",
    "TrainingConfig.metrics": ["loss", "accuracy"],
    "aliases": {"champion": "model_version_1"},
    "batch_size": 16,
    "checkpoint_every": 2,
    "comment": "Answers the question.",
    "created_by": "ana",
    "delay_ms": 250,
    "description": "Fine-tuned on MMLU.",
    "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "early_stopping": {"patience": 3},
    "epochs": 3,
    "error_message": "out of memory",
    "group_by": "language",
    "input": {"question": "What is 2 + 2?"},
    "latency_ms": 420,
    "learning_rate": 0.0005,
    "metadata": {"team": "search"},
    "models": ["gpt2", "llama"],
    "options": {"max_retries": 2},
    "output": {"answer": "4"},
    "owner": "search-team",
    "percentile": 95.0,
    "producer_name": "trainer",
    "refusal": "I cannot help with that.",
    "role": "user",
    "seed": 42,
    "source_id": "judge-model",
    "system": "Answer in one word.",
    "tags": ["baseline"],
    "timeout_ms": 2000,
    "traffic_percent": 10.0,
    "validation_split": 0.1,
    "weight_decay": 0.01,
    "weights": {"gpt2": 0.5, "llama": 0.5},
}

#: The length of a line of a call.
_WIDTH = 88

#: The formats of examples: the language of a block, the writer and the reader.
FORMATS: Mapping[str, tuple[str, Callable[..., str], Callable[..., Message]]] = {
    "YAML": ("yaml", ir.to_yaml, ir.from_yaml),
    "ProtoJSON": ("json", ir.to_json, ir.from_json),
    "Crucible JSON": ("json", ir.to_crucible_json, ir.from_crucible_json),
}


class WrongExampleError(Exception):
    """An example does not have the meaning of its message."""


@dataclass(frozen=True, slots=True)
class Example:
    """An example of a message.

    Attributes:
        call: The call of the constructor.
        texts: The message in each of `FORMATS`, by the name of the format.
    """

    call: str
    texts: Mapping[str, str]


@cache
def example(message: Descriptor) -> Example:
    """Return the example of a message type.

    Raises:
        WrongExampleError: The call or a text is not the message.
    """
    cls = ir.MESSAGE_TYPES[message.name]
    arguments = _arguments(message)
    made: Message = construct(cls, arguments)
    call = "\n".join(call_lines(f"ir.new_{snake_case(message.name)}", arguments, _WIDTH))
    texts = {
        name: write(made, **({"indent": 2} if language == "json" else {}))
        for name, (language, write, _) in FORMATS.items()
    }
    read = {name: reader(texts[name], cls) for name, (_, _, reader) in FORMATS.items()}
    read["Python"] = eval(call, {"ir": ir})
    for name, other in read.items():
        if other != made:
            raise WrongExampleError(f"{message.name}: the example in {name} is another message")
    return Example(call, texts)


def _arguments(message: Descriptor) -> dict[str, Any]:
    """Return samples of as many fields as a message without mistakes has."""
    cls = ir.MESSAGE_TYPES[message.name]
    given = required_arguments(message)
    findings = _findings(cls, given)
    # Twice, since a lint may report one of two fields that belong together.
    for name, field in [*fields_of(message).items()] * 2:
        # The names of vocabularies are documented ones.
        if field.custom_of is not None:
            continue
        for value in _values(message, field, given):
            trial = {**given, name: value}
            found = _findings(cls, trial)
            if found is not None and found <= (findings or set()):
                given, findings = trial, found
                break
    return {name: given[name] for name in fields_of(message) if name in given}


def _values(message: Descriptor, field: Field, given: Mapping[str, Any]) -> Iterator[Any]:
    """Yield values for a field; the first that fits is shown."""
    for key in (f"{message.name}.{field.name}", field.name):
        if key in SAMPLES:
            yield SAMPLES[key]
    if field.name not in given:
        yield sample(field)


def _findings(cls: type[Message], arguments: Mapping[str, Any]) -> set[str] | None:
    """Return the lints that report the message of a constructor; ``None`` if it is invalid."""
    try:
        made: Message = construct(cls, arguments)
    except ir.FieldError:
        return None
    return {finding.id for finding in ir.lint(made)} if ir.is_valid(made) else None

"""Params of runs: the names that trainers give to the fields of a training configuration."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from crucible_ir.interchange.mapping.converters import (
    BOOLEAN_TEXT,
    INTEGER_TEXT,
    NUMBER_TEXT,
    Converter,
    NoConversionError,
    Rule,
)
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same
from crucible_ir.interchange.mlflow.pairs import PairReader, PairWriter, reason_against
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.types import descriptor_of, message_types

_TYPE: Final = "TrainingConfig"


def _vocabulary(field: str) -> Converter:
    """Return a converter of an open vocabulary: documented names in any case, others as are."""

    @cache
    def documented() -> frozenset[str]:
        return frozenset(fields_of(descriptor_of(message_types()[_TYPE]()))[field].short_names)

    def read(value: Any) -> str:
        text = str(value)
        if not text or text == "None":
            raise NoConversionError("no name")
        return text.lower() if text.lower() in documented() else text

    return Converter(read, str, "a documented name is in lower case")


def _read_true(value: Any) -> bool:
    if BOOLEAN_TEXT.read(value):
        return True
    raise NoConversionError("")


_NUMBER: Final = Converter(lambda text: float(NUMBER_TEXT.read(text)), str, NUMBER_TEXT.reason)

#: A switch of which only "True" says something: another one may be on.
_SWITCH: Final = Converter(_read_true, str, BOOLEAN_TEXT.reason)

_MODEL: Final = Converter(
    lambda text: {"id": text}, lambda value: value["id"], "the name of a model refers to it"
)

#: The names of params, first the one that is written for a configuration from elsewhere.
RULES: Final = (
    Rule("learning_rate", "", _NUMBER),
    Rule("lr", "learning_rate", _NUMBER),
    Rule("learning_rate_init", "learning_rate", _NUMBER),
    Rule("opt_learning_rate", "learning_rate", _NUMBER),
    Rule("epochs", "", INTEGER_TEXT),
    Rule("num_train_epochs", "epochs", INTEGER_TEXT),
    Rule("n_epochs", "epochs", INTEGER_TEXT),
    Rule("num_epochs", "epochs", INTEGER_TEXT),
    Rule("max_epochs", "epochs", INTEGER_TEXT),
    Rule("batch_size", "", INTEGER_TEXT),
    Rule("train_batch_size", "batch_size", INTEGER_TEXT),
    Rule("optimizer", "", _vocabulary("optimizer")),
    Rule("optimizer_name", "optimizer", _vocabulary("optimizer")),
    Rule("opt_name", "optimizer", _vocabulary("optimizer")),
    Rule("optim", "optimizer", _vocabulary("optimizer")),
    Rule("loss_function", "", _vocabulary("loss_function")),
    Rule("loss_fn", "loss_function", _vocabulary("loss_function")),
    Rule("loss", "loss_function", _vocabulary("loss_function")),
    Rule("validation_split", "", _NUMBER),
    Rule("device", "", _vocabulary("device")),
    Rule("seed", "", INTEGER_TEXT),
    Rule("random_seed", "seed", INTEGER_TEXT),
    Rule("random_state", "seed", INTEGER_TEXT),
    Rule("mixed_precision", "", BOOLEAN_TEXT),
    Rule("fp16", "mixed_precision", _SWITCH),
    Rule("bf16", "mixed_precision", _SWITCH),
    Rule("gradient_clipping", "", _NUMBER),
    Rule("max_grad_norm", "gradient_clipping", _NUMBER),
    Rule("gradient_clip_val", "gradient_clipping", _NUMBER),
    Rule("max_steps", "", INTEGER_TEXT),
    Rule("weight_decay", "", _NUMBER),
    Rule("opt_weight_decay", "weight_decay", _NUMBER),
    Rule("warmup_steps", "", INTEGER_TEXT),
    Rule("gradient_accumulation_steps", "", INTEGER_TEXT),
    Rule("accumulate_grad_batches", "gradient_accumulation_steps", INTEGER_TEXT),
    Rule("learning_rate_schedule", "", _vocabulary("learning_rate_schedule")),
    Rule("lr_scheduler_type", "learning_rate_schedule", _vocabulary("learning_rate_schedule")),
    Rule("checkpoint_every", "", INTEGER_TEXT),
    Rule("checkpoint_every_steps", "", INTEGER_TEXT),
    Rule("model_name_or_path", "model_ref", _MODEL),
    Rule("_name_or_path", "model_ref", _MODEL),
    Rule("model_name", "model_ref", _MODEL),
)
_BY_NAME: Final = {rule.theirs: rule for rule in RULES}


def read_params(reader: PairReader, config: Target) -> None:
    """Import params with known names as fields of a configuration, and keep the others."""
    for pair in reader.waiting():
        rule = _BY_NAME.get(pair.name)
        if rule is None or config.has(rule.field):
            continue
        text = pair.value.value
        value, reason = _read(rule, text)
        if value is None:
            reader.keep(pair, reason)
            continue
        assert rule.converter is not None
        config.put(rule.field, value, pair.value, reason=rule.converter.reason)
        if rule.converter.write(value) == text:
            reader.use(pair)
        else:
            reader.keep(pair)
    reader.finish()


def _read(rule: Rule, text: str) -> tuple[Any, str]:
    """Return the value of a param; ``None`` and the reason if the field cannot have it."""
    assert rule.converter is not None
    try:
        value = rule.converter.read(text)
    except NoConversionError as error:
        return None, error.reason
    against = reason_against(_TYPE, rule.field, value)
    return (None, against) if against else (value, "")


def write_params(writer: PairWriter, config: Source, done: set[str]) -> None:
    """Export the fields of a configuration as params, each with the name that it came with.

    Args:
        writer: Writes the params.
        config: The configuration.
        done: The fields that are written elsewhere.
    """
    for rule, found in _fields(writer, config, done):
        assert rule.converter is not None
        text = rule.converter.write(found.value)
        original = writer.kept.get(rule.theirs)
        if original is not None:
            value, _ = _read(rule, original.value)
            if value is None:
                continue
            if same(value, found.value):
                text = original.value
        done.add(rule.field)
        writer.put(rule.theirs, text, found, reason=rule.converter.reason)


def _fields(writer: PairWriter, config: Source, done: set[str]) -> Iterator[tuple[Rule, Source]]:
    known = [_BY_NAME[name] for name in writer.order if name in _BY_NAME]
    for rule in (*known, *(rule for rule in RULES if not rule.theirs.startswith("_"))):
        found = config.get(rule.field)
        if found is None or rule.field in done:
            continue
        if rule.field == "model_ref" and list(found.value) != ["id"]:
            continue
        if rule not in known and rule.theirs in writer.kept:
            continue
        yield rule, found

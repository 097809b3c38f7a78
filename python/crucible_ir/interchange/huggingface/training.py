"""``trainer_state.json`` and TrainingArguments: training runs and their configurations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

from crucible_ir.interchange.huggingface.repository import (
    ARGUMENTS,
    CARD,
    STATE,
    Repository,
    folder,
)
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    NUMBER,
    WHOLE_NUMBER,
    Converter,
    NoConversionError,
    Rule,
    double,
    is_id,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

#: The key in the opaque map of the keys that were imported in place of the usual ones.
_KEYS: Final = "keys"

#: The largest step of a snapshot.
_MAX_STEP: Final = 2**31 - 1

#: The keys of TrainingArguments with tokens.
_SECRETS: Final = ("hub_token", "push_to_hub_token", "token", "use_auth_token")


def _whole_epochs(value: Any) -> int:
    number = WHOLE_NUMBER.read(value)
    if number < 1:
        raise NoConversionError("the number of epochs is 1 or more here")
    return int(number)


def _step_limit(value: Any) -> int:
    number = WHOLE_NUMBER.read(value)
    if number < 1:
        raise NoConversionError("0 or less: the number of epochs decides")
    return int(number)


def _name(value: Any) -> Any:
    if not is_id(value):
        raise NoConversionError("not a name")
    return value


def _epoch(value: float) -> int:
    if not math.isfinite(value):
        raise NoConversionError("not a finite number")
    return math.floor(value)


def _as_is(value: Any) -> Any:
    return value


_EPOCHS: Final = Converter(_whole_epochs, _as_is, "a whole number of epochs")
_STEPS: Final = Converter(_step_limit, _as_is, "a limit of steps")
_NAMED: Final = Converter(_name, _as_is, "a name")
_EPOCH: Final = Converter(_epoch, _as_is, "the epoch in progress or last finished")
_OPTIMIZERS: Final = names(
    {
        "adamw_torch": "adamw",
        "adamw_hf": "adamw",
        "adamw_torch_fused": "adamw",
        "adamw_torch_xla": "adamw",
        "adamw_apex_fused": "adamw",
    },
    "names of optimizers differ",
    others="keep",
)

_WHOLE: Final = (int, float, str)

_MAX_STEPS: Final = Rule("max_steps", converter=_STEPS, types=_WHOLE)
_OPTIM: Final = Rule("optim", "optimizer", _OPTIMIZERS, (str,))

#: The names of each setting: that of TrainingArguments first, then those of other scripts.
_CONFIG_RULES: Final = (
    Rule("learning_rate", converter=NUMBER, types=_WHOLE),
    Rule("num_train_epochs", "epochs", _EPOCHS, _WHOLE),
    Rule("num_epochs", "epochs", _EPOCHS, _WHOLE),
    Rule("epochs", "epochs", _EPOCHS, _WHOLE),
    _MAX_STEPS,
    Rule("weight_decay", converter=NUMBER, types=_WHOLE),
    Rule("gradient_accumulation_steps", converter=WHOLE_NUMBER, types=_WHOLE),
    Rule("grad_accum_steps", "gradient_accumulation_steps", WHOLE_NUMBER, _WHOLE),
    Rule("max_grad_norm", "gradient_clipping", NUMBER, _WHOLE),
    Rule("lr_scheduler_type", "learning_rate_schedule", types=(str,)),
    _OPTIM,
    Rule("optimizer", types=(str,)),
    Rule("seed", types=(int,)),
)
_MODEL_RULES: Final = (
    Rule("model_name_or_path", "id", _NAMED),
    Rule("model_name", "id", _NAMED),
    Rule("model_id", "id", _NAMED),
)
_DATASET_RULES: Final = (
    Rule("dataset_name", "name", _NAMED),
    Rule("dataset_id", "name", _NAMED),
    Rule("dataset_config_name", "subset", types=(str,)),
)
_BATCH_SIZES: Final = ("per_device_train_batch_size", "per_gpu_train_batch_size", "batch_size")
_SAVE_STEPS: Final = Rule("save_steps", "checkpoint_every_steps", WHOLE_NUMBER, _WHOLE)
_WARMUP: Final = Rule("warmup_steps", types=(int,))

_STATE_RULES: Final = (
    Rule("global_step", "current_step", types=(int,)),
    Rule("best_model_checkpoint", "best_checkpoint_uri", types=(str,)),
    Rule("epoch", "current_epoch", _EPOCH, (int, float)),
)
_PLAN_RULES: Final = (
    Rule("num_train_epochs", "epochs", _EPOCHS, (int, float)),
    Rule("max_steps", converter=_STEPS, types=(int, float)),
)


def import_training(record: Repository) -> None:
    """Import a training run with its configuration, or a configuration alone."""
    conversion = record.conversion
    state, arguments = record.file(STATE), record.file(ARGUMENTS)
    if state is None and arguments is None:
        return
    for found in (state, arguments):
        if found is not None:
            found.drop_secrets(*_SECRETS)
    if state is None:
        assert arguments is not None
        config = conversion.document("TrainingConfig")
        record.put_id(config)
        record.keep_rest(config, ARGUMENTS)
        _import_config(conversion, arguments, config)
        _import_references(record, config)
        return
    run = conversion.document("TrainingRun")
    record.keep_rest(run, STATE)
    config = run.child("config")
    record.put_id(run, (config, "id"))
    if record.version is not None:
        reason = "the version and the run of one folder"
        run.default("final_model_version", record.version.value["id"], reason)
        record.version.default("training_run_id", run.value["id"], reason)
    if arguments is not None:
        record.note(run, ARGUMENTS)
        config.keep_rest(arguments)
        _import_config(conversion, arguments, config)
    _import_state(conversion, state, run, config, arguments)
    _import_references(record, config)


def _import_references(record: Repository, config: Target) -> None:
    """Fill in the base model and the dataset: those of the card, or stand-ins."""
    card = record.file(CARD)
    data = card.get("data", dict) if card is not None else None
    base = data.value.get("base_model") if data is not None else None
    datasets = data.value.get("datasets") if data is not None else None
    _fill_in(config, "model_ref", "id", base)
    _fill_in(config, "dataset_ref", "name", datasets)


def _fill_in(config: Target, key: str, name: str, value: object) -> None:
    reference = config.child(key)
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    if reference.has(name):
        return
    if is_id(only):
        reference.default(name, only, "the only one that the card names")
    elif config.has(key):
        reference.default(name, UNKNOWN, "the file does not name it")
    else:
        config.default(key, {name: UNKNOWN}, "the file does not name it")


def _import_config(conversion: Import, source: Source, config: Target) -> None:
    for rules, target in (
        (_CONFIG_RULES, config),
        (_MODEL_RULES, config.child("model_ref")),
        (_DATASET_RULES, config.child("dataset_ref")),
    ):
        for rule in rules:
            found = source.get(rule.theirs, *rule.types)
            is_used = found is not None and not target.has(rule.field)
            read_rules(conversion, source, target, (rule,))
            if is_used and target.has(rule.field) and _is_other(rule, rules):
                config.mark(_KEYS, rule.theirs)
    _import_batch_size(conversion, source, config)
    ratio = source.get("warmup_ratio", int, float)
    if ratio is None or not ratio.value or source.value.get("warmup_steps") != 0:
        read_rules(conversion, source, config, (_WARMUP,))
    if source.value.get("save_strategy") in (None, "steps"):
        read_rules(conversion, source, config, (_SAVE_STEPS,))
    _import_precision(conversion, source, config)


def _is_other(rule: Rule, rules: Iterable[Rule]) -> bool:
    """Return whether the key is not the usual one of its field."""
    return next(each for each in rules if each.field == rule.field) is not rule


def _import_batch_size(conversion: Import, source: Source, config: Target) -> None:
    """Import the batch size: of one device, times the batches whose gradients are added up."""
    for key in _BATCH_SIZES:
        found = source.get(key, int)
        if found is None or found.value < 1:
            continue
        times = config.value.get("gradient_accumulation_steps", 1)
        if key == "batch_size" or times < 1:
            times = 1
        size = found.value * times
        reason = "the batch of a device, times the batches whose gradients are added up"
        config.put("batch_size", size, found, reason=reason if times > 1 else "")
        if times > 1:
            conversion.keep_original(found, reason)
        if key != _BATCH_SIZES[0]:
            config.mark(_KEYS, key)
        return


def _import_precision(conversion: Import, source: Source, config: Target) -> None:
    flags = [found for key in ("fp16", "bf16") if (found := source.get(key, bool)) is not None]
    if flags:
        value = any(each.value for each in flags)
        reason = "fp16 or bf16"
        config.put("mixed_precision", value, *flags, outcome=Outcome.CONVERTED, reason=reason)
        for each in flags:
            conversion.keep_original(each, reason)


def _import_state(
    conversion: Import, state: Source, run: Target, config: Target, arguments: Source | None
) -> None:
    read_rules(conversion, state, run, _STATE_RULES)
    if arguments is None:
        read_rules(conversion, state, config, _PLAN_RULES)
    elif _has_steps_from_state(arguments.value) and not config.has("epochs"):
        read_rules(conversion, state, config, _PLAN_RULES[1:])
    last, limit = double(state.value.get("global_step")), double(state.value.get("max_steps"))
    if last is not None and limit is not None and 0 < limit <= last:
        run.default("status", "completed", "global_step has reached max_steps")
    best = state.get("best_metric", int, float)
    wanted = arguments.value.get("metric_for_best_model") if arguments is not None else None
    name = _best_name(state.value, best.value, wanted) if best is not None else None
    if best is not None and name is not None:
        run.child("best_metrics").put(name, best.value, best)
    for row in state.items("log_history"):
        _import_row(row, run.append("metrics_history"))


def _has_steps_from_state(arguments: dict[str, Any]) -> bool:
    """Return whether the arguments leave the number of steps to the Trainer, as -1."""
    value = double(arguments.get("max_steps"))
    return value is not None and value < 1


def _best_name(state: dict[str, Any], best: object, wanted: object) -> str | None:
    """Return the name of the metric whose best value a state has without naming it.

    Args:
        state: The trainer state.
        best: The best value.
        wanted: The metric that the arguments name, if they are known.

    Returns:
        The metric of an evaluation that had the value; ``None`` if several had it, and the
        arguments name none of them.
    """
    rows = state.get("log_history")
    found = {
        key
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict)
        for key, value in row.items()
        if key.startswith("eval_") and double(value) is not None and value == best
    }
    named = found & {f"eval_{wanted}", str(wanted)}
    found = named or found
    return found.pop() if len(found) == 1 and double(best) is not None else None


def _is_step(number: float) -> bool:
    return number.is_integer() and 0 <= number <= _MAX_STEP


def _import_row(row: Source, snapshot: Target) -> None:
    values, others = snapshot.child("values"), snapshot.child("other_values")
    for key, found in row.fields():
        number = double(found.value)
        if found.value is None:
            continue
        if key == "step" and number is not None and _is_step(number):
            snapshot.put("step", int(number), found)
        elif key == "epoch" and number is not None and 0 <= number < math.inf:
            snapshot.put("epoch", number, found)
        elif number is not None and key not in ("step", "epoch"):
            values.put(key, number, found)
        else:
            others.put_opaque(key, found)


def export_config(conversion: Export) -> None:
    """Export a configuration as the JSON of TrainingArguments."""
    source, place = conversion.source, folder(conversion)
    _write_config(source, place.file(ARGUMENTS), place.kept(ARGUMENTS))
    place.restore()


def _write_config(
    source: Source, target: Target, rest: Source | None, left_out: Rule | None = None
) -> None:
    keys = _marked_keys(source, target)
    rules = [rule for rule in _chosen(_CONFIG_RULES, keys) if rule is not left_out]
    optimizer = source.get("optimizer", str)
    if optimizer is not None and optimizer.value == "adam" and rest is None:
        optimizer.drop("TrainingArguments have AdamW, and no Adam")
        rules.remove(_OPTIM)
    write_rules(source, target, rules)
    for key, group in (("model_ref", _MODEL_RULES), ("dataset_ref", _DATASET_RULES)):
        reference = source.get(key, dict)
        if reference is not None:
            write_rules(reference, target, _chosen(group, keys))
    _write_batch_size(source, target, rest, keys)
    write_rules(source, target, (_WARMUP, _SAVE_STEPS))
    mixed = source.get("mixed_precision", bool)
    if mixed is not None:
        _write_precision(mixed, target, rest)


def _marked_keys(source: Source, target: Target) -> set[str]:
    """Return the keys that were imported in place of the usual ones."""
    rest = source.rest()
    marked = rest.get(_KEYS, dict) if rest is not None else None
    if marked is None:
        return set()
    marked.use(Outcome.RENAMED, target.path)
    return set(marked.value)


def _chosen(rules: Iterable[Rule], keys: set[str]) -> Iterator[Rule]:
    """Yield a rule for each field: that of the key which was imported, else of the usual one."""
    by_field: dict[str, list[Rule]] = {}
    for rule in rules:
        by_field.setdefault(rule.field, []).append(rule)
    for group in by_field.values():
        yield next((rule for rule in group if rule.theirs in keys), group[0])


def _write_batch_size(source: Source, target: Target, rest: Source | None, keys: set[str]) -> None:
    size = source.get("batch_size", int)
    if size is None:
        return
    key = next((each for each in _BATCH_SIZES if each in keys), _BATCH_SIZES[0])
    times = source.value.get("gradient_accumulation_steps", 1)
    if key == "batch_size" or times < 1:
        times = 1
    kept = rest.get(key, int) if rest is not None else None
    if kept is not None and kept.value * times == size.value:
        target.put(key, kept.value, size)
    elif size.value % times == 0:
        reason = "the examples of a step, divided by the batches whose gradients are added up"
        target.put(key, size.value // times, size, reason=reason if times > 1 else "")


def _write_precision(mixed: Source, target: Target, rest: Source | None) -> None:
    flags = [rest.get(key, bool) for key in ("fp16", "bf16")] if rest is not None else []
    kept = [each for each in flags if each is not None]
    if kept and any(each.value for each in kept) is mixed.value:
        for each in kept:
            target.put(str(each.path[-1]), each.value, mixed)
        return
    target.put("bf16", mixed.value, mixed)
    if not mixed.value:
        for each in kept:
            target.value[str(each.path[-1])] = False


def export_run(conversion: Export) -> None:
    """Export a run as ``trainer_state.json``, with its arguments if both were imported."""
    source, place = conversion.source, folder(conversion)
    target = place.file(STATE)
    kept = place.kept(STATE)
    if source.items("metrics_history") or kept is None or "log_history" not in kept.value:
        target.value["log_history"] = []
    write_rules(source, target, _STATE_RULES)
    config = source.get("config", dict)
    if config is not None and place.has(ARGUMENTS):
        rest = config.rest()
        steps = config.get("max_steps", int)
        from_state = rest is not None and _has_steps_from_state(rest.value)
        if steps is not None and from_state:
            target.put("max_steps", steps.value, steps)
        arguments = place.file(ARGUMENTS)
        _write_config(config, arguments, rest, _MAX_STEPS if from_state else None)
        arguments.restore(rest)
    elif config is not None:
        write_rules(config, target, _PLAN_RULES)
    final = source.get("final_model_version", str)
    if final is not None and conversion.target.has("revision"):
        reason = "the name and the revision of the repository"
        final.use(Outcome.CONVERTED, ("revision",), reason=reason)
    best = source.entries("best_metrics")
    if len(best) == 1:
        target.put("best_metric", best[0][1].value, best[0][1])
    for snapshot in source.items("metrics_history"):
        _write_row(snapshot, target.append("log_history"))
    place.restore()


def _write_row(snapshot: Source, row: Target) -> None:
    for key in ("step", "epoch"):
        found = snapshot.get(key)
        if found is not None:
            row.put(key, found.value, found)
    for group in ("values", "other_values"):
        for key, found in snapshot.entries(group):
            if not row.has(key):
                row.put(key, found.value, found)

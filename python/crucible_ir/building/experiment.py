"""A fluent builder for experiments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, Unpack

from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.building.construct import construct, set_message
from crucible_ir.errors import FieldError
from crucible_ir.paths import format_path
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.validation.check import ensure_valid

if TYPE_CHECKING:
    from crucible_ir.building import constructors as fields


def experiment(id: str) -> ExperimentBuilder:
    """Start building an experiment.

    Args:
        id: Identifies the experiment within your namespace.

    >>> built = (
    ...     experiment("mmlu-eval")
    ...     .with_backend("openai_gpt4", options={"temperature": 0.2})
    ...     .with_dataset("mmlu", split="test")
    ...     .add_stage("inference")
    ...     .build()
    ... )
    >>> built.backend.profile
    'default'
    """
    return ExperimentBuilder(construct(v1.Experiment, {"id": id}))


class ExperimentBuilder:
    """Builds an experiment step by step: every method changes the builder and returns it.

    Methods copy the messages that they are given. Keyword arguments are the fields of the message;
    fields that are left out take their defaults from the schema, and ``None`` leaves a field unset.
    Every method raises `FieldError` for a name or value that the schema does not have; `build`
    checks the rules of the schema.
    """

    def __init__(self, message: v1.Experiment) -> None:
        self._message = v1.Experiment()
        self._message.CopyFrom(message)

    def copy(self) -> ExperimentBuilder:
        """Return an independent copy of the builder."""
        return ExperimentBuilder(self._message)

    def with_description(self, description: str) -> Self:
        """Describe the purpose of the experiment."""
        return self._set("description", description)

    def with_owner(self, owner: str) -> Self:
        """Set the person or team that is responsible for the experiment."""
        return self._set("owner", owner)

    def with_tags(self, *tags: str | Iterable[str]) -> Self:
        """Add labels, one by one or in lists."""
        made = v1.Experiment()
        for tag in tags:
            made.MergeFrom(
                construct(v1.Experiment, {"tags": [tag] if isinstance(tag, str) else tag})
            )
        self._message.MergeFrom(made)
        return self

    def with_metadata(self, metadata: fields.JsonObject | None = None, **items: object) -> Self:
        """Add metadata; a key that is given again replaces the earlier value."""
        parts = [construct(v1.Experiment, {"metadata": given}) for given in (metadata, items)]
        target = self._message.metadata
        target.SetInParent()
        for made in parts:
            for key, value in made.metadata.fields.items():
                target.fields[key].CopyFrom(value)
        return self

    def with_backend(
        self, backend: str | v1.BackendRef, /, **options: Unpack[fields.BackendRefFields]
    ) -> Self:
        """Set the backend under experiment, by id and fields or as a message."""
        return self._set("backend", _message(v1.BackendRef, "id", backend, options))

    def add_stage(
        self, stage: str | v1.StageDef, /, **options: Unpack[fields.StageDefFields]
    ) -> Self:
        """Add a stage at the end of the pipeline, by name and fields or as a message."""
        return self._extend("pipeline", [_message(v1.StageDef, "name", stage, options)])

    def with_dataset(
        self, dataset: str | v1.DatasetRef, /, **options: Unpack[fields.DatasetRefFields]
    ) -> Self:
        """Set the dataset, by name and fields or as a message."""
        return self._set("dataset", _message(v1.DatasetRef, "name", dataset, options))

    def with_ensemble(
        self,
        ensemble: fields.EnsembleStrategyName | v1.Ensemble | None = None,
        /,
        **options: Unpack[fields.EnsembleFields],
    ) -> Self:
        """Query several models, by strategy and fields or as a message."""
        return self._reliability("ensemble", _message(v1.Ensemble, "strategy", ensemble, options))

    def with_hedging(
        self,
        hedging: fields.HedgingStrategyName | v1.Hedging | None = None,
        /,
        **options: Unpack[fields.HedgingFields],
    ) -> Self:
        """Repeat slow requests, by strategy and fields or as a message."""
        return self._reliability("hedging", _message(v1.Hedging, "strategy", hedging, options))

    def with_stats(
        self, stats: v1.Stats | None = None, /, **options: Unpack[fields.StatsFields]
    ) -> Self:
        """Set the statistical tests."""
        return self._reliability("stats", _message(v1.Stats, None, stats, options))

    def with_fairness(
        self, fairness: v1.Fairness | None = None, /, **options: Unpack[fields.FairnessFields]
    ) -> Self:
        """Set the fairness metrics; they are enabled unless ``enabled`` says otherwise."""
        if fairness is None:
            options.setdefault("enabled", True)
        return self._reliability("fairness", _message(v1.Fairness, None, fairness, options))

    def with_guardrails(
        self, guardrails: v1.Guardrail | None = None, /, **options: Unpack[fields.GuardrailFields]
    ) -> Self:
        """Set the checks on inputs and outputs."""
        return self._reliability("guardrails", _message(v1.Guardrail, None, guardrails, options))

    def with_feedback_config(
        self,
        config: v1.FeedbackConfig | None = None,
        /,
        **options: Unpack[fields.FeedbackConfigFields],
    ) -> Self:
        """Set how feedback is collected; it is enabled unless ``enabled`` says otherwise."""
        if config is None:
            options.setdefault("enabled", True)
        return self._reliability("feedback", _message(v1.FeedbackConfig, None, config, options))

    def add_output(
        self, output: str | v1.OutputSpec, /, **options: Unpack[fields.OutputSpecFields]
    ) -> Self:
        """Add a report to write, by name and fields or as a message."""
        return self._extend("outputs", [_message(v1.OutputSpec, "name", output, options)])

    def with_experiment_type(
        self, experiment_type: fields.ExperimentTypeName | v1.ExperimentType | str
    ) -> Self:
        """Set the type of experiment; a name outside the vocabulary is stored as custom."""
        self._message.ClearField("experiment_type")
        self._message.ClearField("custom_experiment_type")
        made = construct(v1.Experiment, {"experiment_type": experiment_type})
        self._message.MergeFrom(made)
        return self

    def with_model_version(
        self,
        version: str | v1.ModelVersion,
        /,
        **options: Unpack[fields.ModelVersionFields],
    ) -> Self:
        """Set the model version under evaluation, by id and fields or as a message."""
        return self._set("model_version", _message(v1.ModelVersion, "id", version, options))

    def with_training_config(
        self,
        config: str | v1.TrainingConfig,
        /,
        **options: Unpack[fields.TrainingConfigFields],
    ) -> Self:
        """Set how to train, by id and fields or as a message."""
        return self._set("training_config", _message(v1.TrainingConfig, "id", config, options))

    def with_baseline(
        self, baseline: str | v1.ModelRef, /, **options: Unpack[fields.ModelRefFields]
    ) -> Self:
        """Set the model to compare with, by id and fields or as a message."""
        return self._set("baseline", _message(v1.ModelRef, "id", baseline, options))

    def build(self) -> v1.Experiment:
        """Return the experiment; the builder stays usable.

        Raises:
            ValidationError: The experiment breaks rules of the schema; the error lists them all.
        """
        built = v1.Experiment()
        built.CopyFrom(self._message)
        return ensure_valid(built)

    def _set(self, field: str, value: object) -> Self:
        made = construct(v1.Experiment, {field: value})
        self._message.ClearField(field)
        self._message.MergeFrom(made)
        return self

    def _extend(self, field: str, values: Iterable[object]) -> Self:
        self._message.MergeFrom(construct(v1.Experiment, {field: values}))
        return self

    def _reliability(self, field: str, value: Message) -> Self:
        made = construct(v1.Experiment, {"reliability": {field: value}})
        self._message.reliability.ClearField(field)
        self._message.MergeFrom(made)
        return self


def _message(
    type_: type[Message], key: str | None, value: object, options: Mapping[str, Any]
) -> Message:
    """Return a copy of a message, or a new one from the value of its main field and its others."""
    if isinstance(value, Message):
        if options:
            names = ", ".join(options)
            reason = f"give either a message or fields, not both: {names}"
            raise FieldError(reason, path=type_.DESCRIPTOR.name)
        made = type_()
        try:
            set_message(made, value)
        except ConversionError as error:
            path = format_path((type_.DESCRIPTOR.name, *error.parts))
            raise FieldError(error.reason, path=path) from None
        return made
    if value is None:
        return construct(type_, options)
    if key is None:
        wanted = f"expected a {type_.DESCRIPTOR.full_name} or fields by name"
        raise FieldError(f"{wanted}, got {type(value).__name__}", path=type_.DESCRIPTOR.name)
    if key in options:
        raise FieldError("given twice", path=f"{type_.DESCRIPTOR.name}.{key}")
    return construct(type_, {key: value, **options})

"""A fluent builder for experiments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, Unpack, overload

from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.building.construct import Place, construct, set_message
from crucible_ir.errors import FieldError
from crucible_ir.paths import format_path
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.validation.check import ensure_valid

if TYPE_CHECKING:
    from crucible_ir.building import constructors as fields

#: The most bytes of an id.
_MAX_ID_BYTES = 512


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
    return ExperimentBuilder(_part({"id": id}))


class ExperimentBuilder:
    """Builds an experiment step by step: every method changes the builder and returns it.

    Methods copy the messages that they are given. Keyword arguments are the fields of the message;
    fields that are left out take their defaults from the schema, and ``None`` leaves a field unset.
    Every method raises `FieldError` for a name or value that the schema does not have, and for a
    part without its required fields; `build` checks the rules of the schema.

    >>> started = ExperimentBuilder(v1.Experiment(id="mmlu")).with_backend("gpt4")
    >>> started.add_stage("run").build().id
    'mmlu'
    """

    def __init__(self, message: v1.Experiment) -> None:
        self._message = v1.Experiment()
        self._message.CopyFrom(message)

    def copy(self) -> ExperimentBuilder:
        """Return an independent copy of the builder.

        >>> base = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> large = base.copy().with_backend("llama")
        >>> base.build().backend.id, large.build().backend.id
        ('gpt4', 'llama')
        """
        return ExperimentBuilder(self._message)

    def with_description(self, description: str) -> Self:
        """Describe the purpose of the experiment.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> builder.with_description("A baseline").build().description
        'A baseline'
        """
        return self._set("description", description)

    def with_owner(self, owner: str) -> Self:
        """Set the person or team that is responsible for the experiment.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> builder.with_owner("evals").build().owner
        'evals'
        """
        return self._set("owner", owner)

    def with_tags(self, *tags: str | Iterable[str]) -> Self:
        """Add labels, one by one or in lists.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> list(builder.with_tags("nightly", ["gpu", "small"]).build().tags)
        ['nightly', 'gpu', 'small']
        """
        made = v1.Experiment()
        for tag in tags:
            made.MergeFrom(_part({"tags": [tag] if isinstance(tag, str) else tag}))
        self._message.MergeFrom(made)
        return self

    def with_metadata(self, metadata: fields.JsonObject | None = None, **items: object) -> Self:
        """Add metadata; a key that is given again replaces the earlier value.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> built = builder.with_metadata({"team": "evals"}, priority="high").build()
        >>> built.metadata["team"], built.metadata["priority"]
        ('evals', 'high')
        """
        parts = [_part({"metadata": given}) for given in (metadata, items)]
        target = self._message.metadata
        target.SetInParent()
        for made in parts:
            for key, value in made.metadata.fields.items():
                target.fields[key].CopyFrom(value)
        return self

    def with_backend(
        self, backend: str | v1.BackendRef, /, **options: Unpack[fields.BackendRefFields]
    ) -> Self:
        """Set the backend under experiment, by id and fields or as a message.

        >>> built = experiment("mmlu").with_backend("gpt4", profile="fast").add_stage("run").build()
        >>> built.backend.id, built.backend.profile
        ('gpt4', 'fast')
        """
        return self._set("backend", _message(v1.BackendRef, "id", backend, options))

    def add_stage(
        self, stage: str | v1.StageDef, /, **options: Unpack[fields.StageDefFields]
    ) -> Self:
        """Add a stage at the end of the pipeline, by name and fields or as a message.

        >>> builder = experiment("mmlu").with_backend("gpt4")
        >>> built = builder.add_stage("run").add_stage("score", enabled=False).build()
        >>> [(stage.name, stage.enabled) for stage in built.pipeline]
        [('run', True), ('score', False)]
        """
        return self._extend("pipeline", [_message(v1.StageDef, "name", stage, options)])

    def with_dataset(
        self, dataset: str | v1.DatasetRef, /, **options: Unpack[fields.DatasetRefFields]
    ) -> Self:
        """Set the dataset, by name and fields or as a message.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> built = builder.with_dataset("mmlu", subset="anatomy", split="test").build()
        >>> built.dataset.name, built.dataset.subset
        ('mmlu', 'anatomy')
        """
        return self._set("dataset", _message(v1.DatasetRef, "name", dataset, options))

    def with_ensemble(
        self,
        ensemble: fields.EnsembleStrategyName | v1.Ensemble | None = None,
        /,
        **options: Unpack[fields.EnsembleFields],
    ) -> Self:
        """Query several models, by strategy and fields or as a message.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> built = builder.with_ensemble("majority", models=["gpt4", "claude"]).build()
        >>> list(built.reliability.ensemble.models)
        ['gpt4', 'claude']
        """
        return self._reliability("ensemble", _message(v1.Ensemble, "strategy", ensemble, options))

    def with_hedging(
        self,
        hedging: fields.HedgingStrategyName | v1.Hedging | None = None,
        /,
        **options: Unpack[fields.HedgingFields],
    ) -> Self:
        """Repeat slow requests, by strategy and fields or as a message.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> built = builder.with_hedging("percentile", percentile=0.95).build()
        >>> built.reliability.hedging.percentile
        0.95
        """
        return self._reliability("hedging", _message(v1.Hedging, "strategy", hedging, options))

    def with_stats(
        self,
        stats: (
            v1.Stats
            | Iterable[fields.StatisticalTestName | v1.StatisticalTest]
            | list[str]
            | tuple[str, ...]
            | None
        ) = None,
        /,
        **options: Unpack[fields.StatsFields],
    ) -> Self:
        """Set the statistical tests, by their names and other fields or as a message.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> stats = builder.with_stats(["ttest"], alpha=0.01).build().reliability.stats
        >>> list(stats.tests) == [v1.StatisticalTest.STATISTICAL_TEST_TTEST], stats.alpha
        (True, 0.01)
        """
        return self._reliability("stats", _message(v1.Stats, "tests", stats, options))

    def with_fairness(
        self, fairness: v1.Fairness | None = None, /, **options: Unpack[fields.FairnessFields]
    ) -> Self:
        """Set the fairness metrics; they are enabled unless ``enabled`` says otherwise.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> fairness = builder.with_fairness(threshold=0.8).build().reliability.fairness
        >>> fairness.enabled, fairness.threshold
        (True, 0.8)
        """
        if fairness is None:
            options.setdefault("enabled", True)
        return self._reliability("fairness", _message(v1.Fairness, None, fairness, options))

    def with_guardrails(
        self, guardrails: v1.Guardrail | None = None, /, **options: Unpack[fields.GuardrailFields]
    ) -> Self:
        """Set the checks on inputs and outputs.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> builder.with_guardrails(pii_detection=True).build().reliability.guardrails.pii_detection
        True
        """
        return self._reliability("guardrails", _message(v1.Guardrail, None, guardrails, options))

    def with_feedback_config(
        self,
        config: v1.FeedbackConfig | None = None,
        /,
        **options: Unpack[fields.FeedbackConfigFields],
    ) -> Self:
        """Set how feedback is collected; it is enabled unless ``enabled`` says otherwise.

        `with_feedback` is another name of this method.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> feedback = builder.with_feedback(sampling_rate=0.1).build().reliability.feedback
        >>> feedback.enabled, feedback.sampling_rate
        (True, 0.1)
        """
        if config is None:
            options.setdefault("enabled", True)
        return self._reliability("feedback", _message(v1.FeedbackConfig, None, config, options))

    with_feedback = with_feedback_config

    def add_output(
        self, output: str | v1.OutputSpec, /, **options: Unpack[fields.OutputSpecFields]
    ) -> Self:
        """Add a report to write, by name and fields or as a message.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> built = builder.add_output("report", formats=["html"]).build()
        >>> [output.name for output in built.outputs]
        ['report']
        """
        return self._extend("outputs", [_message(v1.OutputSpec, "name", output, options)])

    def with_experiment_type(
        self, experiment_type: fields.ExperimentTypeName | v1.ExperimentType | str
    ) -> Self:
        """Set the type of experiment; a name outside the vocabulary is stored as custom.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> builder.with_experiment_type("red_teaming").build().custom_experiment_type
        'red_teaming'
        """
        self._message.ClearField("experiment_type")
        self._message.ClearField("custom_experiment_type")
        made = _part({"experiment_type": experiment_type})
        self._message.MergeFrom(made)
        return self

    @overload
    def with_model_version(self, version: v1.ModelVersion, /) -> Self: ...
    @overload
    def with_model_version(
        self,
        version_id: str,
        /,
        *,
        model_id: str,
        version: str,
        **options: Unpack[fields.ModelVersionOptionalFields],
    ) -> Self: ...
    @overload
    def with_model_version(
        self,
        model_id: str,
        version: str,
        /,
        *,
        id: str | None = None,
        **options: Unpack[fields.ModelVersionOptionalFields],
    ) -> Self: ...
    @overload
    def with_model_version(
        self,
        *,
        model_id: str,
        version: str,
        id: str | None = None,
        **options: Unpack[fields.ModelVersionOptionalFields],
    ) -> Self: ...
    def with_model_version(
        self,
        *args: Any,
        **options: Any,
    ) -> Self:
        """Set the model version under evaluation, by model and version, by id, or as a message.

        Args:
            *args: The id of the model and the version number; or the id of the version; or the
                message.
            **options: The other fields. Without an id, it is made of the model's id and the version
                number.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> builder.with_model_version("gpt2", "1.0.0").build().model_version.id
        'gpt2_1_0_0'
        >>> version = builder.with_model_version("v1", model_id="gpt2", version="1.0.0")
        >>> version.build().model_version.id
        'v1'
        """
        if len(args) > 2:
            raise FieldError("expected at most a model id and a version", path="ModelVersion")
        if len(args) == 2:
            _ensure_new(v1.ModelVersion, ("model_id", "version"), options)
            options = {**dict(zip(("model_id", "version"), args, strict=True)), **options}
        first = args[0] if len(args) == 1 else None
        if first is None and options.get("id") is None:
            model_id, version = (options.get(name) for name in ("model_id", "version"))
            if isinstance(model_id, str) and isinstance(version, str):
                options["id"] = _id(f"{model_id}_{version.replace('.', '_')}")
        fix = "; write with_model_version(model_id, version) or give both by name"
        return self._set("model_version", _message(v1.ModelVersion, "id", first, options, fix))

    def with_training_config(
        self,
        config: str | v1.TrainingConfig | None = None,
        /,
        **options: Unpack[fields.TrainingConfigFields],
    ) -> Self:
        """Set how to train, by fields or as a message.

        Args:
            config: The id, or the message. Without it the id is made of the experiment's id.
            **options: The fields.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> built = builder.with_training_config(
        ...     model_ref={"id": "gpt2"}, dataset_ref={"name": "wikitext"}, epochs=3
        ... ).build()
        >>> built.training_config.id, built.training_config.epochs
        ('train_mmlu', 3)
        """
        if config is None and options.get("id") is None:
            options["id"] = _id(f"train_{self._message.id}")
        return self._set("training_config", _message(v1.TrainingConfig, "id", config, options))

    def with_baseline(
        self, baseline: str | v1.ModelRef, /, **options: Unpack[fields.ModelRefFields]
    ) -> Self:
        """Set the model to compare with, by id and fields or as a message.

        >>> builder = experiment("mmlu").with_backend("gpt4").add_stage("run")
        >>> builder.with_baseline("gpt2", version="1.0.0").build().baseline.version
        '1.0.0'
        """
        return self._set("baseline", _message(v1.ModelRef, "id", baseline, options))

    def build(self) -> v1.Experiment:
        """Return the experiment; the builder stays usable.

        Raises:
            ValidationError: The experiment breaks rules of the schema; the error lists them all.

        >>> experiment("mmlu").with_backend("gpt4").add_stage("run").build().id
        'mmlu'
        >>> experiment("mmlu").build()
        Traceback (most recent call last):
            ...
        crucible_ir.errors.ValidationError: crucible_ir.v1.Experiment: 2 violations
          backend: must be set [required]
          pipeline: must contain at least 1 item(s) [repeated.min_items]
        """
        built = v1.Experiment()
        built.CopyFrom(self._message)
        return ensure_valid(built)

    def _set(self, field: str, value: object) -> Self:
        made = _part({field: value})
        self._message.ClearField(field)
        self._message.MergeFrom(made)
        return self

    def _extend(self, field: str, values: Iterable[object]) -> Self:
        self._message.MergeFrom(_part({field: values}))
        return self

    def _reliability(self, field: str, value: Message) -> Self:
        made = _part({"reliability": {field: value}})
        self._message.reliability.ClearField(field)
        self._message.MergeFrom(made)
        return self


def _part(given: Mapping[str, object]) -> v1.Experiment:
    """Return an unfinished experiment."""
    return construct(v1.Experiment, given, partial=True)


def _id(text: str) -> str:
    """Return an id, cut after a whole character if it is too long."""
    return text.encode(errors="replace")[:_MAX_ID_BYTES].decode(errors="ignore")


def _ensure_new(type_: type[Message], names: Iterable[str], options: Mapping[str, Any]) -> None:
    for name in names:
        if name in options:
            raise FieldError("given twice", path=f"{type_.DESCRIPTOR.name}.{name}")


def _message(
    type_: type[Message],
    key: str | None,
    value: object,
    options: Mapping[str, Any],
    fix: str = "",
) -> Message:
    """Return a copy of a message, or a new one from the value of its main field and its others."""
    if isinstance(value, Message):
        if options:
            names = ", ".join(options)
            reason = f"give either a message or fields, not both: {names}"
            raise FieldError(reason, path=type_.DESCRIPTOR.name)
        made = type_()
        try:
            set_message(made, value, Place(0, (), []))
        except ConversionError as error:
            path = format_path((type_.DESCRIPTOR.name, *error.parts))
            raise FieldError(error.reason, path=path) from None
        return made
    if value is None:
        return construct(type_, options, fix=fix)
    if key is None:
        wanted = f"expected a {type_.DESCRIPTOR.full_name} or fields by name"
        raise FieldError(f"{wanted}, got {type(value).__name__}", path=type_.DESCRIPTOR.name)
    _ensure_new(type_, [key], options)
    return construct(type_, {key: value, **options}, fix=fix)

"""Documents that contradict each other or refer to what is not there."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from interchange.bundle.archives import bundle_of, problems

from crucible_ir import v1
from crucible_ir.interchange.bundle.consistency import inconsistencies
from crucible_ir.interchange.bundle.graph import ReferenceGraph
from crucible_ir.schema.references import DocumentKey, identity_of

Stage = v1.ModelStage


def model(id_: str = "m", **aliases: str) -> v1.ModelRef:
    return v1.ModelRef(id=id_, aliases=aliases)


def version(
    id_: str, number: str = "1.0.0", model_id: str = "m", parent: str = "", **fields: object
) -> v1.ModelVersion:
    made = v1.ModelVersion(id=id_, model_id=model_id, version=number, **fields)  # type: ignore[arg-type]
    if parent:
        made.parent_version = parent
    return made


def found(*messages: Message) -> list[str]:
    return problems(bundle_of(*messages))


def test_a_reference_to_nothing_is_dangling_with_its_path() -> None:
    source = v1.ModelSource(model_version_id="gone")
    here = v1.ModelSource(model_version_id="b")
    assert found(
        model(champion="x"), version("a", sources=[here, source]), version("b", "2.0.0")
    ) == [
        "ModelRef/m: aliases[\"champion\"]: no ModelVersion 'x' in the bundle [bundle.dangling]",
        "ModelVersion/a: sources[1].model_version_id: no ModelVersion 'gone' in the bundle"
        " [bundle.dangling]",
    ]


def test_a_copy_in_another_document_is_enough() -> None:
    config = v1.TrainingConfig(id="c", model_ref=model(), dataset_ref=v1.DatasetRef(name="d"))
    assert found(config, version("a")) == []


def test_a_reference_in_a_copy_has_the_path_in_the_document() -> None:
    experiment = v1.Experiment(
        id="e",
        backend=v1.BackendRef(id="b", deployment_id="d"),
        pipeline=[v1.StageDef(name="s")],
    )
    assert found(experiment) == [
        "Experiment/e: backend.deployment_id: no DeploymentConfig 'd' in the bundle"
        " [bundle.dangling]"
    ]
    # What a document says about itself counts, and not its copies.
    assert found(experiment, v1.BackendRef(id="b")) == []


def test_a_parent_by_version_is_that_of_the_same_model() -> None:
    one = version("a", "1.0.0")
    two = version("b", "2.0.0", parent="1.0.0")
    other = version("c", "1.0.0", model_id="n")
    assert found(model(), one, two, model("n"), other) == []
    assert found(model(), two, model("n"), other) == [
        "ModelVersion/b: parent_version: no ModelVersion '1.0.0' in the bundle, and no version"
        " '1.0.0' of the model 'm' [bundle.dangling]"
    ]


def test_a_version_that_several_documents_have_is_ambiguous() -> None:
    first, second, *others = found(
        model(), version("a"), version("b"), version("c", "2.0.0", parent="1.0.0")
    )
    assert first == (
        "ModelVersion/b: version: ModelVersion/a is version 1.0.0 of 'm' as well [bundle.version]"
    )
    assert second == (
        "ModelVersion/c: parent_version: several documents have the version '1.0.0' of the model"
        " 'm': ModelVersion/a, ModelVersion/b [bundle.ambiguous]"
    )
    assert others == []


def test_a_version_in_an_event_is_that_of_the_deployment() -> None:
    deployment = v1.DeploymentConfig(id="d", model_version_id="a")
    event = v1.FeedbackEvent(id="e", deployment_id="d", model_version="2.0.0")
    both = (model(), version("a"), version("b", "2.0.0"))
    assert found(*both, deployment, event) == []
    assert found(model(), version("a"), deployment, event) == [
        "FeedbackEvent/e: model_version: no ModelVersion '2.0.0' in the bundle, and no version"
        " '2.0.0' of the deployment 'd' [bundle.dangling]"
    ]
    # Without a deployment nothing is guessed.
    event.ClearField("deployment_id")
    assert found(*both, event) == [
        "FeedbackEvent/e: model_version: no ModelVersion '2.0.0' in the bundle; ModelVersion/b has"
        " this version [bundle.dangling]"
    ]


def test_two_versions_in_production_are_a_conflict() -> None:
    versions = [
        version(f"v{number}", f"{number}.0.0", stage=Stage.MODEL_STAGE_PRODUCTION)
        for number in (1, 2, 3)
    ]
    other = version("n1", model_id="n", stage=Stage.MODEL_STAGE_PRODUCTION)
    assert found(model(), model("n"), *versions, other) == [
        f"ModelVersion/v{number}: stage: ModelVersion/v1 of 'm' is in production as well"
        " [bundle.stage]"
        for number in (2, 3)
    ]


def test_an_alias_of_another_models_version_is_wrong() -> None:
    assert found(
        model(good="a", bad="b"), version("a"), version("b", model_id="n"), model("n")
    ) == ["ModelRef/m: aliases[\"bad\"]: ModelVersion/b is a version of 'n' [bundle.alias]"]


def test_parents_sources_and_fallbacks_in_a_circle_are_a_cycle() -> None:
    source = v1.ModelSource(model_version_id="a")
    assert found(
        model(),
        version("a", "1.0.0", parent="b"),
        version("b", "2.0.0", parent="c"),
        version("c", "3.0.0", sources=[source]),
        version("d", "4.0.0", parent="c"),
    ) == [
        "ModelVersion/a: parent_version: the references form a cycle: ModelVersion/a ->"
        " ModelVersion/b -> ModelVersion/c -> ModelVersion/a [bundle.cycle]"
    ]
    backend = v1.BackendRef(id="x", fallback=v1.BackendRef(id="y", fallback=v1.BackendRef(id="x")))
    assert found(backend) == [
        "BackendRef/x: fallback: the references form a cycle: BackendRef/x -> BackendRef/y ->"
        " BackendRef/x [bundle.cycle]"
    ]
    event = v1.FeedbackEvent(id="e", supersedes="e")
    assert found(event) == [
        "FeedbackEvent/e: supersedes: the references form a cycle: FeedbackEvent/e ->"
        " FeedbackEvent/e [bundle.cycle]"
    ]


def test_a_cycle_through_a_version_is_found() -> None:
    assert found(
        model(), version("a", "1.0.0", parent="2.0.0"), version("b", "2.0.0", parent="a")
    ) == [
        "ModelVersion/a: parent_version: the references form a cycle: ModelVersion/a ->"
        " ModelVersion/b -> ModelVersion/a [bundle.cycle]"
    ]


@pytest.mark.parametrize("length", [7, 20_000])
def test_a_long_chain_is_no_cycle_and_a_long_cycle_is_one(length: int) -> None:
    chain = [v1.FeedbackEvent(id=f"{n:05}", supersedes=f"{n + 1:05}") for n in range(length)]
    end = v1.FeedbackEvent(id=f"{length:05}")
    assert graph_of([*chain, end]) == []
    end.supersedes = "00000"
    [problem] = graph_of([*chain, end])
    assert problem.startswith("FeedbackEvent/00000: supersedes: the references form a cycle: ")
    assert problem.endswith(
        f"FeedbackEvent/00004 -> {length - 4} more -> FeedbackEvent/00000 [bundle.cycle]"
    )


def graph_of(messages: list[v1.FeedbackEvent]) -> list[str]:
    graph = ReferenceGraph()
    for message in messages:
        graph.add(DocumentKey("FeedbackEvent", identity_of(message) or ""), message)
    return [str(finding) for finding in inconsistencies(graph)]


def test_many_references_by_version_take_linear_time() -> None:
    graph = ReferenceGraph()
    for number in range(5_000):
        id_ = f"v{number:05}"
        graph.add(DocumentKey("ModelVersion", id_), version(id_, parent="1.0.0"))
    ambiguous = [each for each in inconsistencies(graph) if each.rule == "bundle.ambiguous"]
    assert len(ambiguous) == 5_000
    assert ambiguous[0].message.endswith("ModelVersion/v00005 and 5 more")

"""Bundles from an exchange and to one, with a real server."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from cli.command_line import run
from effort import examples
from exchange.client.served import Served
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crucible_ir import v1
from crucible_ir.errors import FieldError
from crucible_ir.exchange import ExchangeClient, NotFoundError
from crucible_ir.interchange.bundle import Bundle, DocumentKey, DocumentSet, write_bundle
from crucible_ir.interchange.bundle import exchange as bundle_exchange
from crucible_ir.interchange.bundle.exchange import closure_from_exchange


@pytest.fixture(autouse=True)
def environment(shared: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", shared.address)
    monkeypatch.delenv("CRUCIBLE_IR_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def m() -> str:
    """A prefix of the ids of a test."""
    return f"{uuid.uuid4()}_"


def version(prefix: str, id_: str, number: str, **fields: str) -> v1.ModelVersion:
    return v1.ModelVersion(
        id=prefix + id_,
        model_id=prefix + "model",
        version=number,
        **fields,  # type: ignore[arg-type]
    )


def keys(documents: DocumentSet, prefix: str) -> set[str]:
    return {str(key).replace(prefix, "") for key in documents.keys}


def publish(client: ExchangeClient, *messages: Message) -> None:
    for message in messages:
        client.publish(message)


def test_the_closure_is_what_the_exchange_traces(client: ExchangeClient, m: str) -> None:
    publish(
        client,
        v1.ModelRef(id=m + "model"),
        version(m, "a", "1.0.0"),
        version(m, "b", "2.0.0", parent_version="1.0.0", training_run_id=m + "gone"),
        version(m, "c", "3.0.0"),
        v1.DeploymentConfig(id=m + "d", model_version_id=m + "a"),
    )
    client.ingest([v1.FeedbackEvent(id=m + "e", deployment_id=m + "d", model_version="2.0.0")])
    start = DocumentKey("FeedbackEvent", m + "e")
    documents, findings = closure_from_exchange(client, [start])
    assert keys(documents, m) == {
        "FeedbackEvent/e",
        "DeploymentConfig/d",
        "ModelVersion/a",
        "ModelVersion/b",
        "ModelRef/model",
    }
    assert [str(each).replace(m, "") for each in findings] == [
        "ModelVersion/b: training_run_id: TrainingRun/gone is missing in the exchange"
        " [bundle.dangling]"
    ]


def test_an_ambiguous_version_is_not_followed_and_is_reported(
    client: ExchangeClient, m: str
) -> None:
    publish(
        client,
        v1.ModelRef(id=m + "model"),
        version(m, "a", "1.0.0"),
        version(m, "b", "1.0.0"),
        version(m, "c", "2.0.0", parent_version="1.0.0"),
    )
    documents, findings = closure_from_exchange(client, [DocumentKey("ModelVersion", m + "c")])
    assert keys(documents, m) == {"ModelVersion/c", "ModelRef/model"}
    assert [str(each).replace(m, "") for each in findings] == [
        "ModelVersion/c: parent_version: ModelVersion/1.0.0 is ambiguous in the exchange:"
        " ModelVersion/a, ModelVersion/b [bundle.ambiguous]"
    ]


def test_deleted_documents_and_copies_elsewhere_are_reported(
    client: ExchangeClient, m: str
) -> None:
    publish(
        client,
        v1.TrainingRun(
            id=m + "run",
            config=v1.TrainingConfig(
                id=m + "config",
                model_ref=v1.ModelRef(id=m + "model"),
                dataset_ref=v1.DatasetRef(name=m + "data"),
            ),
        ),
        version(m, "a", "1.0.0"),
        version(m, "b", "2.0.0", parent_version=m + "a"),
    )
    client.delete(v1.ModelVersion, m + "a")
    start = DocumentKey("ModelVersion", m + "b")
    _, findings = closure_from_exchange(client, [start])
    assert [str(each).replace(m, "") for each in findings] == [
        "ModelVersion/b: model_id: the exchange has only a copy of ModelRef/model, in a document"
        " outside the bundle [bundle.dangling]",
        "ModelVersion/b: parent_version: ModelVersion/a is deleted in the exchange"
        " [bundle.dangling]",
    ]
    both = [start, DocumentKey("TrainingRun", m + "run")]
    _, findings = closure_from_exchange(client, both)
    assert [finding.path for finding in findings] == ["parent_version"]
    with pytest.raises(FieldError, match="it is embedded"):
        closure_from_exchange(client, [DocumentKey("ModelRef", m + "model")])
    with pytest.raises(NotFoundError):
        closure_from_exchange(client, [DocumentKey("ModelRef", m + "nothing")])


def test_a_lineage_beyond_the_limits_of_a_trace_is_complete(
    client: ExchangeClient, m: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_exchange, "_MAX_DEPTH", 3)
    publish(client, v1.ModelRef(id=m + "model"), version(m, "0", "1.0.0"))
    for number in range(1, 12):
        parent = m + str(number - 1)
        publish(client, version(m, str(number), f"{number}.0.0", parent_version=parent))
    start = DocumentKey("ModelVersion", m + "11")
    documents, findings = closure_from_exchange(client, [start])
    assert (len(documents), findings) == (13, [])


def test_feedback_events_are_found_with_and_without_a_deployment(
    client: ExchangeClient, m: str
) -> None:
    events = [v1.FeedbackEvent(id=f"{m}{n}", supersedes=f"{m}{n - 1}") for n in range(1, 4)]
    events.append(v1.FeedbackEvent(id=m + "0", deployment_id=m + "d"))
    client.ingest(events)
    documents, _ = closure_from_exchange(client, [DocumentKey("FeedbackEvent", m + "3")])
    assert keys(documents, m) == {f"FeedbackEvent/{n}" for n in range(4)}


def test_create_from_an_exchange_and_publish_to_it(client: ExchangeClient, m: str) -> None:
    publish(client, v1.ModelRef(id=m + "model"), version(m, "a", "1.0.0"))
    client.publish(
        v1.Prompt(messages=[v1.Message(role="MESSAGE_ROLE_USER", text="hi")]), id=m + "p"
    )
    client.ingest([v1.FeedbackEvent(id=m + "e", request_id=m + "p", model_version=m + "a")])
    closure = ("--closure", f"FeedbackEvent/{m}e")
    created = run("bundle", "create", *closure, "-o", "a.crucible.zip")
    assert (created.status, created.err) == (0, "")
    assert created.out == "a.crucible.zip: 4 documents\n"
    assert run("bundle", "check", "a.crucible.zip").status == 0
    again = run("bundle", "create", *closure, "-o", "b.crucible.zip")
    assert again.status == 0
    assert Path("a.crucible.zip").read_bytes() == Path("b.crucible.zip").read_bytes()
    published = run("publish", "a.crucible.zip")
    assert published.status == 0
    assert published.lines[-2:] == [
        "feedback events: 0 accepted, 1 duplicate",
        "4 documents: 0 stored, 4 unchanged, 0 rejected",
    ]
    client.delete("Prompt", m + "p")
    published = run("publish", "--format", "json", "a.crucible.zip")
    assert published.status == 0
    report = json.loads(published.out)
    assert report["summary"] == {"stored": 1, "unchanged": 3, "rejected": 0, "unreadable": 0}
    assert report["events"] == {"accepted": 0, "duplicates": 1, "refused": 0}
    assert client.get("Prompt", m + "p").record.revision == 3
    assert run("publish", "--validate-only", "a.crucible.zip").status == 0


def test_a_document_of_a_newer_schema_is_named(client: ExchangeClient, m: str) -> None:
    model = v1.ModelRef(id=m + "model")
    client.publish(v1.ModelRef.FromString(model.SerializeToString() + b"\xf8\x07\x01"))
    key = f"ModelRef/{m}model"
    result = run("bundle", "create", "--closure", key, "-o", "a.crucible.zip")
    assert result.status == 1
    assert f"crucible-ir: {key}: unknown field" in result.err
    assert not Path("a.crucible.zip").exists()


def test_documents_that_the_exchange_does_not_have_are_errors(m: str) -> None:
    result = run("bundle", "create", "--closure", f"ModelRef/{m}", "-o", "a.crucible.zip")
    assert result.status == 1
    assert "was never published" in result.err
    assert not Path("a.crucible.zip").exists()
    unreachable = ("--server", "127.0.0.1:1", "--closure", "ModelRef/m", "-o", "a.crucible.zip")
    assert run("bundle", "create", *unreachable).status == 2


def test_a_bundle_that_is_not_whole_is_not_published(client: ExchangeClient, m: str) -> None:
    documents = DocumentSet()
    documents.add(v1.ModelRef(id=m + "1"))
    documents.add(v1.ModelRef(id=m + "2"))
    file = io.BytesIO()
    entries = write_bundle(file, documents)
    data = file.getvalue()
    with Bundle(file) as bundle:
        assert [entry.path for entry in bundle.entries] == [entry.path for entry in entries]
    # The id of the last document, in its own text.
    at = data.rindex(f'"{m}2"'.encode())
    Path("a.crucible.zip").write_bytes(data[: at + 1] + b"X" + data[at + 2 :])
    result = run("publish", "a.crucible.zip")
    assert result.status == 1
    assert "[bundle.archive]" in result.err
    with pytest.raises(NotFoundError):
        client.get("ModelRef", m + "1")
    missing = run("publish", "gone.crucible.zip")
    assert missing.status == 2
    assert "gone.crucible.zip: cannot be read: no such file" in missing.err
    single = run("publish", "--id", "x", "a.crucible.zip")
    assert "--id and --etag require a single document" in single.err


def test_the_limits_on_a_bundle_are_options_of_publish(m: str) -> None:
    documents = DocumentSet()
    for number in range(40):
        documents.add(v1.ModelRef(id=m + str(number)))
    with open("a.crucible.zip", "wb") as file:
        write_bundle(file, documents)
    result = run("publish", "--max-documents", "10", "a.crucible.zip")
    assert result.status == 1
    assert "it has more than 10 documents (--max-documents) [bundle.archive]" in result.err
    assert run("publish", "--max-bytes", "20", "a.crucible.zip").status == 1
    assert run("publish", "--max-documents", "40", "a.crucible.zip").status == 0


def test_events_and_documents_that_the_exchange_rejects_are_counted(m: str) -> None:
    documents = DocumentSet()
    documents.add(v1.Hedging(delay_ms=1))
    documents.add(v1.FeedbackEvent(id=m))
    with open("a.crucible.zip", "wb") as file:
        write_bundle(file, documents)
    result = run("publish", "a.crucible.zip")
    assert result.status == 1
    assert result.lines[-1] == "2 documents: 1 stored, 0 unchanged, 1 rejected"
    assert "a.crucible.zip:Hedging/~" in result.err


IDS = ("a", "b", "c", "d")
NUMBERS = ("1.0.0", "2.0.0")


@st.composite
def references(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Documents by type, with references among a few ids and versions."""
    some_id, number = st.sampled_from(IDS), st.sampled_from(NUMBERS)
    either = st.none() | some_id | number
    kinds: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "ModelRef": {"id": some_id, "alias": st.none() | some_id},
        "ModelVersion": {
            "id": some_id,
            "model_id": some_id,
            "version": number,
            "parent_version": either,
            "training_run_id": st.none() | some_id,
        },
        "DeploymentConfig": {"id": some_id, "model_version_id": some_id},
        "FeedbackEvent": {
            "id": some_id,
            "deployment_id": st.none() | some_id,
            "model_version": either,
            "supersedes": st.none() | some_id,
        },
        "Experiment": {
            "id": some_id,
            "copy": st.none() | some_id,
            "model_id": some_id,
            "parent_version": either,
            "deployment_id": st.none() | some_id,
            "model_version": either,
        },
        "TrainingRun": {"id": some_id, "experiment_id": st.none() | some_id, "copy": some_id},
    }
    made: list[dict[str, Any]] = []
    for type_, fields in kinds.items():
        for id_ in draw(st.sets(some_id, max_size=3)):
            values = {name: draw(strategy) for name, strategy in fields.items()}
            made.append({**values, "type": type_, "id": id_})
    return made


def message_of(fields: dict[str, Any], prefix: str) -> Message:
    """Return a document whose ids have a prefix; versions have none."""

    def named(name: str) -> Any:
        value = fields.get(name)
        return value if value is None or value in NUMBERS else prefix + value

    own = {name: named(name) for name in fields if name not in ("type", "alias", "copy")}
    match fields["type"]:
        case "ModelRef":
            alias = {"x": named("alias")} if fields["alias"] else {}
            return v1.ModelRef(id=own["id"], aliases=alias)
        case "Experiment":
            made = v1.Experiment(id=own["id"], pipeline=[v1.StageDef(name="s")])
            made.backend.id = own["id"]
            for name in ("deployment_id", "model_version"):
                if own[name] is not None:
                    setattr(made.backend, name, own[name])
            if fields["copy"]:
                made.model_version.id = named("copy")
                made.model_version.model_id = own["model_id"]
                made.model_version.version = "1.0.0"
                if own["parent_version"] is not None:
                    made.model_version.parent_version = own["parent_version"]
            return made
        case "TrainingRun":
            run_ = v1.TrainingRun(id=own["id"], experiment_id=own["experiment_id"])
            run_.config.id = own["id"]
            run_.config.model_ref.id = named("copy")
            run_.config.dataset_ref.name = own["id"]
            return run_
        case type_:
            kind: Any = getattr(v1, type_)
            made_: Message = kind(**own)
            return made_


@settings(
    max_examples=examples(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(references())
def test_files_have_the_closures_that_an_exchange_traces(
    client: ExchangeClient, found: list[dict[str, Any]]
) -> None:
    prefix = f"{uuid.uuid4()}_"
    files = DocumentSet()
    for fields in found:
        message = message_of(fields, prefix)
        files.add(message)
        if isinstance(message, v1.FeedbackEvent):
            client.ingest([message])
        else:
            client.publish(message)
    for start in files.keys:
        traced, findings = closure_from_exchange(client, [start])
        closure = files.closure([start])
        assert sorted(closure.keys) == sorted(traced.keys)
        ambiguous = {
            (finding.document, finding.path)
            for finding in findings
            if finding.rule == "bundle.ambiguous"
        }
        resolved = {
            (str(each.holder), each.reference.field)
            for key in closure.keys
            for each in files.graph.documents[key]
            if files.graph.resolve(each.reference).is_ambiguous
            and each in files.graph.references_of(each.holder)
        }
        assert ambiguous == resolved

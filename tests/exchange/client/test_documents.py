"""The blocking client publishes and reads documents, with a real server."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.errors import Error, FieldError
from crucible_ir.exchange import (
    EtagMismatchError,
    ExchangeClient,
    ExchangeError,
    InvalidDocumentError,
    NotFoundError,
    Publication,
    Record,
    RequestReusedError,
)
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.schema.types import UnknownTypeError
from crucible_ir.serialization.json.canonical import digest


def version(id_: str | None = None, **fields: object) -> v1.ModelVersion:
    message = v1.ModelVersion(id=id_ or f"m-{uuid.uuid4()}", model_id="gpt2", version="1.0.0")
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def test_a_published_document_round_trips(client: ExchangeClient) -> None:
    message = version()
    before = datetime.now(UTC) - timedelta(seconds=5)
    published = client.publish(message)
    stored = client.get(v1.ModelVersion, message.id)
    assert stored.content == message
    assert stored.record == published.record
    assert (published.created, published.unchanged) == (True, False)
    record = stored.record
    assert (record.type, record.id, record.revision) == ("ModelVersion", message.id, 1)
    assert record.digest == digest(message)
    assert before < record.create_time <= datetime.now(UTC) + timedelta(seconds=5)
    assert not record.deleted


def prompt(role: v1.MessageRole) -> v1.Prompt:
    return v1.Prompt(messages=[v1.Message(role=role, text="a")])


def test_documents_that_a_release_reads_are_listed(client: ExchangeClient) -> None:
    prefix = f"p-{uuid.uuid4()}"
    old = client.publish(prompt(v1.MessageRole.MESSAGE_ROLE_USER), id=f"{prefix}-old").record
    new = client.publish(prompt(v1.MessageRole.MESSAGE_ROLE_DEVELOPER), id=f"{prefix}-new").record
    gone = client.delete(v1.Prompt, client.publish(v1.Prompt(), id=f"{prefix}-gone").record.id)
    assert (old.requires, new.requires, gone.requires) == ("0.2.0", "0.3.0", None)

    def listed(release: str, *, include_deleted: bool = False) -> list[str]:
        found = client.list_documents(
            v1.Prompt,
            where_prefix={"id": prefix},
            include_deleted=include_deleted,
            readable_by=release,
        )
        return [stored.record.id.removeprefix(f"{prefix}-") for stored in found]

    assert listed("0.2.0") == ["old"]
    assert listed("0.2.0", include_deleted=True) == ["gone", "old"]
    assert listed("0.3.0") == listed("0.10.0") == ["new", "old"]
    with pytest.raises(InvalidDocumentError, match="readable_by"):
        listed("three")


def test_a_record_without_a_release_is_not_taken_for_readable() -> None:
    message = exchange_v1.Record(type="Prompt", id="p")
    with pytest.raises(ExchangeError, match='which release reads the Prompt "p"'):
        Record.of(message).is_readable_by("0.2.0")
    message.requires = "0.10.0"
    assert not Record.of(message).is_readable_by("0.9.0")
    assert Record.of(message).is_readable_by("0.10.0")
    assert Record.of(exchange_v1.Record(deleted=True)).is_readable_by("0.2.0")


def test_a_document_without_an_id_requires_one_in_the_call(client: ExchangeClient) -> None:
    prompt = v1.Prompt(messages=[v1.Message(role="MESSAGE_ROLE_USER", text="hi")])
    with pytest.raises(InvalidDocumentError):
        client.publish(prompt)
    id_ = f"p-{uuid.uuid4()}"
    assert client.publish(prompt, id=id_).record.id == id_


def test_a_message_that_is_no_content_is_rejected_by_the_client(client: ExchangeClient) -> None:
    with pytest.raises(FieldError, match="a document cannot contain a MetricsSnapshot"):
        client.publish(v1.MetricsSnapshot())


def test_an_invalid_document_is_rejected_with_its_violations(client: ExchangeClient) -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        client.publish(version(version="1.0", model_id=""))
    found = {(violation.path, violation.rule_id) for violation in caught.value.violations}
    assert found == {
        ("document.model_version.version", "string.pattern"),
        ("document.model_version.model_id", "required"),
    }
    assert isinstance(caught.value, Error)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_an_outdated_etag_is_rejected_with_the_latest_one(client: ExchangeClient) -> None:
    message = version()
    first = client.publish(message, etag="").record
    message.description = "two"
    second = client.publish(message, etag=first.etag).record
    assert second.revision == 2
    with pytest.raises(EtagMismatchError) as caught:
        client.publish(version(message.id, version="1.0.2"), etag=first.etag)
    assert caught.value.latest == second.etag
    with pytest.raises(EtagMismatchError):
        client.publish(version(message.id, version="1.0.2"), etag="")


def test_a_request_id_identifies_one_request(client: ExchangeClient) -> None:
    message, request_id = version(), str(uuid.uuid4())
    first = client.publish(message, request_id=request_id)
    assert client.publish(message, request_id=request_id) == first
    with pytest.raises(RequestReusedError):
        client.publish(version(message.id, version="2.0.0"), request_id=request_id)


def test_validate_only_stores_nothing(client: ExchangeClient) -> None:
    message = version()
    preview = client.publish(message, validate_only=True)
    assert (preview.created, preview.record.sequence, preview.record.etag) == (True, 0, "")
    with pytest.raises(NotFoundError, match=message.id):
        client.get("ModelVersion", message.id)


def test_the_revisions_of_a_deleted_document_stay_readable(client: ExchangeClient) -> None:
    message = version()
    first = client.publish(message).record
    deletion = client.delete(v1.ModelVersion, message.id, etag=first.etag)
    assert (deletion.revision, deletion.deleted) == (2, True)
    with pytest.raises(NotFoundError):
        client.get(v1.ModelVersion, message.id)
    assert client.get(v1.ModelVersion, message.id, revision=1).content == message
    tombstone = client.get(v1.ModelVersion, message.id, revision=2)
    assert (tombstone.document, tombstone.content) == (None, None)
    revisions = client.list_revisions(v1.ModelVersion, message.id, page_size=1)
    assert [entry.record.revision for entry in revisions] == [2, 1]


def test_a_list_fetches_as_many_pages_as_necessary(client: ExchangeClient) -> None:
    owner = f"creator-{uuid.uuid4()}"
    ids = [f"{owner}/{number:02}" for number in range(25)]
    outcomes = list(client.publish_many(version(id_, created_by=owner) for id_ in ids))
    assert [outcome.index for outcome in outcomes] == list(range(25))
    by_id = client.list_documents(
        v1.ModelVersion, where={"created_by": owner}, order="id", page_size=7
    )
    assert [entry.record.id for entry in by_id] == ids
    newest = client.list_documents(
        v1.ModelVersion, where_prefix={"id": f"{owner}/1"}, include_documents=True
    )
    found = list(newest)
    assert [entry.record.id for entry in found] == [id_ for id_ in reversed(ids) if "/1" in id_]
    assert all(entry.content is not None for entry in found)


def test_many_documents_are_stored_independently(client: ExchangeClient) -> None:
    good, bad, other = version(), version(version="1"), version()
    outcomes = list(client.publish_many([good, bad, Publication(other, etag="wrong")]))
    assert [outcome.index for outcome in outcomes] == [0, 1, 2]
    assert outcomes[0].published is not None
    assert isinstance(outcomes[1].error, InvalidDocumentError)
    assert [violation.rule_id for violation in outcomes[1].error.violations] == ["string.pattern"]
    assert outcomes[2].error is not None
    assert outcomes[2].error.code == "FAILED_PRECONDITION"


def test_a_batch_ends_when_its_iteration_ends(client: ExchangeClient) -> None:
    first = next(client.publish_many(version() for _ in range(1000))).published
    assert first is not None
    assert client.get(v1.ModelVersion, first.record.id).record.revision == 1


def test_a_page_of_a_list_says_where_the_next_one_begins(client: ExchangeClient) -> None:
    owner = str(uuid.uuid4())
    for number in range(5):
        client.publish(v1.ModelRef(id=f"{owner}/{number}"))
    condition = f'id = "{owner}/*"'
    first = client.list_page("ModelRef", filter=condition, order="id", page_size=3)
    assert [each.record.id for each in first.entries] == [f"{owner}/{i}" for i in range(3)]
    second = client.list_page(
        v1.ModelRef,
        page_token=first.next_page_token,
        filter=condition,
        order="id",
    )
    assert [each.record.id for each in second.entries] == [f"{owner}/3", f"{owner}/4"]
    assert second.next_page_token == ""
    with pytest.raises(InvalidDocumentError):
        client.list_page("ModelRef", page_token=first.next_page_token, filter="id = x")


def test_a_lineage_lists_missing_documents(client: ExchangeClient) -> None:
    message = version(model_id=f"model-{uuid.uuid4()}")
    client.publish(message)
    lineage = client.trace(v1.ModelVersion, message.id)
    states = {(node.reference.type, node.state, node.depth) for node in lineage.nodes}
    assert states == {("ModelVersion", "stored", 0), ("ModelRef", "missing", 1)}
    assert [(end.type, end.id) for end in lineage.missing] == [("ModelRef", message.model_id)]
    [edge] = lineage.edges
    assert (edge.source.id, edge.target.id, edge.field) == (
        message.id,
        message.model_id,
        "model_id",
    )
    back = client.trace("ModelRef", message.model_id, direction="downstream")
    assert [node.reference.id for node in back.nodes] == [message.model_id, message.id]


def test_lint_findings_have_their_severity(client: ExchangeClient) -> None:
    [lint] = client.validate(b"strategy: fixed", "Hedging", "yaml").lints
    assert (lint.lint_id, lint.severity) == ("hedging.no_delay", "warning")


def test_a_lineage_lists_ambiguous_versions_with_their_candidates(client: ExchangeClient) -> None:
    model = f"model-{uuid.uuid4()}"
    same = [version(model_id=model, version="0.9.0") for _ in range(2)]
    child = version(model_id=model, version="1.0.0", parent_version="0.9.0")
    for message in (*same, child):
        client.publish(message)
    lineage = client.trace(v1.ModelVersion, child.id)
    [node] = [node for node in lineage.nodes if node.state == "ambiguous"]
    assert [each.id for each in node.candidates] == sorted(message.id for message in same)
    assert lineage.ambiguous == (node.reference,)
    assert (node.reference.type, node.reference.id) == ("ModelVersion", "0.9.0")


def test_the_exchange_validates_and_converts_messages(client: ExchangeClient) -> None:
    text = b"id: m\nmodel_id: gpt2\nversion: '1'\n"
    verdict = client.validate(text, "ModelVersion", "yaml")
    assert not verdict.valid
    [violation] = verdict.violations
    assert (violation.path, violation.rule_id) == ("version", "string.pattern")
    assert violation.position is not None
    assert violation.position.line == 3
    unreadable = client.validate(b"[", "ModelVersion", "json")
    assert unreadable.failure is not None
    message = version("m")
    assert client.validate(message).valid
    converted = client.convert(message, "json")
    assert client.convert(converted, "binary", type=v1.ModelVersion, form="json") == (
        message.SerializeToString()
    )
    with pytest.raises(InvalidDocumentError):
        client.convert(text, "json", type="ModelVersion", form="yaml")


def test_wrong_arguments_are_rejected_with_the_near_miss(client: ExchangeClient) -> None:
    with pytest.raises(UnknownTypeError, match='did you mean "ModelVersion"'):
        client.get("ModelVersoin", "m")
    with pytest.raises(FieldError, match="expected one of newest, id"):
        client.list_documents("ModelVersion", order="oldest")
    with pytest.raises(FieldError, match='did you mean "upstream"'):
        client.trace("ModelVersion", "m", direction="upstraem")
    with pytest.raises(FieldError, match="type: required when the content is bytes"):
        client.validate(b"")


def test_a_closed_client_raises(shared: Served) -> None:
    client = ExchangeClient(shared.address)
    client.close()
    with pytest.raises(ExchangeError, match="the client was closed"):
        client.get("ModelVersion", "m")

"""Both clients and the command line list who changed or exported what."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.command_line import run
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.errors import FieldError
from crucible_ir.exchange import (
    AsyncExchangeClient,
    AuditEntry,
    ExchangeClient,
    PermissionDeniedError,
)
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.exchange.client.results import RefusedEvent
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.store.records import Scope


def changed(client: ExchangeClient) -> None:
    """Publish two models, and delete one of them."""
    for name in ("m1", "m2"):
        client.publish(v1.ModelRef(id=name, provider="MODEL_PROVIDER_HUGGINGFACE"))
    client.delete(v1.ModelRef, "m1")
    assert list(client.export()) == []


async def test_both_clients_list_the_same_entries(served: Served) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    with ExchangeClient(served.address) as client:
        changed(client)
        entries = list(client.list_audit_entries(page_size=1))
        actions = [entry.action for entry in entries]
        assert actions == ["exported", "deleted", "published", "published"]
        deleted = entries[1]
        assert (deleted.type, deleted.id, deleted.revision) == ("ModelRef", "m1", 2)
        assert (deleted.caller, deleted.authentication) == (None, "none")
        assert before < deleted.time < datetime.now(UTC) + timedelta(seconds=5)
        assert deleted.request_id
        assert entries[0].counts == {"events": 0}
        assert entries[0].details == {"outcome": "complete"}
        found = client.list_audit_entries(actions=["deleted", "published"], type=v1.ModelRef)
        assert list(found) == entries[1:]
        assert list(client.list_audit_entries(type="ModelRef", id="m2")) == [entries[2]]
        assert list(client.list_audit_entries(caller="ann")) == []
        assert list(client.list_audit_entries(end_time=before)) == []
        assert list(client.list_audit_entries(start_time=before)) == entries
        with pytest.raises(FieldError, match="published"):
            client.list_audit_entries(actions=["publish"])
        with pytest.raises(FieldError, match="time zone"):
            client.list_audit_entries(start_time=datetime(2026, 1, 1))
    async with AsyncExchangeClient(served.address) as asynchronous:
        assert [entry async for entry in asynchronous.list_audit_entries(page_size=3)] == entries


def test_an_action_of_a_newer_server_is_a_number() -> None:
    entry = AuditEntry.of(exchange_v1.AuditEntry(action=99))  # type: ignore[arg-type]
    assert (entry.action, entry.authentication) == ("99", "0")
    assert (entry.type, entry.revision, entry.request_id) == (None, None, None)


def test_the_command_prints_entries(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", served.address)
    with ExchangeClient(served.address) as client:
        changed(client)
    lines = [line.split("\t") for line in run("audit").lines]
    assert [line[1:] for line in lines] == [
        ["exported", "", "none", "", "", "", "events=0 outcome=complete"],
        ["deleted", "", "none", "ModelRef", "m1", "2", ""],
        ["published", "", "none", "ModelRef", "m2", "1", ""],
        ["published", "", "none", "ModelRef", "m1", "1", ""],
    ]
    [text] = run("audit", "--action", "deleted", "--limit", 1, "--format", "json").lines
    entry = json.loads(text)
    assert {key: entry[key] for key in ("action", "type", "id", "revision", "counts")} == {
        "action": "deleted",
        "type": "ModelRef",
        "id": "m1",
        "revision": 2,
        "counts": {},
    }
    assert run("audit", "--since", "2999-01-01").lines == []
    wrong = run("audit", "--action", "publish")
    assert wrong.status == 2
    assert "published" in wrong.err


def test_a_token_with_the_role_ingest_hands_in_feedback_and_reads_nothing(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, text = tokens.create("gateway", Role.INGEST, scope=Scope(None, ("eu-",)))
    served = Served(tmp_path, "--tokens", str(tokens.path))
    try:
        with ExchangeClient(served.address, token=text) as client:
            events = [
                v1.FeedbackEvent(
                    id=id_, deployment_id="d", feedback_type=v1.FeedbackType.FEEDBACK_TYPE_THUMBS
                )
                for id_ in ("eu-1", "us-1")
            ]
            refused: list[RefusedEvent] = []
            report = client.ingest(events, on_refused=refused.append)
            assert (report.accepted, report.refused_count) == (1, 1)
            assert isinstance(refused[0].error, PermissionDeniedError)
            model = v1.ModelRef(id="eu-1", provider="MODEL_PROVIDER_HUGGINGFACE")
            for call in (
                lambda: client.get(v1.ModelRef, "eu-1"),
                lambda: client.publish(model),
                lambda: list(client.export()),
                lambda: client.summarize(),
                lambda: list(client.list_documents(v1.ModelRef)),
                lambda: client.validate(model),
            ):
                with pytest.raises(PermissionDeniedError, match="the caller has the role ingest"):
                    call()
    finally:
        served.stop()


def test_only_an_admin_lists_entries_and_changes_of_tokens_are_among_them(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, admin = tokens.create("operator", Role.ADMIN)
    stored, publisher = tokens.create("trainer", Role.PUBLISHER)
    served = Served(tmp_path, "--tokens", str(tokens.path), "--keep-audit", "365d")
    try:
        with ExchangeClient(served.address, token=publisher) as client:
            client.publish(v1.ModelRef(id="m", provider="MODEL_PROVIDER_HUGGINGFACE"))
            with pytest.raises(PermissionDeniedError, match="requires the role admin"):
                list(client.list_audit_entries())
        tokens.revoke(stored.id)
        added, _ = tokens.create("dashboard", Role.READER)
        with ExchangeClient(served.address, token=admin) as client:
            [published] = client.list_audit_entries(actions=["published"])
            assert (published.caller, published.authentication) == ("trainer", "token")
            # The server notices the two changes at once or one after the other.
            changes: list[AuditEntry] = []
            while "added" not in str(changes):
                changes = list(client.list_audit_entries(actions=["credentials_changed"]))
        assert {change.authentication for change in changes} == {"server"}
        assert {change.caller for change in changes} == {None}
        found = {name: ids for change in changes for name, ids in change.details.items()}
        assert found == {"added": added.id, "removed": stored.id}
    finally:
        served.stop()

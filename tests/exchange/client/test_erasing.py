"""Both clients and the command line erase feedback."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli.command_line import run
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.exchange import (
    AsyncExchangeClient,
    ErasedFeedback,
    ExchangeClient,
    InvalidDocumentError,
    PermissionDeniedError,
)
from crucible_ir.exchange.server.security.tokens import Role, TokenFile


def feedback(id_: str, user: str, deployment: str | None = None) -> v1.FeedbackEvent:
    event = v1.FeedbackEvent(id=id_, user_id=user, deployment_id=deployment)
    event.timestamp.FromDatetime(datetime(2025, 3, 1, tzinfo=UTC))
    return event


EVENTS = [feedback("a", "ann"), feedback("b", "ann", "d"), feedback("c", "bob", "d")]


def test_the_client_erases_and_counts(served: Served) -> None:
    with ExchangeClient(served.address) as client:
        client.ingest(EVENTS)
        seen: list[int] = []
        found = client.erase_feedback(user_id="ann", validate_only=True, on_progress=seen.append)
        assert (found, seen) == (ErasedFeedback(2, pending=False), [2])
        erased = client.erase_feedback(
            user_id="ann",
            deployment_id="d",
            start_time=datetime(2025, 1, 1, tzinfo=UTC),
            end_time=datetime(2026, 1, 1, tzinfo=UTC),
        )
        assert erased == ErasedFeedback(1, pending=False)
        assert [event.id for event in client.export()] == ["a", "c"]
        with pytest.raises(InvalidDocumentError, match="at least one condition"):
            client.erase_feedback()


async def test_the_asyncio_client_erases(served: Served) -> None:
    async with AsyncExchangeClient(served.address) as client:
        await client.ingest(EVENTS)
        assert await client.erase_feedback(deployment_id="d") == ErasedFeedback(2, pending=False)


def test_the_command_counts_asks_and_erases(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", served.address)
    with ExchangeClient(served.address) as client:
        client.ingest(EVENTS)
        assert run("erase-feedback", "--user", "ann", "--dry-run").out == "found 2 events\n"
        # Nobody can be asked.
        done = run("erase-feedback", "--user", "ann")
        assert (done.status, done.out) == (2, "")
        assert "give --yes" in done.err
        assert len(list(client.export())) == 3
        done = run("erase-feedback", "--user", "bob", "--yes", "--format", "json")
        assert json.loads(done.out) == {
            "command": "erase-feedback",
            "events": 1,
            "pending": False,
            "dry_run": False,
        }
        done = run("erase-feedback", "--until", "2025-03-02", "--deployment", "d", "--yes")
        assert done.out == "erased 1 event\n"
        assert [event.id for event in client.export()] == ["a"]


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", 0), (b"n\n", 1), (b"", 1)])
def test_the_command_asks_on_a_terminal(
    served: Served, monkeypatch: pytest.MonkeyPatch, answer: bytes, left: int
) -> None:
    command = "crucible_ir.cli.commands.exchange.erase_feedback"
    monkeypatch.setattr(f"{command}.is_terminal", lambda: True)
    with ExchangeClient(served.address) as client:
        client.ingest(EVENTS[:1])
        options = ("--server", served.address, "--user", "ann")
        done = run("erase-feedback", *options, stdin=answer)
        assert "Erase 1 event for ever?" in done.err
        assert len(list(client.export())) == left


def test_a_condition_is_required() -> None:
    done = run("erase-feedback", "--yes")
    assert done.status == 2
    assert "give --user, --session, --deployment, --since or --until" in done.err


def test_only_an_admin_may_erase(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    texts = {role: tokens.create(f"{role}", role)[1] for role in Role}
    served = Served(tmp_path, "--tokens", "tokens.json")
    try:
        for role, text in texts.items():
            with ExchangeClient(served.address, token=text) as client:
                if role is Role.ADMIN:
                    assert client.erase_feedback(user_id="ann").events == 0
                    continue
                with pytest.raises(PermissionDeniedError):
                    client.erase_feedback(user_id="ann")
    finally:
        served.kill()

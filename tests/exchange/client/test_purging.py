"""Both clients and the command line purge deleted documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.command_line import run
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.exchange import (
    AsyncExchangeClient,
    ExchangeClient,
    Gap,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    Purged,
)
from crucible_ir.exchange.server.security.tokens import Role, TokenFile


def publish_twice(client: ExchangeClient, id_: str = "m") -> None:
    for name in ("one", "two"):
        client.publish(v1.ModelRef(id=id_, name=name))


def test_the_client_purges_and_counts(served: Served) -> None:
    with ExchangeClient(served.address) as client:
        publish_twice(client)
        with pytest.raises(PreconditionError, match="delete it first") as caught:
            client.purge(v1.ModelRef, "m")
        assert caught.value.reason == "NOT_DELETED"
        client.delete("ModelRef", "m")
        found = client.purge("ModelRef", "m", validate_only=True)
        assert found == Purged(3, pending=False)
        assert client.purge(v1.ModelRef, "m") == found
        with pytest.raises(NotFoundError):
            client.purge(v1.ModelRef, "m")
        published = client.publish(v1.ModelRef(id="m", name="one"))
        assert (published.record.revision, published.created) == (1, True)
        with client.watch(after=0) as watch:
            gap = next(iter(watch))
        assert (gap, getattr(gap, "reason", "")) == (Gap(0, 3), "purged")


async def test_the_asyncio_client_purges(served: Served) -> None:
    async with AsyncExchangeClient(served.address) as client:
        await client.publish(v1.ModelRef(id="m"))
        await client.delete(v1.ModelRef, "m")
        assert await client.purge(v1.ModelRef, "m") == Purged(2, pending=False)


def test_the_command_counts_asks_and_purges(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", served.address)
    with ExchangeClient(served.address) as client:
        publish_twice(client)
        done = run("purge", "ModelRef", "m", "--yes")
        assert (done.status, done.out) == (1, "")
        assert "ModelRef 'm' is not deleted: delete it first" in done.err
        client.delete("ModelRef", "m")
        assert run("purge", "ModelRef", "m", "--dry-run").out == "found 3 revisions\n"
        # Nobody can be asked.
        done = run("purge", "ModelRef", "m")
        assert (done.status, done.out) == (2, "")
        assert "give --yes" in done.err
        done = run("purge", "ModelRef", "m", "--yes", "--format", "json")
        assert json.loads(done.out) == {
            "command": "purge",
            "type": "ModelRef",
            "id": "m",
            "revisions": 3,
            "pending": False,
            "dry_run": False,
        }
        done = run("purge", "ModelRef", "m", "--yes")
        assert (done.status, done.out) == (1, "")
        assert "ModelRef 'm' was never published, or is purged" in done.err


def test_the_command_asks_on_a_terminal(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crucible_ir.cli.commands.exchange.purge.is_terminal", lambda: True)
    with ExchangeClient(served.address) as client:
        client.publish(v1.ModelRef(id="m"))
        client.delete("ModelRef", "m")
        for answer, is_left in ((b"n\n", True), (b"", True), (b"y\n", False)):
            done = run("purge", "ModelRef", "m", "--server", served.address, stdin=answer)
            assert "Remove ModelRef m with 2 revisions for ever?" in done.err
            assert bool(list(client.list_documents("ModelRef", include_deleted=True))) == is_left


def test_only_an_admin_may_purge(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    texts = {role: tokens.create(f"{role}", role)[1] for role in Role}
    served = Served(tmp_path, "--tokens", "tokens.json")
    try:
        for role, text in texts.items():
            with ExchangeClient(served.address, token=text) as client:
                error = NotFoundError if role is Role.ADMIN else PermissionDeniedError
                with pytest.raises(error):
                    client.purge("ModelRef", "m")
    finally:
        served.kill()

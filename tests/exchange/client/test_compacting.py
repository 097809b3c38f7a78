"""Both clients and the command line drop old revisions, and watches yield the gap."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cli.command_line import run
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.errors import FieldError
from crucible_ir.exchange import (
    AsyncExchangeClient,
    ExchangeClient,
    Gap,
    InvalidDocumentError,
    NotFoundError,
    PermissionDeniedError,
)
from crucible_ir.exchange.server.security.tokens import Role, TokenFile


def revise(client: ExchangeClient, times: int) -> None:
    for number in range(times):
        client.publish(v1.ModelRef(id="m", name=f"{number}"))


def test_a_watch_that_resumes_from_before_a_compaction_yields_the_gap(served: Served) -> None:
    with ExchangeClient(served.address) as client:
        revise(client, 2)
        with client.watch(0) as watch:
            next(watch)
            seen = watch.sequence
        revise(client, 4)
        assert client.compact(keep_after=4) == 5
    served.kill()
    served.start()
    with ExchangeClient(served.address) as client, client.watch(seen) as watch:
        assert next(watch) == Gap(1, 4)
        change = next(watch)
        assert not isinstance(change, Gap)
        assert (change.record.sequence, watch.sequence) == (5, 5)
        with pytest.raises(NotFoundError):
            client.get(v1.ModelRef, "m", revision=4)


async def test_the_asyncio_client_compacts_and_yields_the_gap(served: Served) -> None:
    with ExchangeClient(served.address) as client:
        revise(client, 3)
    async with AsyncExchangeClient(served.address) as client_:
        assert await client_.compact(keep_within=timedelta(days=1)) == 1
        assert await client_.compact(keep_within=timedelta(0)) == 4
        with pytest.raises(InvalidDocumentError, match="unknown sequence number 9"):
            await client_.compact(keep_after=9)
    served.kill()
    served.start()
    async with AsyncExchangeClient(served.address) as client_, client_.watch(0) as watch:
        assert await anext(watch) == Gap(0, 3)


def test_exactly_one_limit_is_required(served: Served) -> None:
    with ExchangeClient(served.address) as client:
        for arguments in ({}, {"keep_after": 1, "keep_within": timedelta(1)}):
            with pytest.raises(FieldError, match="one of keep_after and keep_within"):
                client.compact(**arguments)  # type: ignore[arg-type]


def test_the_command_prints_the_start_of_the_history_and_watch_prints_the_gap(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", served.address)
    with ExchangeClient(served.address) as client:
        revise(client, 5)
    kept = run("compact", "--keep-within", "90d")
    assert (kept.status, kept.out) == (0, "kept every change from 1 on\n")
    compacted = run("compact", "--keep-after", 3, "--format", "json")
    assert json.loads(compacted.out) == {"command": "compact", "oldest_sequence": 4}
    served.kill()
    served.start()
    lines = run("watch", "--after", 1, "--count", 2).lines
    assert lines[0].split("\t")[:2] == ["2-3", "gap"]
    assert lines[1].split("\t")[:5] == ["4", "published", "ModelRef", "m", "4"]
    gap = json.loads(run("watch", "--after", 1, "--count", 1, "--format", "json").out)
    expected = {"after_sequence": 1, "through_sequence": 3, "reason": "compacted"}
    assert gap == {"gap": expected}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "give --keep-within or --keep-after"),
        (("--keep-after", 1, "--keep-within", "1d"), "give --keep-within or --keep-after"),
        (("--keep-after", -1), "-1"),
        (("--keep-within", "90"), "invalid duration"),
        (("--keep-within", "0d"), "invalid duration"),
        (("--keep-after", 1000), "unknown sequence number 1000: the latest change is 0"),
        (("--keep-within", "999999w"), "within"),
    ],
)
def test_the_command_reports_wrong_options(
    served: Served, options: tuple[object, ...], words: str
) -> None:
    result = run("compact", "--server", served.address, *options)
    assert (result.status, result.out) == (2, "")
    assert words in result.err
    assert "bug" not in result.err


def test_only_an_admin_of_all_documents_may_compact(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    texts = {role: tokens.create(f"{role}", role)[1] for role in Role}
    served = Served(tmp_path, "--tokens", "tokens.json")
    try:
        for role, text in texts.items():
            with ExchangeClient(served.address, token=text) as client:
                if role is Role.ADMIN:
                    assert client.compact(keep_after=0) == 1
                    continue
                with pytest.raises(PermissionDeniedError, match="requires the role admin"):
                    client.compact(keep_after=0)
        token = tmp_path / "reader.token"
        token.write_text(texts[Role.READER])
        command = ("compact", "--server", served.address, "--token-file", token)
        result = run(*command, "--keep-after", 0)
        assert result.status == 2
        assert "requires the role admin" in result.err
    finally:
        served.kill()


def test_a_server_with_a_history_limit_drops_older_revisions_by_itself(tmp_path: Path) -> None:
    served = Served(tmp_path, "--keep-history", "1s")
    try:
        with ExchangeClient(served.address) as client:
            revise(client, 3)
            deadline = time.monotonic() + 30
            while len(list(client.list_revisions(v1.ModelRef, "m"))) > 1:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert client.get(v1.ModelRef, "m").record.revision == 3
    finally:
        served.kill()

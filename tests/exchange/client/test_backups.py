"""Stores are backed up while they are used, and after a restore no client misses a loss."""

from __future__ import annotations

import asyncio
import fcntl
import json
import re
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cli.command_line import run
from exchange import postgresql
from exchange.client.served import Served
from exchange.client.test_docs import OPERATIONS
from exchange.publications import event, publication
from exchange.store.test_faults import until_listening
from exchange.store.test_upgrading import make_old_store

from crucible_ir import v1
from crucible_ir.exchange import (
    AsyncExchangeClient,
    Change,
    ExchangeClient,
    Gap,
    RetryPolicy,
    UnavailableError,
)
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.exchange.client.connection import Connection
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub

QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.1)


def publish(client: ExchangeClient, *numbers: int) -> None:
    for number in numbers:
        client.publish(v1.ModelRef(id=f"m{number}"))


def store_of(served: Served) -> Path:
    return served.folder / "exchange.db"


def sequences(events: list[Change | Gap]) -> list[int]:
    assert all(isinstance(event, Change) for event in events)
    return [event.record.sequence for event in events if isinstance(event, Change)]


def test_a_backup_is_consistent_while_others_write(served: Served) -> None:
    stop = threading.Event()

    def write() -> None:
        with ExchangeClient(served.address) as client:
            number = 0
            while not stop.is_set():
                publish(client, number)
                client.ingest([v1.FeedbackEvent(id=f"e{number}")])
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    found = []
    try:
        for number in range(3):
            file = served.folder / f"{number}.backup"
            ran = run("backup", file, "--store", store_of(served), "--format", "json")
            report = json.loads(ran.out)
            assert file.stat().st_mode & 0o777 == 0o600
            assert report["bytes"] == file.stat().st_size
            with sqlite3.connect(file) as copy:
                [[latest]] = copy.execute("SELECT max(sequence) FROM revisions").fetchall()
                [[events]] = copy.execute("SELECT count(*) FROM feedback_events").fetchall()
            # Each document is followed by an event.
            assert (latest or 0) in (events, events + 1)
            assert report["sequence"] == (latest or 0)
            found.append(latest or 0)
    finally:
        stop.set()
        writer.join()
    assert found == sorted(found)
    with ExchangeClient(served.address) as client:
        entries = list(client.list_audit_entries(actions=["backed_up"]))
    assert len(entries) == 3
    assert entries[0].details["user"]


def test_a_backup_replaces_no_store(served: Served, tmp_path: Path) -> None:
    store = store_of(served)
    other = tmp_path / "other.db"

    async def make() -> None:
        await (await open_store(other)).close()

    asyncio.run(make())
    with ExchangeClient(served.address) as client:
        publish(client, 1)
        marked = store.with_name("exchange.db.mark").read_bytes()
        targets = [store, *(store.with_name(f"exchange.db{end}") for end in ("-wal", ".mark"))]
        for target in (*targets, other):
            ran = run("backup", target, "--store", store, "--force")
            assert (ran.status, "belongs to a store: give" in ran.err) == (2, True), ran.err
        assert store.with_name("exchange.db.mark").read_bytes() == marked
        publish(client, 2)
        served.kill()
        served.start()
        assert [entry.record.id for entry in client.list_documents(v1.ModelRef)] == ["m2", "m1"]


def test_nothing_is_acknowledged_without_the_file(served: Served) -> None:
    store = store_of(served)
    with ExchangeClient(served.address, timeout=5, retry=QUICK) as client:
        publish(client, 1)
        away = store.rename(store.with_name("away.db"))
        with pytest.raises(UnavailableError):
            publish(client, 2)
        store.write_bytes(b"")
        with pytest.raises(UnavailableError):
            client.ingest([v1.FeedbackEvent(id="e2")])
        away.replace(store)
        publish(client, 3)
        assert {entry.record.id for entry in client.list_documents(v1.ModelRef)} == {"m1", "m3"}
        assert list(client.export()) == []


def test_no_watch_misses_what_a_restore_undid(served: Served) -> None:
    file = served.folder / "exchange.backup"
    with ExchangeClient(served.address, timeout=60, retry=QUICK) as client:
        publish(client, *range(10))
        assert run("backup", file, "--store", store_of(served)).status == 0
        publish(client, *range(10, 15))
        with client.watch(0) as watch:
            assert sequences([next(watch) for _ in range(15)]) == list(range(1, 16))
            old_epoch = watch.epoch
            refused = run("restore", file, "--store", store_of(served), "--force")
            assert (refused.status, "open; stop its servers" in refused.err) == (2, True)
            served.stop()
            refused = run("restore", file, "--store", store_of(served))
            assert (refused.status, "--force" in refused.err) == (2, True)
            restored = run(
                *("restore", file, "--store", store_of(served), "--force", "--format", "json")
            )
            report = json.loads(restored.out)
            assert report["kept_sequence"] == 10
            served.start()
            publish(client, *range(20, 35))
            first = report["next_sequence"]
            expected = [Gap(10, first - 1), *range(first, first + 15)]
            found = [next(watch) for _ in range(16)]
            assert [each if isinstance(each, Gap) else each.record.sequence for each in found] == (
                expected
            )
            assert isinstance(found[0], Gap)
            assert found[0].reason == "restored"
            assert watch.epoch == report["epoch"] != old_epoch
        [entry] = client.list_audit_entries(actions=["restored"])
        assert (entry.counts["kept_sequence"], entry.details["reason"]) == (10, "restored")
        # Another process that kept the sequence, with or without the epoch, and an older client.
        for epoch in (old_epoch, ""):
            with client.watch(15, epoch=epoch) as watch:
                assert next(watch) == expected[0]
                assert sequences([next(watch)]) == [first]
    with Connection(served.address).open() as channel:
        request = exchange_v1.WatchRequest(after_sequence=15)
        answers = ExchangeServiceStub(channel).Watch(request)
        assert next(answers).gap.through_sequence == first - 1
        assert next(answers).change.record.sequence == first
        answers.cancel()


async def test_the_asyncio_client_resumes_over_a_restore(served: Served) -> None:
    file = served.folder / "exchange.backup"
    async with AsyncExchangeClient(served.address, timeout=60, retry=QUICK) as client:
        await client.publish(v1.ModelRef(id="a"))
        await asyncio.to_thread(run, "backup", file, "--store", store_of(served))
        await client.publish(v1.ModelRef(id="b"))
        async with client.watch(0) as watch:
            assert sequences([await anext(watch), await anext(watch)]) == [1, 2]
            served.stop()
            await asyncio.to_thread(run, "restore", file, "--store", store_of(served), "--force")
            served.start()
            again = (await client.publish(v1.ModelRef(id="c"))).record
            gap = await anext(watch)
            assert isinstance(gap, Gap)
            assert (gap.after_sequence, gap.reason) == (1, "restored")
            assert sequences([await anext(watch)]) == [again.sequence]
            kept = (watch.sequence, watch.epoch)
        # The same backup again: the epoch between the two is unknown now.
        served.stop()
        await asyncio.to_thread(run, "restore", file, "--store", store_of(served), "--force")
        served.start()
        async with client.watch(kept[0], epoch=kept[1]) as watch:
            gap = await anext(watch)
            assert isinstance(gap, Gap)
            assert gap.reason == "unknown_epoch"
            assert gap.through_sequence > kept[0]
            assert watch.epoch not in ("", kept[1])


def test_a_server_with_a_damaged_log_starts_only_if_the_loss_is_accepted(served: Served) -> None:
    with ExchangeClient(served.address) as client:
        publish(client, *range(5))
    served.kill()
    (served.folder / "exchange.db-wal").unlink()
    (served.folder / "exchange.db-shm").unlink()
    with pytest.raises(AssertionError, match="has lost acknowledged changes"):
        served.start()
    served.kill()
    refused = run("backup", served.folder / "b", "--store", store_of(served))
    assert (refused.status, "--accept-loss" in refused.err) == (2, True)
    served.options = ("--accept-loss",)
    served.start()
    with ExchangeClient(served.address) as client, client.watch(5) as watch:
        gap = next(watch)
        assert isinstance(gap, Gap)
        assert gap.reason == "damaged"
        publish(client, 1)
        assert sequences([next(watch)]) == [gap.through_sequence + 1]
    served.stop()
    served.options = ()
    served.start()


async def test_damaged_and_foreign_files_are_not_restored(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    for number in range(50):
        await store.publish(publication(f"m{number}", "x" * 2000))
    await store.close()
    good = tmp_path / "good"
    ran = await asyncio.to_thread(run, "backup", good, "--store", tmp_path / "exchange.db")
    assert ran.status == 0
    content = good.read_bytes()
    middle = len(content) // 2
    bad = {
        "cut off": content[:middle],
        "overwritten": content[: middle - 9000] + bytes(18000) + content[middle + 9000 :],
        "text": b"no database" * 1000,
        "empty": b"",
    }
    for name, damaged in bad.items():
        (tmp_path / "bad").write_bytes(damaged)
        target = tmp_path / "new.db"
        ran = await asyncio.to_thread(run, "restore", tmp_path / "bad", "--store", target)
        assert ran.status == 2, name
        assert "bad" in ran.err, name
        assert not target.exists(), name
    with sqlite3.connect(good) as newer:
        newer.execute("UPDATE schema_version SET version = 9999")
    newer.close()
    ran = await asyncio.to_thread(run, "restore", good, "--store", tmp_path / "new.db")
    assert (ran.status, "upgrade crucible-ir" in ran.err) == (2, True)
    assert not list(tmp_path.glob(".*"))


async def test_a_backup_of_an_older_release_is_upgraded_when_it_is_restored(
    tmp_path: Path,
) -> None:
    make_old_store(str(tmp_path / "old.db"))
    for command in (
        ("backup", tmp_path / "old.backup", "--store", tmp_path / "old.db"),
        ("restore", tmp_path / "old.backup", "--store", tmp_path / "new.db"),
    ):
        ran = await asyncio.to_thread(run, *command)
        assert ran.status == 0, ran.err
    store = await open_store(tmp_path / "new.db")
    assert len((await store.changes(0)).entries) == 9
    assert len(await store.epochs()) == 2
    await store.close()


async def test_the_guides_commands_back_up_and_restore_postgresql(
    cluster: postgresql.Cluster, tmp_path: Path
) -> None:
    address = cluster.create_database()
    store = await open_store(address)
    await store.publish(publication("kept"))
    await store.ingest([event("e")])
    dump, restore, begin = re.findall(
        r"^(?:pg_dump|pg_restore|crucible-ir restore --store postgresql:).*$",
        OPERATIONS,
        re.MULTILINE,
    )
    programs = cluster.programs

    def execute(line: str) -> None:
        words = line.replace("postgresql://localhost/exchange", address).split()
        subprocess.run([programs / words[0], *words[1:]], cwd=tmp_path, check=True)

    await asyncio.to_thread(execute, dump)
    await store.publish(publication("lost"))
    await store.close()
    await asyncio.to_thread(execute, restore)
    store = await open_store(address)
    words = begin.replace("postgresql://localhost/exchange", address).split()[1:]
    await until_listening(address, 1)
    refused = await asyncio.to_thread(run, *words)
    assert refused.status == 2
    assert "servers have the store open" in refused.err
    await store.close()
    ran = await asyncio.to_thread(run, *words, "--format", "json")
    assert json.loads(ran.out)["kept_sequence"] == 1
    store = await open_store(address)
    gap = (await store.changes(2)).gap
    assert gap is not None
    assert gap.reason.value == "restored"
    assert (await store.publish(publication("new"))).record.sequence == gap.through + 1
    await store.close()


def test_a_new_epoch_is_begun_only_in_a_store_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "exchange.db"
    Served(tmp_path).stop()
    before = store.read_bytes()
    bare = run("restore")
    assert (bare.status, store.read_bytes()) == (2, before)
    assert "--store" in bare.err
    named = run("restore", "--store", "exchange.db")
    assert named.status == 0, named.err


def test_what_a_killed_backup_left_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Served(tmp_path).stop()
    killed = "from crucible_ir.exchange.store.engine import backups as b; from pathlib import Path"
    killed += (
        "; import os; b.back_up(Path('exchange.db'), Path('x.backup'), lambda *_: os._exit(9))"
    )
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
        assert len(list(tmp_path.glob(".x.backup.partial-*"))) >= 1
    # Of another file, one that is being written, and not of a backup.
    kept = [tmp_path / f".{name}" for name in ("y.backup.partial-abcdefgh", "x.backup.20261130")]
    writing = tmp_path / ".x.backup.partial-12345678"
    for path in (*kept, writing):
        path.touch()
    with writing.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run("backup", "x.backup").status == 0
    assert {path.name for path in tmp_path.glob(".*")} == {path.name for path in (*kept, writing)}
    assert run("backup", "x.backup", "--force").status == 0
    assert not writing.exists()

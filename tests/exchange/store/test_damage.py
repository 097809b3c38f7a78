"""A SQLite database that lost acknowledged changes is not served without a word."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from exchange.publications import event, publication

from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.engine.mark import find_loss, mark_path, read_mark
from crucible_ir.exchange.store.errors import StoreDamagedError
from crucible_ir.exchange.store.records import GapReason

#: Publishes three documents and ingests an event, checkpoints, and publishes three more. Then it
#: ends without closing the store, so that its log remains.
WRITE = """
import asyncio, os, signal, sqlite3, sys
sys.path.insert(0, sys.argv[3])
from exchange.publications import event, publication
from crucible_ir.exchange.store import open_store

async def main():
    store = await open_store(sys.argv[1])
    first = int(sys.argv[2])
    for number in range(first, first + 6):
        if number == first + 3:
            connection = sqlite3.connect(sys.argv[1])
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
        await store.publish(publication(f"m{number}"))
        await store.ingest([event(f"e{number}")])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""

TESTS = Path(__file__).resolve().parents[2]


def write_and_die(file: Path, first: int = 0) -> None:
    command = [sys.executable, "-c", WRITE, str(file), str(first), str(TESTS)]
    ended = subprocess.run(command, check=False)
    assert ended.returncode == -signal.SIGKILL


def log_of(file: Path) -> Path:
    return file.with_name(file.name + "-wal")


def remove_shared_memory(file: Path) -> None:
    file.with_name(file.name + "-shm").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a store of six changes, three of which are only in the log."""
    folder = tmp_path_factory.mktemp("killed")
    write_and_die(folder / "exchange.db")
    assert log_of(folder / "exchange.db").stat().st_size > 10_000
    return folder


@pytest.fixture
def killed(killed_once: Path, tmp_path: Path) -> Path:
    """A copy of that store."""
    shutil.copytree(killed_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "exchange.db"


async def test_a_killed_server_is_no_false_alarm(killed: Path) -> None:
    marked = read_mark(killed)
    assert marked is not None
    assert (marked.sequence, marked.commits) == (6, 12)
    store = await open_store(killed)
    assert await store.position() == 6
    await store.close()
    assert read_mark(killed) == marked


def cut_off(file: Path) -> None:
    os.truncate(log_of(file), log_of(file).stat().st_size * 2 // 3)


def flip(file: Path) -> None:
    content = bytearray(log_of(file).read_bytes())
    content[len(content) // 2] ^= 1
    log_of(file).write_bytes(content)


def remove_log(file: Path) -> None:
    log_of(file).unlink()


def bring_back_older_copy(file: Path) -> None:
    shutil.copy(file, file.with_suffix(".old"))
    write_and_die(file, 6)
    file.with_suffix(".old").replace(file)
    log_of(file).unlink()


def swap_log_with_an_older_one(file: Path) -> None:
    shutil.copy(log_of(file), file.with_suffix(".old"))
    write_and_die(file, 6)
    file.with_suffix(".old").replace(log_of(file))


def swap_log_with_another_store(file: Path) -> None:
    other = file.with_name("other.db")
    write_and_die(other)
    log_of(other).replace(log_of(file))


def bring_another_store(file: Path) -> None:
    other = file.with_name("other.db")
    write_and_die(other)
    other.replace(file)
    log_of(other).replace(log_of(file))


def remove_database(file: Path) -> None:
    file.unlink()
    log_of(file).unlink()


DAMAGES = [
    cut_off,
    flip,
    remove_log,
    bring_back_older_copy,
    swap_log_with_an_older_one,
    swap_log_with_another_store,
    bring_another_store,
    remove_database,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__)
async def test_damage_is_noticed_at_start_and_changes_nothing(
    killed: Path, damage: Callable[[Path], None]
) -> None:
    damage(killed)
    remove_shared_memory(killed)
    before = {path.name: path.read_bytes() for path in killed.parent.iterdir()}
    before.pop("exchange.db-shm", None)
    with pytest.raises(StoreDamagedError, match="--accept-loss"):
        await open_store(killed)
    after = {path.name: path.read_bytes() for path in killed.parent.iterdir()}
    after.pop("exchange.db-shm", None)
    # An empty log is as good as none.
    assert {name: content for name, content in after.items() if content} == before


@pytest.mark.parametrize("damage", [cut_off, flip, remove_log, bring_back_older_copy])
async def test_an_accepted_loss_begins_an_epoch_after_all_numbers_that_were_used(
    killed: Path, damage: Callable[[Path], None]
) -> None:
    damage(killed)
    remove_shared_memory(killed)
    marked = read_mark(killed)
    assert marked is not None
    store = await open_store(killed, accept_loss=True)
    epoch = (await store.epochs())[-1]
    assert epoch.reason is GapReason.DAMAGED
    assert epoch.lost_after < marked.sequence < epoch.lost_through
    kept = epoch.lost_after
    gap = (await store.changes(kept)).gap
    assert gap is not None
    assert (gap.after, gap.through, gap.reason) == (kept, epoch.lost_through, GapReason.DAMAGED)
    assert (await store.publish(publication("new"))).record.sequence == epoch.lost_through + 1
    await store.close()
    # The next start has nothing to accept.
    assert find_loss(killed) is None
    store = await open_store(killed)
    assert (await store.epochs())[-1] == epoch
    await store.close()


async def test_accepting_a_loss_without_one_changes_nothing(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db", accept_loss=True)
    assert len(await store.epochs()) == 1
    await store.close()


async def test_an_unreadable_mark_is_no_alarm(killed: Path) -> None:
    mark_path(killed).write_text("crucible-ir mark 1 nonsense")
    store = await open_store(killed)
    await store.close()
    assert read_mark(killed) is not None


async def test_servers_that_share_a_file_keep_its_mark(tmp_path: Path) -> None:
    file = tmp_path / "exchange.db"
    one, two = await open_store(file), await open_store(file)
    for number in range(20):
        await asyncio.gather(
            one.publish(publication(f"a{number}")),
            two.publish(publication(f"b{number}")),
            one.ingest([event(f"e{number}")]),
        )
        marked = read_mark(file)
        assert marked is not None
        assert marked.sequence == 2 * number + 2
    await one.close()
    await two.publish(publication("last"))
    marked = read_mark(file)
    assert marked is not None
    assert marked.sequence == 41
    await two.close()


async def test_rejected_changes_and_reads_are_not_counted(tmp_path: Path) -> None:
    file = tmp_path / "exchange.db"
    store = await open_store(file)
    await store.publish(publication("a"))
    before = read_mark(file)
    await store.publish(publication("a"))
    await store.ingest([event("e")])
    await store.ingest([event("e")])
    after = read_mark(file)
    await store.close()
    assert before is not None
    assert after == before._replace(commits=before.commits + 1)


#: Ends the process at the given call of a function of the driver.
KILLED_AT = """
import asyncio, os, signal, sys
sys.path.insert(0, sys.argv[4])
from exchange.publications import event, publication
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.engine import mark, sqlite

def die_at(owner, name, when):
    original = getattr(owner, name)
    calls = [0]
    def replacement(*arguments, **named):
        calls[0] += 1
        if calls[0] == int(sys.argv[3]) and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if calls[0] == int(sys.argv[3]) and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, replacement)

where, when = sys.argv[2].split("/")
owner = {"_text": mark, "begin_epoch": sqlite}.get(where) or (
    mark.Mark if where == "raise_to" else sqlite.SqliteDriver)
die_at(owner, where, when)

async def main():
    store = await open_store(sys.argv[1], accept_loss=True)
    for number in range(20):
        done = await store.publish(publication(f"x{number}"))
        await store.ingest([event(f"x{number}")])
        print(done.record.sequence, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("point", "damage"),
    [
        ("count_commit/before", None),
        ("mark_commit/before", None),
        ("_text/before", None),
        ("mark_commit/after", None),
        ("begin_epoch/before", remove_log),
        ("begin_epoch/after", remove_log),
        ("raise_to/before", remove_log),
        ("raise_to/after", remove_log),
    ],
)
async def test_a_kill_at_any_point_is_no_false_alarm_and_hides_no_loss(
    killed: Path, point: str, damage: Callable[[Path], None] | None
) -> None:
    if damage is not None:
        damage(killed)
        remove_shared_memory(killed)
    call = "1" if damage is not None else "7"
    command = [sys.executable, "-c", KILLED_AT, str(killed), point, call, str(TESTS)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    acknowledged = [int(line) for line in ended.stdout.split()]
    if point in ("begin_epoch/before", "begin_epoch/after"):
        # The new epoch was not committed: the loss must still be accepted.
        with pytest.raises(StoreDamagedError):
            await open_store(killed)
        return
    store = await open_store(killed)
    assert await store.position() >= max(acknowledged, default=0)
    await store.close()

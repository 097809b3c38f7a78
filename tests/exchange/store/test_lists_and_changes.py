"""Lists, revisions and changes of a store: complete, in order, and bounded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from exchange.paging import all_pages
from exchange.publications import publication

from crucible_ir.exchange.store import Store, open_store, sql_store
from crucible_ir.exchange.store.errors import DocumentNotFoundError
from crucible_ir.exchange.store.records import (
    Comparison,
    Condition,
    DeleteCommand,
    ListQuery,
    Scope,
    StoredEntry,
)
from crucible_ir.exchange.store.statements.lists import pages


def ids(entries: list[StoredEntry]) -> list[str]:
    return [entry.record.id for entry in entries]


async def test_list_is_ordered_by_creation_or_by_id_bytes(address: str) -> None:
    store = await open_store(address)
    for id_ in ("b", "a", "B", "é", "z"):
        await store.publish(publication(id_))
    await store.publish(publication("other", type_="ModelRef"))
    await store.publish(publication("b", "changed"))
    newest = await all_pages(store, ListQuery("ModelVersion", limit=2))
    by_id = await all_pages(store, ListQuery("ModelVersion", newest_first=False, limit=2))
    await store.close()
    assert ids(newest) == ["z", "é", "B", "a", "b"]
    assert ids(by_id) == ["B", "a", "b", "z", "é"]
    assert newest[-1].record.revision == 2


@pytest.mark.parametrize("newest_first", [True, False])
async def test_list_has_the_documents_that_a_release_reads(
    address: str, newest_first: bool
) -> None:
    store = await open_store(address)
    releases = ["0.2.0", "0.3.0", "0.10.0", "1.0.0", "0.3.1", "10.0.0", "2.999.999", None]
    for number, release in enumerate(releases):
        await store.publish(publication(f"m{number}", fields=[("owner", "ann")], requires=release))
    await store.publish(publication("gone", requires="10.0.0"))
    await store.delete(DeleteCommand("ModelVersion", "gone"))

    async def found(release: str, **query: Any) -> set[str | None]:
        wanted = ListQuery(
            "ModelVersion", readable_by=release, newest_first=newest_first, limit=2, **query
        )
        entries = await all_pages(store, wanted)
        assert len(entries) == len({entry.record.id for entry in entries})
        return {entry.record.requires for entry in entries}

    assert await found("0.2.0") == {"0.2.0"}
    assert await found("0.9.0") == {"0.2.0", "0.3.0", "0.3.1"}
    assert await found("0.10.0") == {"0.2.0", "0.3.0", "0.3.1", "0.10.0"}
    assert await found("2.100.0") == {"0.2.0", "0.3.0", "0.3.1", "0.10.0", "1.0.0"}
    assert await found("999.999.999") == set(releases) - {None}
    assert await found("0.1.0") == set()
    owner = (Condition("owner", Comparison.EQUALS, "ann"),)
    assert await found("0.3.0", conditions=owner) == {"0.2.0", "0.3.0"}
    # A deleted document has no release, and every release reads that.
    assert await found("0.2.0", include_deleted=True) == {"0.2.0", None}
    await store.close()


async def test_record_has_the_release_of_its_revision(address: str) -> None:
    store = await open_store(address)
    first = publication("m", "one", requires="0.2.0", request_id="r")
    assert (await store.publish(first)).record.requires == "0.2.0"
    await store.publish(publication("m", "two", requires="0.10.0"))
    assert (await store.publish(first)).record.requires == "0.2.0"
    assert (await store.get("ModelVersion", "m")).record.requires == "0.10.0"
    assert (await store.delete(DeleteCommand("ModelVersion", "m"))).requires is None
    history = await store.list_revisions("ModelVersion", "m")
    changes = await store.changes(0)
    await store.close()
    assert [entry.record.requires for entry in history.entries] == [None, "0.10.0", "0.2.0"]
    assert [entry.record.requires for entry in changes.entries] == ["0.2.0", "0.10.0", None]


async def test_conditions_apply_together_to_the_latest_revision(address: str) -> None:
    store = await open_store(address)
    await store.publish(publication("m1", fields=[("stage", "staging"), ("owner", "ann")]))
    await store.publish(publication("m2", fields=[("stage", "production"), ("owner", "anna")]))
    await store.publish(publication("m3", fields=[("stage", "production"), ("owner", "bob")]))
    await store.publish(publication("m1", "two", fields=[("stage", "production"), ("tags", "x")]))

    async def found(*conditions: tuple[str, Comparison, str]) -> set[str]:
        wanted = tuple(Condition(*condition) for condition in conditions)
        return set(ids(await all_pages(store, ListQuery("ModelVersion", wanted))))

    equals, prefix = Comparison.EQUALS, Comparison.PREFIX
    assert await found(("stage", equals, "production")) == {"m1", "m2", "m3"}
    assert await found(("stage", equals, "staging")) == set()
    assert await found(("owner", prefix, "ann")) == {"m2"}
    assert await found(("owner", prefix, ""), ("id", prefix, "m")) == {"m2", "m3"}
    assert await found(("owner", equals, "bob"), ("stage", equals, "production")) == {"m3"}
    assert await found(("id", equals, "m1"), ("tags", equals, "x")) == {"m1"}
    assert await found(("id", prefix, "%")) == set()
    await store.close()


async def test_deleted_documents_are_listed_only_on_request(address: str) -> None:
    store = await open_store(address)
    await store.publish(publication("m1", fields=[("owner", "ann")]))
    await store.publish(publication("m2"))
    await store.delete(DeleteCommand("ModelVersion", "m1"))
    assert ids(await all_pages(store, ListQuery("ModelVersion"))) == ["m2"]
    everything = await all_pages(store, ListQuery("ModelVersion", include_deleted=True))
    assert [(e.record.id, e.record.deleted) for e in everything] == [("m2", False), ("m1", True)]
    await store.close()


async def test_list_is_restricted_to_the_scope(address: str) -> None:
    store = await open_store(address)
    for id_ in ("team-a/1", "team-a/2", "team-b/1", "team-"):
        await store.publish(publication(id_))
    for scope, expected in [
        (Scope(id_prefixes=("team-a/",)), {"team-a/1", "team-a/2"}),
        (Scope(id_prefixes=("team-a/1", "team-b/")), {"team-a/1", "team-b/1"}),
        (Scope(id_prefixes=()), set()),
        (Scope(types=frozenset({"ModelRef"})), set()),
    ]:
        listed = await all_pages(store, ListQuery("ModelVersion", limit=1, scope=scope))
        assert set(ids(listed)) == expected
    await store.close()


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_list_each_document_once_during_changes(
    address: str, newest_first: bool
) -> None:
    store = await open_store(address)
    steady = {f"s{n:03}" for n in range(60)}
    for id_ in sorted(steady):
        await store.publish(publication(id_))
    await store.publish(publication("s030-doomed"))
    query = ListQuery("ModelVersion", newest_first=newest_first, limit=7)
    seen: list[str] = []
    for step in range(100):
        page = await store.list_documents(query)
        seen += ids(page.entries)
        await store.publish(publication(f"a{step}"))
        await store.publish(publication(f"s{step:03}-new"))
        await store.publish(publication("s000", f"changed {step}"))
        if step == 1:
            await store.delete(DeleteCommand("ModelVersion", "s030-doomed"))
        if page.next is None:
            break
        query = replace(query, after=page.next)
    await store.close()
    assert len(seen) == len(set(seen))
    assert steady <= set(seen)


async def test_page_of_large_documents_ends_early(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 1500)
    store = await open_store(address)
    for n in range(5):
        await store.publish(publication(f"m{n}", f"{n}" * 1000))
    query = ListQuery("ModelVersion", include_documents=True)
    page = await store.list_documents(query)
    entries = await all_pages(store, query)
    await store.close()
    assert ids(page.entries) == ["m4", "m3"]
    assert [entry.document for entry in entries] == [
        f"{n}".encode() * 1000 for n in (4, 3, 2, 1, 0)
    ]


async def test_revisions_are_listed_newest_first_page_by_page(address: str) -> None:
    store = await open_store(address)
    for n in range(5):
        await store.publish(publication(body=f"body {n}"))
    first = await store.list_revisions("ModelVersion", "m1", limit=2, include_documents=True)
    assert [entry.document for entry in first.entries] == [b"body 4", b"body 3"]
    assert first.next == 4
    rest = await store.list_revisions("ModelVersion", "m1", before=4, limit=3)
    assert [entry.record.revision for entry in rest.entries] == [3, 2, 1]
    assert rest.next is None
    assert all(entry.document is None for entry in rest.entries)
    with pytest.raises(DocumentNotFoundError):
        await store.list_revisions("ModelVersion", "m0")
    await store.close()


async def test_changes_are_returned_in_order_from_any_sequence_number(address: str) -> None:
    store = await open_store(address)
    await store.publish(publication("m1"))
    await store.publish(publication("m2"))
    await store.delete(DeleteCommand("ModelVersion", "m1"))
    changes = await store.changes(1, limit=1)
    assert [entry.record.id for entry in changes.entries] == ["m2"]
    assert (changes.gap_through, changes.through) == (0, 2)
    rest = await store.changes(2)
    assert [(e.record.sequence, e.record.deleted) for e in rest.entries] == [(3, True)]
    assert (await store.changes(3)).entries == []
    assert (await store.changes(3)).through == 3
    await store.close()


async def test_compaction_keeps_the_latest_revisions_and_reports_the_gap(address: str) -> None:
    store = await open_store(address)
    for n in range(3):
        await store.publish(publication("m1", f"body {n}"))
    await store.publish(publication("m2"))
    await store.publish(publication("m1", "body 3"))
    assert await store.compact(3) == 3
    for revision in (1, 2, 3):
        with pytest.raises(DocumentNotFoundError):
            await store.get("ModelVersion", "m1", revision)
    assert (await store.get("ModelVersion", "m1")).document == b"body 3"
    changes = await store.changes(0)
    assert changes.gap_through == 3
    assert [entry.record.sequence for entry in changes.entries] == [4, 5]
    assert (await store.changes(3)).gap_through == 0
    await store.close()


async def test_compaction_ends_at_the_latest_change(address: str) -> None:
    store = await open_store(address)
    await store.publish(publication("m1"))
    assert await store.compact(100) == 1
    await store.publish(publication("m2"))
    changes = await store.changes(1)
    assert (changes.gap_through, len(changes.entries)) == (0, 1)
    await store.close()


async def test_compaction_removes_revisions_that_an_earlier_one_kept(
    address: str,
) -> None:
    store = await open_store(address)
    for body in ("one", "two"):
        await store.publish(publication("m1", body))
    await store.compact(2)
    assert (await store.get("ModelVersion", "m1", 2)).document == b"two"
    await store.publish(publication("m1", "three"))
    assert await store.compact(2) == 2
    page = await store.list_revisions("ModelVersion", "m1")
    assert [entry.record.revision for entry in page.entries] == [3]
    assert (await store.changes(2)).gap_through == 0
    await store.close()


async def test_compaction_in_steps_equals_compaction_at_once(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_store, "COMPACTION_STEP", 3)
    store = await open_store(address)
    for n in range(40):
        await store.publish(publication(f"m{n % 7}", f"body {n}"))
    assert await store.compact(38) == 38
    # The last of each document: 33 to 39 of the bodies, whose numbers are 34 to 40.
    found = await store.changes(38)
    assert [entry.record.sequence for entry in found.entries] == [39, 40]
    for n in range(7):
        page = await store.list_revisions("ModelVersion", f"m{n}")
        assert len(page.entries) == 1
    assert await store.compact(0) == 38
    await store.close()


async def test_deletions_survive_compaction(address: str) -> None:
    store = await open_store(address)
    await store.publish(publication("m1"))
    await store.delete(DeleteCommand("ModelVersion", "m1"))
    await store.compact(2)
    page = await store.list_revisions("ModelVersion", "m1")
    assert [(entry.record.revision, entry.record.deleted) for entry in page.entries] == [(2, True)]
    assert (await store.publish(publication("m1"))).record.revision == 3
    await store.close()


async def test_last_change_before_a_time_precedes_all_later_changes(
    address: str,
) -> None:
    # The clock goes back and then forward: the third change looks older than the second.
    # The compaction has a time as well.
    moments = iter([100, 300, 200, 400, 500])
    store = await open_store(address, clock=lambda: next(moments))
    assert await store.last_change_before(1000) == 0
    for n in range(4):
        await store.publish(publication(f"m{n}"))
    for time, expected in [(100, 0), (101, 1), (250, 1), (300, 1), (301, 3), (401, 4)]:
        assert await store.last_change_before(time) == expected, time
    await store.compact(3)
    # Only the remaining history counts, and not latest revisions from before it.
    assert await store.last_change_before(150) == 3
    assert await store.last_change_before(401) == 4
    await store.close()


async def test_two_stores_on_one_database_share_sequence_numbers(address: str) -> None:
    one, two = await open_store(address), await open_store(address)
    await asyncio.gather(
        *(one.publish(publication(f"one {n}")) for n in range(30)),
        *(two.publish(publication(f"two {n}")) for n in range(30)),
    )
    changes = await one.changes(0, limit=100)
    await asyncio.gather(one.close(), two.close())
    assert [entry.record.sequence for entry in changes.entries] == list(range(1, 61))
    assert len({entry.record.id for entry in changes.entries}) == 60


async def test_waiting_store_gets_changes_of_another(address: str) -> None:
    one, two = await open_store(address), await open_store(address)

    async def follow() -> str:
        while not (changes := await one.changes(0)).entries:
            await one.wait(0, 60)
        return changes.entries[0].record.id

    following = asyncio.create_task(follow())
    await two.publish(publication("m1"))
    assert await asyncio.wait_for(following, 30) == "m1"
    await asyncio.gather(one.close(), two.close())


async def test_compaction_and_publishing_run_concurrently(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_store, "COMPACTION_STEP", 7)
    store, other = await open_store(address), await open_store(address)
    for n in range(60):
        await store.publish(publication(f"m{n % 5}", f"{n}"))

    async def publish(on: Store, name: str) -> None:
        for n in range(20):
            await on.publish(publication(name, f"{n}"))

    compacted, again, *_ = await asyncio.gather(
        store.compact(60), other.compact(50), publish(store, "a"), publish(other, "b")
    )
    assert compacted == 60
    assert 50 <= again <= 60
    for name, revision in (("a", 20), ("b", 20), ("m0", 12), ("m4", 12)):
        assert (await store.get("ModelVersion", name)).record.revision == revision
    changes = await other.changes(0, limit=1000)
    assert changes.gap_through == 60
    assert [entry.record.sequence for entry in changes.entries] == list(range(61, 101))
    await asyncio.gather(store.close(), other.close())

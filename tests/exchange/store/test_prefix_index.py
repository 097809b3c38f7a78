"""Lists in a scope with prefixes of ids have full pages once the prefixes are indexed."""

from __future__ import annotations

import asyncio

import pytest
from exchange.paging import all_pages
from exchange.publications import publication

from crucible_ir.exchange.store import Store, open_store, prefix_index
from crucible_ir.exchange.store.errors import StoreUnavailableError
from crucible_ir.exchange.store.records import (
    Comparison,
    Condition,
    DeleteCommand,
    ListQuery,
    Page,
    Scope,
)
from crucible_ir.exchange.store.statements import prefixes
from crucible_ir.exchange.store.statements.lists import pages


def ids(page: Page) -> list[str]:
    return [entry.record.id for entry in page.entries]


def scoped(*id_prefixes: str, limit: int = 3) -> ListQuery:
    return ListQuery("ModelVersion", limit=limit, scope=Scope(id_prefixes=id_prefixes))


async def fill(store: Store, count: int = 40) -> None:
    """Publish documents of two teams; one in ten is of team b."""
    for n in range(count):
        team = "b" if n % 10 == 5 else "a"
        await store.publish(publication(f"team-{team}/{n:03}", fields=[("stage", "x")]))


@pytest.fixture(autouse=True)
def few_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a page examine few entries, and a step index few documents."""
    monkeypatch.setattr(pages, "EXAMINED", 6)
    monkeypatch.setattr(pages, "FEW", 1)
    monkeypatch.setattr(prefix_index, "STEP", 3)


async def test_index_of_a_prefix_gives_full_pages(address: str) -> None:
    store = await open_store(address)
    await fill(store)
    await store.publish(publication("team-b/other", type_="ModelRef"))
    query = scoped("team-b/")
    before = await store.list_documents(query)
    assert (ids(before), before.next is None) == (["team-b/035"], False)
    await store.index_prefixes(["team-b/", "team-"])
    assert ids(await store.list_documents(query)) == ["team-b/035", "team-b/025", "team-b/015"]
    # Later publications, new revisions and deletions are in the index.
    await store.publish(publication("team-b/100"))
    await store.publish(publication("team-b/025", "changed"))
    await store.delete(DeleteCommand("ModelVersion", "team-b/015"))
    await store.delete(DeleteCommand("ModelVersion", "team-b/005"))
    await store.publish(publication("team-b/005"))
    page = await store.list_documents(query)
    assert ids(page) == ["team-b/005", "team-b/100", "team-b/035"]
    assert [e.record.id for e in await all_pages(store, query)][3:] == ["team-b/025"]
    both = scoped("team-b/", "team-", limit=100)
    assert len(await all_pages(store, both)) == 40
    stage = (Condition("stage", Comparison.EQUALS, "x"),)
    found = await all_pages(store, ListQuery("ModelVersion", stage, scope=query.scope))
    assert [entry.record.id for entry in found] == ["team-b/035"]
    await store.close()


async def test_prefixes_are_indexed_in_the_background(address: str) -> None:
    store, other = await open_store(address), await open_store(address)
    await fill(store)
    query = scoped("team-b/")
    await store.list_documents(query)
    async with asyncio.timeout(30):
        while len((await store.list_documents(query)).entries) < 3:
            await asyncio.sleep(0.01)
    # Another server of the store stores the prefix too.
    await other.publish(publication("team-b/200"))
    await store.index_prefixes(["team-a/"])
    await other.publish(publication("team-a/201"))
    assert ids(await store.list_documents(query))[0] == "team-b/200"
    assert ids(await store.list_documents(scoped("team-a/")))[0] == "team-a/201"
    await asyncio.gather(store.close(), other.close())


async def test_interrupted_index_is_completed(address: str) -> None:
    store = await open_store(address)
    await fill(store)
    task = asyncio.create_task(store.index_prefixes(["team-a/"]))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])
    await store.close()
    store = await open_store(address)
    await store.publish(publication("team-a/new"))
    await store.index_prefixes(["team-a/"])
    found = [entry.record.id for entry in await all_pages(store, scoped("team-a/"))]
    assert len(found) == len(set(found)) == 37
    assert found[0] == "team-a/new"
    await store.close()


async def test_prefixes_beyond_the_limit_have_smaller_pages(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefixes, "MAX_PREFIXES", 1)
    store = await open_store(address)
    await fill(store)
    await store.index_prefixes(["team-a/", "team-b/", "team-c/"])
    assert len((await store.list_documents(scoped("team-b/"))).entries) == 1
    assert len(await all_pages(store, scoped("team-b/"))) == 4
    assert len((await store.list_documents(scoped("team-a/"))).entries) == 3
    await store.close()


async def test_failure_to_index_does_not_affect_lists(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(address)
    await fill(store)

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the database is busy")

    monkeypatch.setattr(prefixes, "add", fail)
    for _ in range(3):
        assert len(await all_pages(store, scoped("team-b/"))) == 4
        await asyncio.sleep(0.01)
    await store.close()

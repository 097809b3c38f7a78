"""Publishing, deleting and reading documents in every kind of database."""

from __future__ import annotations

import asyncio

import pytest
from exchange.publications import publication

from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.errors import (
    DocumentNotFoundError,
    RequestIdReusedError,
    StaleEtagError,
)
from crucible_ir.exchange.store.records import DeleteCommand, PublishResult, RequestKey

HOSTILE_IDS = [
    "/",
    "..",
    "../../etc/passwd",
    "%",
    "_",
    "a%b",
    "nul\x00inside",
    "\x00",
    "'; DROP TABLE documents; --",
    '"quoted"',
    "\N{SNOWMAN}",
    "\U0010ffff",
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "UPPER",
    "upper",
    " ",
    "x" * 512,
]


async def test_published_document_is_returned_unchanged(address: str) -> None:
    store = await open_store(address, clock=lambda: 1_700_000_000_000_001)
    published = await store.publish(publication(body="\x00\xff text", publisher="ann"))
    entry = await store.get("ModelVersion", "m1")
    await store.close()
    assert entry.document == "\x00\xff text".encode()
    assert entry.record == published.record
    assert (published.created, published.unchanged) == (True, False)
    record = entry.record
    assert (record.type, record.id, record.revision, record.sequence) == (
        "ModelVersion",
        "m1",
        1,
        1,
    )
    assert record.create_time == record.update_time == 1_700_000_000_000_001
    assert (record.publisher, record.deleted) == ("ann", False)


async def test_same_content_adds_no_revision(address: str) -> None:
    store = await open_store(address)
    first = await store.publish(publication())
    again = await store.publish(publication())
    position = await store.position()
    await store.close()
    assert again == PublishResult(first.record, created=False, unchanged=True)
    assert position == 1


async def test_different_content_adds_a_revision(address: str) -> None:
    times = iter([100, 200])
    store = await open_store(address, clock=lambda: next(times))
    first = (await store.publish(publication(body="one"))).record
    second = (await store.publish(publication(body="two"))).record
    old = await store.get("ModelVersion", "m1", 1)
    new = await store.get("ModelVersion", "m1")
    await store.close()
    assert (old.document, new.document) == (b"one", b"two")
    assert (second.revision, second.sequence) == (2, 2)
    assert (second.create_time, second.update_time) == (100, 200)
    assert first.etag != second.etag
    assert old.record == first


async def test_missing_document_is_not_found(address: str) -> None:
    store = await open_store(address)
    await store.publish(publication())
    for type_, id_, revision in [
        ("ModelVersion", "m2", None),
        ("ModelRef", "m1", None),
        ("ModelVersion", "m1", 2),
        ("ModelVersion", "M1", None),
    ]:
        with pytest.raises(DocumentNotFoundError) as caught:
            await store.get(type_, id_, revision)
        assert (caught.value.type, caught.value.id) == (type_, id_)
    with pytest.raises(DocumentNotFoundError):
        await store.list_revisions("ModelVersion", "m2")
    await store.close()


async def test_any_text_is_a_distinct_id(address: str) -> None:
    store = await open_store(address)
    for id_ in HOSTILE_IDS:
        await store.publish(publication(id_, f"body of {id_!r}"))
    for id_ in HOSTILE_IDS:
        entry = await store.get("ModelVersion", id_)
        assert entry.record.id == id_
        assert entry.document == f"body of {id_!r}".encode()
    assert await store.position() == len(HOSTILE_IDS)
    await store.close()


async def test_etag_must_match_the_latest_revision(address: str) -> None:
    store = await open_store(address)
    first = (await store.publish(publication(body="one", etag=""))).record
    second = (await store.publish(publication(body="two", etag=first.etag))).record
    for etag in (first.etag, "", "unheard-of"):
        with pytest.raises(StaleEtagError) as caught:
            await store.publish(publication(body="three", etag=etag))
        assert caught.value.latest == second.etag
    with pytest.raises(StaleEtagError) as missing:
        await store.publish(publication("m2", etag=first.etag))
    assert missing.value.latest == ""
    assert (await store.get("ModelVersion", "m1")).document == b"two"
    await store.close()


async def test_one_of_many_writers_with_one_etag_succeeds(address: str) -> None:
    store = await open_store(address)
    etag = (await store.publish(publication(body="start"))).record.etag
    results = await asyncio.gather(
        *(store.publish(publication(body=f"writer {n}", etag=etag)) for n in range(20)),
        return_exceptions=True,
    )
    won = [result for result in results if isinstance(result, PublishResult)]
    rejected = [result for result in results if isinstance(result, StaleEtagError)]
    assert (len(won), len(rejected)) == (1, 19)
    assert {error.latest for error in rejected} == {won[0].record.etag}
    assert await store.position() == 2
    await store.close()


async def test_repeated_request_returns_the_first_result(
    address: str,
) -> None:
    store = await open_store(address)
    wanted = publication(request_id="r1", publisher="ann", etag="")
    first = await store.publish(wanted)
    await store.publish(publication(body="two", publisher="bob"))
    assert await store.publish(wanted) == first
    assert (await store.get("ModelVersion", "m1")).document == b"two"
    assert await store.position() == 2
    await store.close()


async def test_request_id_belongs_to_one_request_of_one_publisher(address: str) -> None:
    store = await open_store(address)
    await store.publish(publication(request_id="r1", publisher="ann"))
    with pytest.raises(RequestIdReusedError):
        await store.publish(publication(body="two", request_id="r1", publisher="ann"))
    other = await store.publish(publication(body="two", request_id="r1", publisher="bob"))
    assert other.record.revision == 2
    await store.close()


async def test_removed_request_id_can_be_used_again(address: str) -> None:
    times = iter([100, 200, 300, 400])
    store = await open_store(address, clock=lambda: next(times))
    old = publication(body="one", request_id="old")
    await store.publish(old)
    new = publication(body="two", request_id="new")
    remembered = await store.publish(new)
    await store.forget_requests(200)
    assert await store.publish(new) == remembered
    assert (await store.publish(old)).record.revision == 3
    await store.close()


async def test_deletion_is_a_revision_without_a_document(address: str) -> None:
    store = await open_store(address)
    first = (await store.publish(publication())).record
    deleted = await store.delete(
        DeleteCommand("ModelVersion", "m1", publisher="ann", etag=first.etag)
    )
    assert (deleted.revision, deleted.sequence, deleted.deleted, deleted.publisher) == (
        2,
        2,
        True,
        "ann",
    )
    with pytest.raises(DocumentNotFoundError, match="deleted by revision 2"):
        await store.get("ModelVersion", "m1")
    assert (await store.get("ModelVersion", "m1", 1)).document == b"one"
    tombstone = await store.get("ModelVersion", "m1", 2)
    assert (tombstone.record, tombstone.document) == (deleted, None)
    await store.close()


async def test_missing_document_cannot_be_deleted(address: str) -> None:
    store = await open_store(address)
    with pytest.raises(DocumentNotFoundError):
        await store.delete(DeleteCommand("ModelVersion", "m1"))
    latest = (await store.publish(publication())).record
    with pytest.raises(StaleEtagError):
        await store.delete(DeleteCommand("ModelVersion", "m1", etag=latest.etag + "0"))
    await store.delete(DeleteCommand("ModelVersion", "m1"))
    with pytest.raises(DocumentNotFoundError, match="already"):
        await store.delete(DeleteCommand("ModelVersion", "m1"))
    assert await store.position() == 2
    await store.close()


async def test_repeated_deletion_with_its_request_id_returns_the_first_result(address: str) -> None:
    store = await open_store(address)
    await store.publish(publication())
    wanted = DeleteCommand("ModelVersion", "m1", request=RequestKey("r1", b"delete m1"))
    assert await store.delete(wanted) == await store.delete(wanted)
    await store.close()


async def test_deleted_document_can_be_created_again(
    address: str,
) -> None:
    times = iter([100, 200, 300])
    store = await open_store(address, clock=lambda: next(times))
    await store.publish(publication())
    await store.delete(DeleteCommand("ModelVersion", "m1"))
    again = await store.publish(publication(etag=""))
    assert again.created and not again.unchanged
    assert (again.record.revision, again.record.create_time) == (3, 300)
    await store.close()


async def test_preview_returns_the_result_and_stores_nothing(address: str) -> None:
    store = await open_store(address)
    preview = await store.preview(publication())
    assert (preview.created, preview.record.revision) == (True, 1)
    assert (preview.record.sequence, preview.record.etag) == (0, "")
    assert await store.position() == 0
    first = await store.publish(publication())
    assert await store.preview(publication()) == PublishResult(first.record, False, True)
    with pytest.raises(StaleEtagError):
        await store.preview(publication(body="two", etag=""))
    await store.close()


async def test_update_time_never_decreases(address: str) -> None:
    times = iter([500, 100, 50, 400])
    store = await open_store(address, clock=lambda: next(times))
    records = [(await store.publish(publication(body=str(n)))).record for n in range(2)]
    records.append(await store.delete(DeleteCommand("ModelVersion", "m1")))
    records.append((await store.publish(publication(body="4"))).record)
    await store.close()
    assert [record.update_time for record in records] == [500, 500, 500, 500]
    assert [record.sequence for record in records] == [1, 2, 3, 4]


async def test_rejections_leave_no_gaps_in_sequence_numbers(address: str) -> None:
    store = await open_store(address)
    await asyncio.gather(
        *(store.publish(publication(f"m{n}", etag="")) for n in range(50)),
        *(store.publish(publication(f"m{n}", "other", etag="no")) for n in range(50)),
        return_exceptions=True,
    )
    changes = await store.changes(0, limit=1000)
    await store.close()
    assert [entry.record.sequence for entry in changes.entries] == list(range(1, 51))


async def test_documents_persist_when_the_store_is_reopened(address: str) -> None:
    store = await open_store(address)
    first = await store.publish(publication(request_id="r1"))
    await store.close()
    again = await open_store(address)
    assert (await again.get("ModelVersion", "m1")).record == first.record
    assert await again.publish(publication(request_id="r1")) == first
    assert await again.position() == 1
    await again.close()


async def test_cancelled_write_does_not_affect_others(
    address: str,
) -> None:
    store = await open_store(address)
    abandoned = asyncio.create_task(store.publish(publication("m1")))
    await asyncio.sleep(0)
    abandoned.cancel()
    published = await store.publish(publication("m2"))
    assert published.record.id == "m2"
    await store.close()

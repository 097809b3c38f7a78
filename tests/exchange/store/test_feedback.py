"""Feedback events in a store: stored once, exported in order, and counted."""

from __future__ import annotations

import secrets

import pytest
from exchange.publications import event

from crucible_ir.exchange.store import Store, open_store, sql_store
from crucible_ir.exchange.store.records import EventQuery, Scope, SummaryQuery
from crucible_ir.exchange.store.statements import feedback
from crucible_ir.v1 import FeedbackEvent

EVERY_EVENT = EventQuery()


async def exported(store: Store, query: EventQuery = EVERY_EVENT, limit: int = 2) -> list[str]:
    found: list[str] = []
    after, through = 0, await store.last_event()
    while after < through:
        page = await store.export(query, after=after, through=through, limit=limit)
        assert len(page.events) <= limit
        assert after < page.through <= through
        found += [FeedbackEvent.FromString(item.event).id for item in page.events]
        after = page.through
    return found


async def test_event_is_stored_once_and_duplicates_are_listed_by_index(address: str) -> None:
    store = await open_store(address)
    assert await store.ingest([event("a"), event("b")]) == []
    assert await store.ingest([event("c"), event("a"), event("d"), event("c"), event("b")]) == [
        1,
        3,
        4,
    ]
    assert await store.ingest([event("a"), event("a")]) == [0, 1]
    assert await store.ingest([event("e"), event("e"), event("e")]) == [1, 2]
    assert await exported(store) == ["a", "b", "c", "d", "e"]
    assert await store.ingest([]) == []
    await store.close()


async def test_first_of_two_events_with_one_id_is_kept(address: str) -> None:
    store = await open_store(address)
    await store.ingest([event("a", deployment="first")])
    await store.ingest([event("a", deployment="second")])
    assert await exported(store, EventQuery(deployment_id="first")) == ["a"]
    assert await exported(store, EventQuery(deployment_id="second")) == []
    await store.close()


async def test_events_are_filtered_by_each_condition_and_by_all(address: str) -> None:
    store = await open_store(address)
    await store.ingest(
        [
            event("a", deployment="d1", type_="thumbs", version="v1", time=10),
            event("b", deployment="d2", type_="rating", version="v1", time=20),
            event("c", deployment="d1", type_=None, version="v2", time=30),
            event("d", deployment=None, type_="star", version=None, time=-5),
        ]
    )
    for query, expected in [
        (EventQuery(), "abcd"),
        (EventQuery(deployment_id="d1"), "ac"),
        (EventQuery(feedback_types=("rating", "star")), "bd"),
        (EventQuery(model_version="v1"), "ab"),
        (EventQuery(start_time=10), "abc"),
        (EventQuery(end_time=20), "ad"),
        (EventQuery(start_time=10, end_time=30, model_version="v1"), "ab"),
        (EventQuery(scope=Scope(id_prefixes=("b", "d"))), "bd"),
        (EventQuery(scope=Scope(types=frozenset({"ModelRef"}))), ""),
        (EventQuery(scope=Scope(types=frozenset({"FeedbackEvent"}))), "abcd"),
    ]:
        assert "".join(await exported(store, query)) == expected
    await store.close()


async def test_a_scope_may_have_thousands_of_prefixes(address: str) -> None:
    prefixes = tuple(f"p{number:04}" for number in range(2000))
    scope = Scope(id_prefixes=(*prefixes, "p", "é", "q\U0010ffff"))
    store = await open_store(address)
    ids = ("p0000", "p1999-1", "p2000", "q", "q\U0010ffff1", "é", "a")
    await store.ingest([event(id_) for id_ in ids])
    inside = [id_ for id_ in ids if scope.allows("FeedbackEvent", id_)]
    assert await exported(store, EventQuery(scope=scope), 9) == inside
    scope = Scope(id_prefixes=prefixes)
    assert await exported(store, EventQuery(scope=scope), 9) == ["p0000", "p1999-1"]
    [group] = await store.summarize(SummaryQuery(EventQuery(scope=scope)))
    assert group.tally.events == 2
    await store.close()


async def test_names_of_any_length_and_character_are_found(address: str) -> None:
    names = ["", "a\0b", "ü" * 5000, secrets.token_hex(5000), "a"]
    store = await open_store(address)
    for number, name in enumerate(names):
        await store.ingest([event(str(number), deployment=name, version=name, type_=name or None)])
    for number, name in enumerate(names[1:], 1):
        wanted = EventQuery(deployment_id=name, model_version=name, feedback_types=(name,))
        assert await exported(store, wanted) == [str(number)]
    await store.close()


@pytest.mark.parametrize("size", [1, 127, 128, 512])
async def test_events_keep_their_bytes_whatever_comes_first(address: str, size: int) -> None:
    id_, other = "i" * size, "o" * size
    content = FeedbackEvent(id=id_, deployment_id="d").SerializeToString()
    last = (
        FeedbackEvent(user_id="u").SerializeToString() + FeedbackEvent(id=other).SerializeToString()
    )
    store = await open_store(address)
    await store.ingest([event(id_)._replace(event=content), event(other)._replace(event=last)])
    first, second = (await store.export(EventQuery(), after=0, through=2, limit=9)).events
    assert first.event == content
    assert FeedbackEvent.FromString(second.event) == FeedbackEvent(user_id="u", id=other)
    await store.close()


async def test_export_says_who_handed_in_each_event(address: str) -> None:
    store = await open_store(address)
    await store.ingest([event("a", publisher="ann"), event("b"), event("c", publisher="zoë")])
    await store.ingest([event("a", publisher="bob"), event("d", publisher="bob")])
    found = await store.export(EventQuery(), after=0, through=await store.last_event(), limit=9)
    assert [each.publisher for each in found.events] == ["ann", None, "zoë", "bob"]
    await store.close()


async def test_two_stores_give_names_the_same_numbers(address: str) -> None:
    first, second = await open_store(address), await open_store(address)
    for number in range(6):
        store = (first, second)[number % 2]
        await store.ingest([event(str(number), deployment=f"d{number // 2}", publisher="ann")])
    for number in range(3):
        wanted = EventQuery(deployment_id=f"d{number}")
        assert await exported(first, wanted) == [str(2 * number), str(2 * number + 1)]
    await first.close()
    await second.close()


async def test_numbers_of_names_are_found_again_when_there_are_too_many_to_keep(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_store, "MAX_EVENT_NAMES", 3)
    store = await open_store(address)
    for number in range(12):
        await store.ingest([event(str(number), deployment=f"d{number % 4}")])
    assert await exported(store, EventQuery(deployment_id="d3")) == ["3", "7", "11"]
    await store.close()


async def test_event_without_a_time_gets_its_arrival_time(address: str) -> None:
    store = await open_store(address, clock=lambda: 777)
    await store.ingest([event("a", time=None)])
    assert await exported(store, EventQuery(start_time=777, end_time=778)) == ["a"]
    await store.close()


async def test_export_covers_the_events_at_its_start(address: str) -> None:
    store = await open_store(address)
    await store.ingest([event("a"), event("b")])
    through = await store.last_event()
    await store.ingest([event("c")])
    page = await store.export(EventQuery(), after=0, through=through, limit=10)
    assert [item.position for item in page.events] == [1, 2]
    assert page.through == through
    await store.close()


async def test_export_examines_few_events_at_a_time(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "EXAMINED", 3)
    store = await open_store(address)
    await store.ingest(
        [event(f"e{n:02}", type_="rare" if n in (0, 10, 19) else "thumbs") for n in range(20)]
    )
    rare = EventQuery(feedback_types=("rare",))
    through = await store.last_event()
    steps = await store.export(rare, after=1, through=through, limit=10)
    assert (steps.events, steps.through) == ([], 4)
    assert await exported(store, rare) == ["e00", "e10", "e19"]
    assert await exported(store, EventQuery(deployment_id="none")) == []
    await store.close()


async def test_feedback_takes_no_sequence_number(address: str) -> None:
    store = await open_store(address)
    await store.ingest([event("a")])
    assert await store.position() == 0
    await store.close()

"""Filters and orders of lists agree with an evaluation in Python, and invalid ones are rejected."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import Loopback, broken_rules, publish_request, serving

import crucible_ir as ir
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import AsyncExchangeClient, v1
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.statements.lists import pages

#: A document as a plain dictionary, and a condition on it.
Plain = dict[str, Any]
Test = Callable[[Plain], bool]

STAGES = ("staging", "production", "experiment")
OWNERS = ("ann", "anna", "bob", 'b"o b')
TAGS = ("x", "xy", "y z")
NAMES = ("accuracy", "eval/loss")


def random_document(chosen: random.Random, number: int) -> Plain:
    found: Plain = {"id": f"{chosen.choice('abc')}{number:02}", "tags": [], "metrics": {}}
    if chosen.random() < 0.8:
        found["stage"] = chosen.choice(STAGES)
    if chosen.random() < 0.8:
        found["created_by"] = chosen.choice(OWNERS)
    found["tags"] = chosen.sample(TAGS, chosen.randrange(3))
    for name in NAMES:
        if chosen.random() < 0.7:
            found["metrics"][name] = chosen.choice((-1.5, 0.0, 0.5, 0.9, 1e300, float("inf")))
    if chosen.random() < 0.5:
        found["created_at"] = chosen.choice((1, 2, 3))
    return found


def message_of(plain: Plain) -> ir_v1.ModelVersion:
    message = ir.new("ModelVersion", id=plain["id"], model_id="m", version="1.0.0")
    message.tags.extend(plain["tags"])
    message.metrics.update(plain["metrics"])
    if "created_by" in plain:
        message.created_by = plain["created_by"]
    if "stage" in plain:
        if plain["stage"] == "experiment":
            message.custom_stage = "experiment"
        else:
            name = f"MODEL_STAGE_{plain['stage'].upper()}"
            message.MergeFrom(ir_v1.ModelVersion(stage=name))
    if "created_at" in plain:
        message.created_at.FromJsonString(f"2025-01-0{plain['created_at']}T00:00:00Z")
    return message


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def compare(sign: str, one: Any, other: Any) -> bool:
    return bool(
        {
            "=": one == other,
            "<": one < other,
            "<=": one <= other,
            ">": one > other,
            ">=": one >= other,
        }[sign]
    )


def random_leaf(chosen: random.Random) -> tuple[str, Test]:
    kind = chosen.randrange(9)
    if kind == 0:
        some = chosen.sample(STAGES, chosen.randrange(1, 3))
        if len(some) == 1:
            negated = chosen.random() < 0.4
            sign = "!=" if negated else "="
            return f"stage {sign} {some[0]}", lambda d: (d.get("stage") == some[0]) != negated
        return f"stage = ({' OR '.join(some)})", lambda d: d.get("stage") in some
    if kind == 1:
        sign, owner = chosen.choice(("=", "<", "<=", ">", ">=")), chosen.choice(OWNERS)
        return (
            f"created_by {sign} {quoted(owner)}",
            lambda d: "created_by" in d and compare(sign, d["created_by"].encode(), owner.encode()),
        )
    if kind == 2:
        start = chosen.choice(("a", "ann", "b", "zz"))
        return f"created_by = {start}*", lambda d: d.get("created_by", "").startswith(start)
    if kind == 3:
        tag = chosen.choice(TAGS)
        return f"tags:{quoted(tag)}", lambda d: tag in d["tags"]
    if kind == 4:
        return "tags:*", lambda d: bool(d["tags"])
    if kind == 5:
        name, sign = chosen.choice(NAMES), chosen.choice(("=", "<", "<=", ">", ">=", "!="))
        number = chosen.choice((-1.5, 0.0, 0.5, 0.7))
        spelled = f"metrics.{name}" if chosen.random() < 0.5 else f'metrics."{name}"'
        if sign == "!=":
            return f"{spelled} != {number}", lambda d: d["metrics"].get(name) != number
        return (
            f"{spelled} {sign} {number}",
            lambda d: name in d["metrics"] and compare(sign, d["metrics"][name], number),
        )
    if kind == 6:
        name = chosen.choice(NAMES)
        return f"metrics:{name}", lambda d: name in d["metrics"]
    if kind == 7:
        sign, day = chosen.choice(("<", ">=")), chosen.choice((1, 2, 3))
        return (
            f'created_at {sign} "2025-01-0{day}T01:00:00+01:00"',
            lambda d: "created_at" in d and compare(sign, d["created_at"], day),
        )
    start = chosen.choice("abc")
    return f"id = {start}*", lambda d: d["id"].startswith(start)


def random_filter(chosen: random.Random, depth: int) -> tuple[str, Test]:
    shape = chosen.random()
    if not depth or shape < 0.3:
        return random_leaf(chosen)
    if shape < 0.45:
        text, test = random_filter(chosen, depth - 1)
        return f"NOT ({text})", lambda d: not test(d)
    parts = [random_filter(chosen, depth - 1) for _ in range(chosen.randrange(2, 4))]
    tests = [test for _, test in parts]
    if shape < 0.75:
        return " AND ".join(f"({text})" for text, _ in parts), lambda d: all(t(d) for t in tests)
    return " OR ".join(f"({text})" for text, _ in parts), lambda d: any(t(d) for t in tests)


async def listed(server: Loopback, **fields: Any) -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        request = v1.ListRequest(type="ModelVersion", page_size=5, page_token=token, **fields)
        page = await server.exchange.List(request)
        found += [entry.record.id for entry in page.entries]
        token = page.next_page_token
        if not token:
            return found


@pytest.mark.parametrize(("few", "examined"), [(1000, 3000), (0, 9), (4, 30)])
async def test_filters_and_orders_agree_with_an_evaluation_in_python(
    address: str, few: int, examined: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FEW", few)
    monkeypatch.setattr(pages, "EXAMINED", examined)
    chosen = random.Random(few)
    async with serving(await open_store(address)) as server:
        plain = [random_document(chosen, number) for number in range(30)]
        for each in plain:
            await server.exchange.Publish(publish_request(message_of(each)))
        for turn in range(60):
            text, test = random_filter(chosen, 3)
            wanted = [each for each in plain if test(each)]
            name = chosen.choice(NAMES)
            if turn % 3 == 0:
                expected = [each["id"] for each in reversed(wanted)]
                assert await listed(server, filter=text) == expected, text
            elif turn % 3 == 1:
                expected = sorted(each["id"] for each in wanted)
                assert await listed(server, filter=text, order="LIST_ORDER_ID") == expected, text
            else:
                direction = chosen.choice(("", " desc"))
                keys = [(e["metrics"][name], e["id"]) for e in wanted if name in e["metrics"]]
                expected = [id_ for _, id_ in sorted(keys, reverse=bool(direction))]
                order = f"metrics.{name}{direction}"
                assert await listed(server, filter=text, order_by=order) == expected, (text, order)


@pytest.mark.parametrize(
    ("filter_", "rule", "words"),
    [
        ("stage =", "filter.syntax", 'column 8: found the end, expected "("'),
        ("stage = production AND", "filter.syntax", "column 23: found the end"),
        ("stage production", "filter.syntax", "column 7: found 'production', expected"),
        ('created_by = "ann', "filter.syntax", "column 14: a text in quotes has no end"),
        ("stage = *b*", "filter.syntax", "column 9"),
        ("stage = a\0", "filter.syntax", "column 10"),
        ("stag = production", "filter.field_known", 'did you mean "stage"'),
        ("metrics > 1", "filter.field_known", "metrics.accuracy"),
        ("metrics.accuracy > high", "filter.value_known", "column 20: found 'high', expected"),
        ("metrics.accuracy = nan", "filter.value_known", "expected a number"),
        ("created_at > yesterday", "filter.value_known", "RFC 3339"),
        ('created_at > "2025-01-01T00:00:00"', "filter.value_known", "RFC 3339"),
        ("stage > production", "filter.comparison", "has no order"),
        ("created_by:ann", "filter.comparison", '":" is for lists'),
        ("(" * 17 + "stage = a" + ")" * 17, "filter.limits", "16 deep"),
        (" AND ".join(["id = a"] * 65), "filter.limits", "64 comparisons"),
        (f"id = ({' OR '.join(['a'] * 70)})", "filter.limits", "64 comparisons"),
        ("x" * 4097, "string.max_bytes", ""),
    ],
)
async def test_invalid_filters_say_where_and_what_is_expected(
    tmp_path: Any, filter_: str, rule: str, words: str
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await listed(server, filter=filter_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert broken_rules(caught.value) == {("filter", rule)}
    assert words in (caught.value.details() or "")


@pytest.mark.parametrize("order", ["metrics", "accuracy", "metrics.accuracy down", "stage"])
async def test_invalid_orders_are_rejected(tmp_path: Any, order: str) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await listed(server, order_by=order)
        assert broken_rules(caught.value) == {("order_by", "order_by.known")}
        details = caught.value.details() or ""
        assert ("metrics needs the name of a number" in details) == (order == "metrics")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await listed(server, order_by="metrics.a", order="LIST_ORDER_ID")
        assert broken_rules(caught.value) == {("order_by", "order_by.alone")}


async def test_or_binds_more_tightly_than_and(tmp_path: Any) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for id_, owner in (("a", "ann"), ("b", "bob")):
            message = ir.new("ModelVersion", id=id_, model_id="m", version="1.0.0")
            message.created_by = owner
            await server.exchange.Publish(publish_request(message))
        # As AIP-160 has it, and not as most programming languages do.
        assert await listed(server, filter="id = a OR id = b AND created_by = bob") == ["b"]
        assert await listed(server, filter="-id = a") == ["b"]
        async with AsyncExchangeClient(f"127.0.0.1:{server.port}") as client:
            found = client.list_documents("ModelVersion", filter="created_by = (ann OR zoe)")
            assert [entry.record.id async for entry in found] == ["a"]


async def test_numbers_follow_new_revisions_and_named_metrics(address: str) -> None:
    async with serving(await open_store(address)) as server:
        for value in (0.5, 0.9):
            message = ir.new("ModelVersion", id="a", model_id="m", version="1.0.0")
            message.metrics["accuracy"] = value
            message.metrics["broken"] = float("nan") if value == 0.5 else 1.0
            await server.exchange.Publish(publish_request(message))
        assert await listed(server, filter="metrics.accuracy = 0.5") == []
        assert await listed(server, filter="metrics.accuracy = 0.9 AND metrics:broken") == ["a"]
        many = ir.new("ModelVersion", id="many", model_id="m", version="1.0.0")
        many.metrics.update({f"m{number:03}": number for number in range(100)})
        await server.exchange.Publish(publish_request(many))
        assert await listed(server, filter="metrics.m063 = 63") == ["many"]
        assert await listed(server, filter="metrics.m064 = 64") == []
        await server.exchange.Delete(v1.DeleteRequest(type="ModelVersion", id="a"))
        assert await listed(server, order_by="metrics.accuracy") == []

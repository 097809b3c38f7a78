"""The example data: complete, valid, the same each time, and accepted by an exchange."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TypeVar

from exchange.servers import serving
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir.exchange.client.async_client import AsyncExchangeClient
from crucible_ir.schema.types import document_members
from crucible_ir.web.demo.steps import Append, Ingest, Publish, Step
from crucible_ir.web.demo.story import story

T = TypeVar("T")

#: The mistakes that are in the data for the console to show: the id of a document and of a lint.
INTENDED_LINTS = {("router-staging/status", "deployment_status.fractional_traffic")}

#: The types of documents.
TYPES = list(document_members())


def ask(folder: Path, question: Callable[[AsyncExchangeClient], Awaitable[T]]) -> T:
    """Return the answer of a client of the filled exchange."""

    async def answer() -> T:
        async with (
            asyncio.timeout(30),
            serving(folder) as server,
            AsyncExchangeClient(str(server.address)) as client,
        ):
            return await question(client)

    return asyncio.run(answer())


def test_every_type_of_document_is_there(steps: list[Step]) -> None:
    published = {type(step.document).__name__ for step in steps if isinstance(step, Publish)}
    assert published | {"FeedbackEvent"} == set(TYPES)


def test_only_intended_lints_are_found(steps: list[Step]) -> None:
    found = {
        (getattr(step.document, "id", step.id), finding.id)
        for step in steps
        if isinstance(step, Publish)
        for finding in ir.lint(ir.validate(step.document))
    }
    assert found == INTENDED_LINTS


def test_the_same_time_and_seed_give_the_same_story(now: datetime) -> None:
    later = now + timedelta(hours=1)
    assert contents(later, 5) == contents(later, 5)
    assert contents(later, 5) != contents(later, 6)


def contents(now: datetime, seed: int) -> list[bytes]:
    """Return all documents and events of a story, and the first records of each append."""
    messages: list[Message] = []
    for step in story(now, seed):
        match step:
            case Publish():
                messages.append(step.document)
            case Ingest():
                messages += step.events
            case Append():
                messages += islice(step.snapshots(), 3)
    return [message.SerializeToString(deterministic=True) for message in messages]


def test_feedback_differs_visibly_between_two_versions(steps: list[Step]) -> None:
    thumbs: dict[str, Counter[str]] = {}
    for step in steps:
        for event in step.events if isinstance(step, Ingest) else ():
            if event.feedback_type == ir.v1.FeedbackType.FEEDBACK_TYPE_THUMBS:
                value = event.feedback_value.string_value
                thumbs.setdefault(event.model_version, Counter())[value] += 1
    (old, new) = (thumbs[f"ticket-router-{version}"] for version in ("1.2.0", "1.3.0"))
    shares = [counts["up"] / counts.total() for counts in (old, new)]
    # Wald intervals of 95 %, which do not overlap.
    errors = [
        1.96 * math.sqrt(share * (1 - share) / counts.total())
        for share, counts in zip(shares, (old, new), strict=True)
    ]
    assert shares[0] + errors[0] < shares[1] - errors[1]


def test_all_references_lead_somewhere_but_one_missing_and_one_ambiguous(
    folder: Path, steps: list[Step]
) -> None:
    async def unresolved(client: AsyncExchangeClient) -> set[tuple[str, str]]:
        found = set()
        starts = [
            ("FeedbackEvent", step.events[0].id) for step in steps if isinstance(step, Ingest)
        ]
        for name in TYPES:
            async for stored in client.list_documents(name):
                starts.append((name, stored.record.id))
        for start in starts:
            lineage = await client.trace(*start)
            found |= {
                (node.state, str(node.reference))
                for node in lineage.nodes
                if node.state in ("missing", "ambiguous")
            }
        return found

    assert ask(folder, unresolved) == {
        ("missing", "TrainingRun/router-legacy-0031"),
        ("ambiguous", "ModelVersion/1.0.0"),
    }


def test_the_ledger_spreads_over_weeks_and_names_its_publishers(
    folder: Path, now: datetime
) -> None:
    async def revisions(client: AsyncExchangeClient) -> list[tuple[str | None, timedelta]]:
        return [
            (stored.record.publisher, now - stored.record.update_time)
            async for stored in client.list_revisions("ModelVersion", "ticket-router-1.3.0")
        ]

    history = ask(folder, revisions)
    assert [publisher for publisher, _ in history] == ["lena", "mateo", "trainer"]
    assert [round(age / timedelta(days=1), 1) for _, age in history] == [1.1, 9.4, 9.5]


def test_curves_have_all_that_plots_must_show(folder: Path) -> None:
    async def losses(client: AsyncExchangeClient) -> dict[str, tuple[int, list[float]]]:
        found = {}
        for run in ("router-1.3-distil", "router-distil-hot"):
            metrics = await client.read_metrics(run, keys=["loss"], max_points=2_000)
            values = [point.snapshot.values["loss"] for point in metrics.points]
            found[run] = metrics.count, values
        return found

    found = ask(folder, losses)
    count, values = found["router-1.3-distil"]
    assert count == 100_000
    assert all(map(math.isfinite, values)) and values[0] > 5 * values[-1]
    _, values = found["router-distil-hot"]
    assert math.inf in values and math.isnan(values[-1])

"""Measures the exchange against its foundations: bare SQLite, and a bare echo over gRPC.

- **Ingestion** is divided by bare SQLite, which inserts the same encoded events in this process
  with `executemany`, 500 in a transaction: an id with a unique index, and the event's bytes.
  `ExchangeClient.ingest` does more: it encodes the events and sends them to a server in another
  process, which validates them, detects duplicates and maintains three more indexes. Both write to
  the same disk, with a write-ahead log and ``synchronous = FULL``: committed data is on the disk.
- **Get** is divided by a grpc.aio server in another process that returns bytes of the same size,
  and has no services, interceptors, logs or store. The same client calls both. It requests the same
  documents repeatedly, so that the server has them in its cache. The figure for other documents is
  printed too, and has no required ratio.
- With ``--postgresql URL``, only `Get` and publications are measured, on an empty database. What a
  publication costs the server is its own processor time, without that of PostgreSQL.
- Each ratio is the median of several rounds, in which the two subjects alternate.
- For ingestion, the server runs on one half of the cores, and the client and bare SQLite on the
  other. Otherwise Linux may keep communicating processes on one core for tenths of a second while
  another core is idle, and the benchmark would measure that. `Get` and its echo are not pinned.
- If other programs run, ``chrt -f 10 .venv/bin/python benchmarks/exchange.py`` keeps them from
  affecting the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import grpc
import grpc.aio

from crucible_ir import from_dict, native, v1
from crucible_ir.exchange import AsyncExchangeClient, ExchangeClient
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.exchange.content import VERSION_OF_MODEL, field_values
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub
from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceStub

LISTENING: Final = "listening on "
GET: Final = "/crucible_ir.exchange.v1.ExchangeService/Get"
ECHO: Final = "/echo.Echo/Echo"

_CORES: Final = sorted(os.sched_getaffinity(0))
CLIENTS_CORES: Final = _CORES[: len(_CORES) // 2] or _CORES
SERVERS_CORES: Final = _CORES[len(_CORES) // 2 :]

#: The number of rounds of each ratio; in each round the two subjects run one after the other.
ROUNDS: Final = 5
EVENTS_A_ROUND: Final = 50_000
BATCH: Final = 500
CALLS_A_ROUND: Final = 1500
CALLERS: Final = 8
PUBLICATIONS: Final = 3000
PUBLISHERS: Final = 32
WATCHERS: Final = 1000
CHANGES: Final = 20

#: Heavy reads whose callers give up: how many at a time, and after how many seconds. Others are
#: measured meanwhile, after a warm-up.
ABANDONERS: Final = 8
ABANDONED_SECONDS: Final = 0.1

#: The time of the first event, the seconds between two events, and the number of single events that
#: a summary reads.
FIRST_SECOND: Final = 1_740_000_000
SECONDS_AN_EVENT: Final = 3
SINGLE_EVENTS: Final = 90_000
WARM_UP_SECONDS: Final = 2.0
DISTURBED_SECONDS: Final = 5.0

#: What the server validates events with decides how many it ingests.
LEAST_INGESTED: Final = 0.6 if native.status().engine == "native" else 0.4
LEAST_REDACTED: Final = 0.15
LEAST_FETCHED: Final = 0.6
LEAST_FETCHED_REMOTELY: Final = 0.4
LEAST_PUBLISHED: Final = 1000
MOST_SLOWDOWN: Final = 2.0
MOST_CONDITIONS: Final = 3.0

#: The number of pages whose median is taken, and the default number of entries of a page.
PAGES: Final = 40
PAGE: Final = 100
ORDER_NAMES: Final = {
    exchange_v1.ListOrder.LIST_ORDER_NEWEST: "newest first",
    exchange_v1.ListOrder.LIST_ORDER_ID: "by id",
}
MOST_GROWTH: Final = 1.25
STEPS: Final = 10_000
MOST_SECONDS: Final = 5.0
MOST_SPACE: Final = 1.1

VERSION: Final = v1.ModelVersion(
    id="llama_mmlu_3",
    model_id="meta-llama/Llama-3.1-8B",
    version="1.2.0",
    training_run_id="run_001",
    artifact_uri="s3://models/llama-mmlu/1.2.0",
    metrics={"accuracy": 0.5},
)

ORDERS: Final = ("id", "newest")

#: Numbers the rounds, so that each has unused event ids.
_rounds = itertools.count()


@contextmanager
def served(folder: Path, cores: Sequence[int] = _CORES, *options: str) -> Iterator[tuple[str, int]]:
    """Run a server on a store in a folder; yield its address and its process id."""
    command = [sys.executable, "-m", "crucible_ir", "serve", "--listen", "127.0.0.1:0", *options]
    with (
        open(folder / "server.log", "w") as log,
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            os.sched_setaffinity(process.pid, cores)
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(LISTENING):
                sys.exit(f"the server did not start: {(folder / 'server.log').read_text()}")
            yield line.removeprefix(LISTENING).strip(), process.pid
        finally:
            process.terminate()
            process.communicate()


def events(count: int = EVENTS_A_ROUND) -> list[v1.FeedbackEvent]:
    """Return realistic events with unused ids."""
    round_ = next(_rounds)
    event = from_dict(
        {
            "id": "e",
            "deploymentId": "prod-eu-7",
            "modelVersion": "llama_mmlu_3",
            "input": {"prompt": "What is the capital of France?", "params": {"temperature": 0.2}},
            "output": {"text": "Paris.", "usage": {"prompt_tokens": 12, "completion_tokens": 3}},
            "feedbackType": "FEEDBACK_TYPE_RATING",
            "feedbackValue": 4,
            "latencyMs": 182,
            "timestamp": "2025-03-01T12:00:00.250Z",
        },
        v1.FeedbackEvent,
    )
    copies = []
    for number in range(count):
        copy = v1.FeedbackEvent()
        copy.CopyFrom(event)
        copy.id = f"e{round_}-{number}"
        copies.append(copy)
    return copies


def personal_events(count: int = EVENTS_A_ROUND) -> list[v1.FeedbackEvent]:
    """Return events with a user, a session and one text, a tenth of which has something to mask."""
    text = (
        "The answer names the right city but leaves out the sources that I asked for, and the tone"
        " is too casual for a report."
    )
    masked = f"{text} Write to ann.lee@example.com, or 192.0.2.17."
    sent = events(count)
    for number, event in enumerate(sent):
        event.ClearField("input")
        event.ClearField("output")
        event.user_id = f"user-{number % 5000}"
        event.session_id = f"session-{number % 20000}"
        event.comment = masked if number % 10 == 0 else text
    return sent


def measure_ingestion(
    client: ExchangeClient,
    folder: Path,
    make: Callable[[], list[v1.FeedbackEvent]] = events,
    label: str = "events durably ingested",
    required: float = LEAST_INGESTED,
) -> float:
    """Print and return the events ingested a second ÷ the rows that bare SQLite inserts."""
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute("CREATE TABLE IF NOT EXISTS events (id BLOB PRIMARY KEY, event BLOB NOT NULL)")

    def insert(sent: list[v1.FeedbackEvent]) -> None:
        rows = [(event.id.encode(), event.SerializeToString()) for event in sent]
        begun = time.perf_counter()
        for start in range(0, len(rows), BATCH):
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany("INSERT INTO events VALUES (?, ?)", rows[start : start + BATCH])
            bare.execute("COMMIT")
        bare_rates.append(len(rows) / (time.perf_counter() - begun))

    rates: list[float] = []
    bare_rates: list[float] = []
    for _ in range(ROUNDS):
        sent = make()
        insert(sent)
        begun = time.perf_counter()
        report = client.ingest(sent)
        rates.append(len(sent) / (time.perf_counter() - begun))
        if report.accepted != len(sent):
            sys.exit(f"not every event was accepted: {report}")
    bare.close()
    return show(f"{label} ÷ bare SQLite executemany", rates, bare_rates, required)


def serve_echo(pipe: Any, size: int) -> None:
    """Serve answers of one size over bare gRPC."""

    async def echo(request: bytes, context: object) -> bytes:
        return answer

    async def serve() -> None:
        server = grpc.aio.server()
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(echo)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("echo.Echo", {"Echo": handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        pipe.send(port)
        await server.wait_for_termination()

    answer = b"x" * size
    asyncio.run(serve())


async def measure_get(
    address: str, ids: Iterator[str], label: str, required: float | None = None
) -> float:
    """Print and return the documents fetched a second ÷ echoes a second, with several callers.

    Args:
        address: The address of the server.
        ids: The ids of the documents to fetch.
        label: The label of the documents.
        required: The required ratio.
    """
    async with grpc.aio.insecure_channel(address) as channel:
        get: Any = channel.unary_unary(GET, None, None)
        requests = (
            exchange_v1.GetRequest(type="ModelVersion", id=id_).SerializeToString() for id_ in ids
        )
        first = next(requests)
        size = len(await get(first))
        near, far = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=serve_echo, args=(far, size), daemon=True
        )
        process.start()
        try:
            port = await asyncio.to_thread(near.recv)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as bare:
                echo: Any = bare.unary_unary(ECHO, None, None)
                rates, bare_rates = [], []
                for _ in range(ROUNDS):
                    bare_rates.append(await rate_of(echo, [first] * CALLS_A_ROUND))
                    chosen = list(itertools.islice(requests, CALLS_A_ROUND))
                    rates.append(await rate_of(get, chosen))
        finally:
            process.terminate()
            process.join()
    return show(f"Get of {label} ÷ bare grpc.aio echo", rates, bare_rates, required)


async def rate_of(call: Callable[[bytes], Awaitable[object]], requests: list[bytes]) -> float:
    """Return the number of calls a second that several callers make together."""
    waiting = iter(requests)

    async def make_calls() -> None:
        for request in waiting:
            await call(request)

    begun = time.perf_counter()
    await asyncio.gather(*(make_calls() for _ in range(CALLERS)))
    return len(requests) / (time.perf_counter() - begun)


def multiply(database: Path, count: int) -> None:
    """Copy the only document in a store many times, faster than by publishing."""
    with sqlite3.connect(database) as connection:
        for table, keys in (
            ("revisions", ("sequence",)),
            ("documents", ("created_sequence",)),
            ("field_values", ("created_sequence",)),
            ("number_values", ("created_sequence",)),
        ):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            chosen = [
                "CAST(printf('m%08d', n) AS BLOB)" if column == "id" else column
                for column in columns
            ]
            chosen = ["n" if column in keys else column for column in chosen]
            if table == "field_values":
                place = columns.index("value")
                id_ = chosen[columns.index("id")]
                chosen[place] = f"CASE field WHEN 'id' THEN {id_} ELSE value END"
            elif table == "number_values":
                chosen[columns.index("value")] = f"(n * 7919 % {count}) * 1.0 / {count}"
            connection.execute(
                "WITH RECURSIVE numbers(n) AS "
                f"(SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
                f" INSERT INTO {table} ({', '.join(columns)})"
                f" SELECT {', '.join(chosen)} FROM {table}, numbers"
            )
        # Two fields with two values each, which never have the same.
        for field, remainder in (("stage", 0), ("created_by", 1)):
            connection.execute(
                "INSERT INTO field_values (type, field, value, id, created_sequence) SELECT type,"
                f" '{field}', CAST(created_sequence % 2 = {remainder} AS BLOB), id,"
                " created_sequence FROM documents"
            )
        connection.execute("UPDATE counters SET value = ? WHERE name = 'sequence'", (count,))
    connection.close()


def measure_pages(
    client: ExchangeClient,
    count: int,
    order: str,
    where: Mapping[str, str] | None = None,
) -> float:
    """Print and return the cost of the last pages of a long list ÷ that of the first."""
    costs = []
    seen = 0
    begun = time.perf_counter()
    for _ in client.list_documents(v1.ModelVersion, order=order, page_size=1000, where=where):
        seen += 1
        if seen % 1000 == 0:
            costs.append(time.perf_counter() - begun)
            begun = time.perf_counter()
    if seen != count:
        sys.exit(f"{seen} of {count} documents were listed")
    decile = max(1, len(costs) // 10)
    # The minimum leaves out delays that have nothing to do with the position in the list.
    first, last = min(costs[:decile]), min(costs[-decile:])
    listed = f"{seen:,} records, {order}{f', where {next(iter(where))} is one' if where else ''}"
    print(
        f"{listed}, in pages of 1,000: {first * 1e3:.1f} ms the first, "
        f"{last * 1e3:.1f} ms the last; ratio {last / first:.2f} (at most {MOST_SLOWDOWN})"
    )
    return last / first


def token_for(folder: Path, *prefixes: str) -> str:
    """Create a token whose scope has prefixes of ids."""
    command = [sys.executable, "-m", "crucible_ir", "tokens", "create", f"bench-{len(prefixes)}"]
    command += [part for prefix in prefixes for part in ("--id-prefix", prefix)]
    made = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return made.stdout.strip()


def measure_conditions(folder: Path) -> bool:
    """Print the cost of pages with conditions ÷ that without any; return whether all are low."""
    filter_ = exchange_v1.Filter
    some = [f"m{number:04}" for number in range(15)]
    conditions: dict[str, tuple[str, dict[str, Any]]] = {
        "a token with one prefix": (token_for(folder, *some[:1]), {}),
        "a token with 15 prefixes": (token_for(folder, *some), {}),
        "an id prefix": ("", {"filters": [filter_(field="id", prefix="m0000")]}),
        "an id prefix of none": ("", {"filters": [filter_(field="id", prefix="n")]}),
        "values that exclude each other": (
            "",
            {"filters": [filter_(field=name, equals="1") for name in ("stage", "created_by")]},
        ),
        "prefixes of values": (
            "",
            {"filters": [filter_(field=name, prefix="1") for name in ("stage", "created_by")]},
        ),
        "a search": ("", {"filter": "metrics.accuracy > 0.9 AND stage = 1"}),
        "a search by its number": (
            "",
            {
                "filter": "metrics.accuracy > 0.9 AND stage = 1",
                "order_by": "metrics.accuracy desc",
            },
        ),
        "a search of none": ("", {"filter": "metrics.accuracy > 0.1 AND created_by > 2"}),
        "a release that reads none": ("", {"readable_by": "0.0.1"}),
        "deleted documents too": ("", {"include_deleted": True}),
    }
    everything = token_for(folder)
    is_low = True
    with (
        served(folder, _CORES, "--tokens", "tokens.json") as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = ExchangeServiceStub(channel)

        def seconds(order: exchange_v1.ListOrder, token: str, **fields: Any) -> tuple[float, int]:
            """Return the median time of pages, following their tokens, and the mean of entries."""
            times, entries, page_token = [], 0, ""
            if "order_by" in fields:
                order = exchange_v1.ListOrder.LIST_ORDER_UNSPECIFIED
            for _ in range(PAGES):
                request = exchange_v1.ListRequest(
                    type="ModelVersion", order=order, page_token=page_token, **fields
                )
                begun = time.perf_counter()
                page = stub.List(request, metadata=(("authorization", f"Bearer {token}"),))
                times.append(time.perf_counter() - begun)
                entries += len(page.entries)
                page_token = page.next_page_token
            return statistics.median(times), entries // PAGES

        for order, (label, (token, fields)) in itertools.product(ORDER_NAMES, conditions.items()):
            if token:
                # Begin the index of the prefixes, and wait for it.
                while "newest" in ORDER_NAMES[order] and seconds(order, token, **fields)[1] < PAGE:
                    time.sleep(1)
            measured, entries = seconds(order, token or everything, **fields)
            bare, _ = seconds(order, everything)
            ratio = measured / bare
            is_low &= ratio <= MOST_CONDITIONS
            print(
                f"pages of {label}, {ORDER_NAMES[order]}: {measured * 1e3:.1f} ms with"
                f" {entries} entries ÷ {bare * 1e3:.1f} ms without conditions; ratio {ratio:.2f}"
                f" (at most {MOST_CONDITIONS})"
            )
    return is_low


def measure_loops(folder: Path) -> None:
    """Print how long lists by a prefix of the id take, from their first page to the last."""
    with (
        served(folder) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = ExchangeServiceStub(channel)
        for order, prefix in itertools.product(ORDER_NAMES, ("m0", "m0000", "n")):
            begun, pages, entries, page_token = time.perf_counter(), 0, 0, ""
            while pages == 0 or page_token:
                page = stub.List(
                    exchange_v1.ListRequest(
                        type="ModelVersion",
                        order=order,
                        page_size=1000,
                        page_token=page_token,
                        filters=[exchange_v1.Filter(field="id", prefix=prefix)],
                    )
                )
                pages += 1
                entries += len(page.entries)
                page_token = page.next_page_token
            print(
                f"the whole list of ids from {prefix}, {ORDER_NAMES[order]}:"
                f" {time.perf_counter() - begun:.2f} s, {pages:,} pages, {entries:,} entries"
            )


async def measure_watchers(address: str) -> bool:
    """Print how fast many watches receive changes; return whether each received all of them."""
    async with AsyncExchangeClient(address, timeout=120) as client:
        watches = [client.watch(types=[v1.ModelRef]) for _ in range(WATCHERS)]
        await asyncio.gather(*(watch.begin() for watch in watches))
        begun = time.perf_counter()
        for number in range(CHANGES):
            await client.publish(v1.ModelRef(id=f"watched-{number}"))

        async def sequences(watch: AsyncIterator[Any]) -> list[int]:
            return [(await anext(watch)).record.sequence for _ in range(CHANGES)]

        received = await asyncio.gather(*map(sequences, watches))
        seconds = time.perf_counter() - begun
        await asyncio.gather(*(watch.close() for watch in watches))
    same = all(each == received[0] for each in received) and len(set(received[0])) == CHANGES
    rate = WATCHERS * CHANGES / seconds
    print(f"{WATCHERS:,} watches received {CHANGES} changes each: {rate:,.0f} a second")
    return same


async def measure_abandoned(address: str, tokens: Sequence[str]) -> float:
    """Print and return how long others wait while heavy reads are abandoned ÷ the most they may.

    Args:
        address: The address of a server with many documents and events.
        tokens: The tokens of the callers: of the one that is measured, and of those that give up.
    """
    token, *others = tokens

    async def abandon(number: int, token: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            feedback: Any = FeedbackServiceStub(cast("Any", channel))
            # Buckets of less than an hour are counted from the single events.
            start = datetime.fromtimestamp(FIRST_SECOND, UTC)
            end = start + timedelta(seconds=SECONDS_AN_EVENT * SINGLE_EVENTS)
            summary = exchange_v1.SummarizeRequest(
                bucket=timedelta(minutes=1), start_time=start, end_time=end
            )

            async def summarize(**options: Any) -> None:
                await feedback.Summarize(summary, **options)

            async def export(**options: Any) -> None:
                async for _ in feedback.Export(exchange_v1.ExportRequest(), **options):
                    pass

            heavy = (summarize, export)[number % 2]
            while True:
                with suppress(grpc.aio.AioRpcError):
                    await heavy(
                        timeout=ABANDONED_SECONDS,
                        metadata=(("authorization", f"Bearer {token}"),),
                    )

    async def percentile(seconds: float) -> float:
        async with AsyncExchangeClient(address, token=token) as client:
            taken = []
            until = time.perf_counter() + seconds
            while (begun := time.perf_counter()) < until:
                await client.get(v1.ModelVersion, VERSION.id)
                middle = time.perf_counter()
                await anext(aiter(client.list_documents(v1.ModelVersion, page_size=100)))
                taken += [middle - begun, time.perf_counter() - middle]
                await asyncio.sleep(0.005)
        return sorted(taken)[len(taken) * 99 // 100]

    await percentile(1)
    undisturbed = await percentile(DISTURBED_SECONDS)
    tasks = [asyncio.create_task(abandon(*each)) for each in enumerate(others)]
    try:
        await asyncio.sleep(WARM_UP_SECONDS)
        disturbed = await percentile(DISTURBED_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    most = 3 * undisturbed + 0.02
    print(
        f"p99 of Get and List while {len(others)} callers abandon heavy reads:"
        f" {disturbed * 1e3:.1f} ms, undisturbed {undisturbed * 1e3:.1f} ms"
        f" (at most {most * 1e3:.1f} ms)"
    )
    return disturbed / most


def measure_publications(address: str, pid: int) -> float:
    """Print the documents published a second, in batches and one by one; return the former.

    In batches, 16 are in progress; of the others `PUBLISHERS`. Each first round creates the
    documents, and the others add revisions.
    """

    def publish_in_batches(documents: Sequence[v1.ModelVersion]) -> None:
        with ExchangeClient(address) as client:
            for published in client.publish_many(documents):
                if published.error is not None:
                    sys.exit(f"not every document was published: {published.error}")

    async def publish_one_by_one(documents: Sequence[v1.ModelVersion]) -> None:
        async with AsyncExchangeClient(address) as client:
            waiting = iter(documents)

            async def publish() -> None:
                for document in waiting:
                    await client.publish(document)

            await asyncio.gather(*(publish() for _ in range(PUBLISHERS)))

    def measure(
        label: str, prefix: str, publish: Callable[[Sequence[v1.ModelVersion]], object]
    ) -> float:
        rates, costs = [], []
        for round_ in range(ROUNDS):
            documents = []
            for number in range(PUBLICATIONS):
                version = v1.ModelVersion()
                version.CopyFrom(VERSION)
                version.id = f"{prefix}{number:08}"
                version.metrics["accuracy"] = (round_ + number / PUBLICATIONS) / ROUNDS
                documents.append(version)
            begun, used = time.perf_counter(), processor_time_of(pid)
            publish(documents)
            rates.append(PUBLICATIONS / (time.perf_counter() - begun))
            costs.append((processor_time_of(pid) - used) / PUBLICATIONS)
        rate = statistics.median(rates)
        cost = statistics.median(costs) * 1e3
        print(
            f"documents published {label}: {rate:,.0f} a second, {cost:.2f} ms of a processor of"
            " the server for each"
        )
        return rate

    rate = measure("in batches", "m", publish_in_batches)
    measure(
        f"one by one, {PUBLISHERS} in flight",
        "n",
        lambda documents: asyncio.run(publish_one_by_one(documents)),
    )
    return rate


def measure_postgresql(folder: Path, url: str) -> list[bool]:
    """Measure a server on a database of PostgreSQL; return whether each figure is reached."""
    with served(folder, _CORES, "--store", url) as (address, pid):
        with ExchangeClient(address) as client:
            client.publish(VERSION)
        published = measure_publications(address, pid)
        print(f"(at least {LEAST_PUBLISHED} a second in batches)")
    with served(folder, _CORES, "--store", url) as (address, _):
        same = itertools.repeat(VERSION.id)
        gotten = asyncio.run(measure_get(address, same, "a document", LEAST_FETCHED_REMOTELY))
        others = (f"m{number % PUBLICATIONS:08}" for number in itertools.count())
        asyncio.run(measure_get(address, others, "many documents"))
    return [published >= LEAST_PUBLISHED, gotten >= LEAST_FETCHED_REMOTELY]


def measure_abandoned_reads(folder: Path, events_count: int) -> float:
    """Ingest events into the store in a folder, and measure abandoned reads on it."""
    with served(folder) as (address, _), ExchangeClient(address) as client:
        client.ingest(
            event
            for start in range(0, events_count, EVENTS_A_ROUND)
            for event in spread(events(min(EVENTS_A_ROUND, events_count - start)), start)
        )
    file = TokenFile(folder / "tokens.json")
    tokens = [file.create(f"caller-{number}", Role.READER)[1] for number in range(1 + ABANDONERS)]
    with served(folder, _CORES, "--tokens", "tokens.json") as (address, _):
        return asyncio.run(measure_abandoned(address, tokens))


def spread(sent: list[v1.FeedbackEvent], start: int) -> Iterator[v1.FeedbackEvent]:
    """Yield events at times of their own, with different latencies."""
    for number, event in enumerate(sent, start):
        event.timestamp.FromSeconds(FIRST_SECOND + SECONDS_AN_EVENT * number)
        event.latency_ms = 50 + number * 7919 % 3000
        yield event


async def measure_appends(address: str, pid: int, folder: Path) -> bool:
    """Print how long runs take that grow step by step; return whether each is fast enough."""

    def snapshots(first: int, count: int) -> list[v1.MetricsSnapshot]:
        return [
            v1.MetricsSnapshot(
                step=step, values={"loss": 1 / (1 + step), "accuracy": step / STEPS, "lr": 1e-3}
            )
            for step in range(first, first + count)
        ]

    config = v1.TrainingConfig(
        id="sft", model_ref=v1.ModelRef(id="llama"), dataset_ref=v1.DatasetRef(name="mmlu")
    )
    good = []
    async with AsyncExchangeClient(address) as client:
        for batch, callers in ((10, 1), (1, CALLERS)):
            id_ = f"run-{batch}"
            await client.publish(v1.TrainingRun(id=id_, config=config))
            starts = iter(range(0, STEPS, batch))

            async def append(id_: str, batch: int, starts: Iterator[int]) -> None:
                for first in starts:
                    await client.append_metrics(id_, snapshots(first, batch))

            begun, used = time.perf_counter(), processor_time_of(pid)
            await asyncio.gather(*(append(id_, batch, starts) for _ in range(callers)))
            seconds = time.perf_counter() - begun
            cost = (processor_time_of(pid) - used) / STEPS * batch
            required = f" (at most {MOST_SECONDS})" if batch > 1 else ""
            good.append(not required or seconds <= MOST_SECONDS)
            print(
                f"{STEPS:,} steps appended to a run, {batch} at a time, {callers} in flight:"
                f" {seconds:.1f} s{required}; {cost * 1e3:.2f} ms of a processor of the server for"
                " each call"
            )
        whole = (await client.get(v1.TrainingRun, "run-10")).document
    assert whole is not None
    with sqlite3.connect(folder / "exchange.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [stored] = connection.execute(
            "SELECT sum(length(data)) FROM run_chunks WHERE id = CAST('run-10' AS BLOB)"
        ).fetchone()
    connection.close()
    ratio = stored / whole.ByteSize()
    good.append(ratio <= MOST_SPACE)
    print(f"space of its snapshots ÷ the document: {ratio:.2f} (at most {MOST_SPACE})")
    return all(good)


def soak(client: ExchangeClient, pid: int, seconds: float) -> float:
    """Publish for some time; print and return the server's memory at the end ÷ after a third."""
    samples = []
    begun = time.perf_counter()
    number = 0
    while (spent := time.perf_counter() - begun) < seconds:
        version = v1.ModelVersion()
        version.CopyFrom(VERSION)
        version.id = f"soak-{number % 1000}"
        version.metrics["accuracy"] = number
        client.publish(version)
        client.get(v1.ModelVersion, version.id)
        if number % 50 == 0:
            client.ingest(events(BATCH))
            samples.append((spent, memory_of(pid)))
        number += 1
    middle = [size for at, size in samples if at > seconds / 3][:10]
    growth = statistics.median(size for _, size in samples[-10:]) / statistics.median(middle)
    print(
        f"soak of {seconds:g} s, {number:,} revisions: {samples[-1][1] / 1e6:.0f} MB, "
        f"{growth:.2f} of the memory after a third of the time (at most {MOST_GROWTH})"
    )
    return growth


def processor_time_of(pid: int) -> float:
    """Return the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def show(label: str, rates: list[float], bare_rates: list[float], required: float | None) -> float:
    """Print two rates and the median ratio of the rounds, and return the ratio."""
    ratio = statistics.median(
        rate / bare_rate for rate, bare_rate in zip(rates, bare_rates, strict=True)
    )
    print(
        f"{label}: {statistics.median(rates):,.0f} ÷ {statistics.median(bare_rates):,.0f} a second,"
        f" ratio {ratio:.2f}{'' if required is None else f' (at least {required})'}"
    )
    return ratio


def main() -> int:
    """Measure and print every figure; return 1 if a required one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soak", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument(
        "--records",
        type=int,
        default=100_000,
        metavar="N",
        help="the number of listed documents (default: %(default)s; a million takes minutes)",
    )
    parser.add_argument("--events", type=int, default=300_000, metavar="N")
    parser.add_argument("--postgresql", metavar="URL")
    options = parser.parse_args()
    if options.postgresql is not None:
        with tempfile.TemporaryDirectory() as name:
            return 0 if all(measure_postgresql(Path(name), options.postgresql)) else 1
    print(f"engine: {native.status()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.sched_setaffinity(0, CLIENTS_CORES)
        with served(folder, SERVERS_CORES) as (address, _), ExchangeClient(address) as client:
            client.publish(VERSION)
            good = [measure_ingestion(client, folder) >= LEAST_INGESTED]
            client.set_feedback_config(v1.FeedbackConfig(anonymize_pii=True))
            ratio = measure_ingestion(
                client, folder, personal_events, "events ingested and redacted", LEAST_REDACTED
            )
            good.append(ratio >= LEAST_REDACTED)
            client.set_feedback_config(None)
        os.sched_setaffinity(0, _CORES)
        with served(folder) as (address, _):
            same = itertools.repeat(VERSION.id)
            gotten = asyncio.run(measure_get(address, same, "a document", LEAST_FETCHED))
            good.append(gotten >= LEAST_FETCHED)
        with tempfile.TemporaryDirectory() as empty, served(Path(empty)) as (address, pid):
            good.append(measure_publications(address, pid) >= LEAST_PUBLISHED)
        multiply(folder / "exchange.db", options.records)
        with served(folder) as (address, pid), ExchangeClient(address) as client:
            others = (f"m{number:08}" for number in itertools.count(2))
            if options.records > CALLS_A_ROUND * ROUNDS + 2:
                asyncio.run(measure_get(address, others, "documents that are not cached"))
            # Filter by each indexed field; all documents have the same values.
            filters = [
                {field: value}
                for field, value in field_values(VERSION)
                if field not in ("id", VERSION_OF_MODEL)
            ]
            for where, order in itertools.product((None, *filters), ORDERS):
                slowdown = measure_pages(client, options.records, order, where)
                good.append(slowdown <= MOST_SLOWDOWN)
        good.append(measure_conditions(folder))
        measure_loops(folder)
        with served(folder) as (address, pid), ExchangeClient(address) as client:
            good.append(asyncio.run(measure_watchers(address)))
        good.append(measure_abandoned_reads(folder, options.events) <= 1)
        with served(folder) as (address, pid), ExchangeClient(address) as client:
            good.append(asyncio.run(measure_appends(address, pid, folder)))
            good.append(soak(client, pid, options.soak) <= MOST_GROWTH)
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

"""A server is killed again and again while clients use it: nothing is lost, and nothing doubled.

Each run kills it 20 times on each database; ``CRUCIBLE_IR_KILLS=1000`` makes that more.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exchange.ports import kept_port

from crucible_ir import v1
from crucible_ir.exchange import Change, ExchangeClient, Gap, RetryPolicy, Watch

KILLS = int(os.environ.get("CRUCIBLE_IR_KILLS", "20"))

#: The most events that clients hand in, which the test then exports.
MOST_EVENTS = 200 * KILLS

RETRY = RetryPolicy(first_delay=0.01, longest_delay=0.05)

#: Forks servers from a process that has imported everything, which starts them faster.
_fork = multiprocessing.get_context("forkserver")
_fork.set_forkserver_preload(
    [
        "crucible_ir.cli.program",
        "crucible_ir.cli.commands.exchange.serve",
        "crucible_ir.exchange.server.serving",
        "crucible_ir.exchange.server.services.registration",
        "crucible_ir.exchange.store.opening",
        "crucible_ir.exchange.store.engine.sqlite",
        "crucible_ir.exchange.store.engine.postgresql",
    ]
)


def serve(address: str, port: int, log: Path) -> None:
    """Run a server in this process."""
    from crucible_ir.cli.program import program

    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    program(["serve", "--store", address, "--listen", f"127.0.0.1:{port}"])


class Workload:
    """Clients that publish, ingest and watch until they are told to stop."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.published: list[int] = []
        self.events = 0
        self.watched: list[Change | Gap] = []
        self.errors: list[BaseException] = []
        self.stop = threading.Event()
        self.all_published = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self._guard, args=(work,))
            for work in (self._publish, self._ingest, self._watch)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def client(self) -> ExchangeClient:
        return ExchangeClient(self.address, timeout=60, retry=RETRY)

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.errors.append(error)
            self.stop.set()

    def _publish(self) -> None:
        with self.client() as client:
            while not self.stop.is_set():
                number = len(self.published)
                published = client.publish(v1.ModelRef(id=f"m{number}"))
                assert published.created
                self.published.append(published.record.sequence)
        self.all_published.set()

    def _ingest(self) -> None:
        with self.client() as client, client.ingestion(max_events=20) as ingestion:
            while not self.stop.is_set() and self.events < MOST_EVENTS:
                ingestion.add(v1.FeedbackEvent(id=f"e{self.events}"))
                self.events += 1

    def _watch(self) -> None:
        with self.client() as client, client.watch(0) as watch:
            reading = threading.Thread(target=self._read, args=(watch,))
            reading.start()
            self.stop.wait()
            self.all_published.wait(60)
            deadline = time.monotonic() + 30
            while len(self.watched) < len(self.published) and time.monotonic() < deadline:
                time.sleep(0.02)
            watch.close()
            reading.join()

    def _read(self, watch: Watch) -> None:
        self.watched.extend(watch)


def test_kills_lose_and_double_nothing(address: str, tmp_path: Path) -> None:
    port = kept_port()
    log = tmp_path / "server.log"
    chance = random.Random(KILLS)
    workload = Workload(f"127.0.0.1:{port}")

    def start() -> multiprocessing.process.BaseProcess:
        # A daemon ends with this process, also if the test fails.
        process = _fork.Process(target=serve, args=(address, port, log), daemon=True)
        process.start()
        return process

    server = start()
    with workload.running():
        for _ in range(KILLS):
            done = len(workload.published)
            while len(workload.published) < done + 5 and not workload.errors:
                assert server.is_alive(), log.read_text()
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.03))
            server.kill()
            server.join()
            server = start()
    with workload.client() as client:
        events = [event.id for event in client.export()]
        records = {each.record.id: each.record for each in client.list_documents(v1.ModelRef)}
    server.kill()
    server.join()
    assert not workload.errors
    assert sorted(events) == sorted(f"e{number}" for number in range(workload.events))
    # Each document has one revision and one change, in the order of the publications.
    count = len(workload.published)
    assert workload.published == list(range(1, count + 1))
    assert {id_: (each.revision, each.sequence) for id_, each in records.items()} == {
        f"m{number}": (1, number + 1) for number in range(count)
    }
    assert [
        each if isinstance(each, Gap) else each.record.sequence for each in workload.watched
    ] == list(range(1, count + 1))

"""Calls are retried if the error is transient and a repetition is safe."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from exchange.client.served import Served, Wire
from exchange.ports import kept_port

from crucible_ir import v1
from crucible_ir.exchange import (
    DeadlineExceededError,
    EventFilter,
    ExchangeClient,
    ExchangeError,
    NotFoundError,
    RetryPolicy,
    UnavailableError,
)
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.exchange.client.retrying import Attempts, is_idempotent

QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.1)


def version() -> v1.ModelVersion:
    return v1.ModelVersion(id=f"m-{uuid.uuid4()}", model_id="gpt2", version="1.0.0")


def test_a_call_is_retried_until_the_server_starts(served: Served) -> None:
    served.stop()
    with ExchangeClient(served.address, timeout=60, retry=QUICK) as client:
        starting = threading.Timer(0.3, served.start)
        starting.start()
        assert client.publish(version()).created
        starting.join()


def test_retries_end_at_the_timeout() -> None:
    with ExchangeClient(f"127.0.0.1:{kept_port()}", timeout=0.3, retry=QUICK) as client:
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            client.get("ModelVersion", "m")
        assert time.monotonic() - started < 20


def test_a_policy_of_one_attempt_does_not_retry(shared: Served) -> None:
    wire = Wire(shared.port)
    with ExchangeClient(wire.address, retry=RetryPolicy(most_attempts=1)) as client:
        client.publish(version())
        wire.close()
        with pytest.raises(UnavailableError):
            client.publish(version())


def test_a_publication_whose_answer_was_lost_is_stored_once(
    client: ExchangeClient, shared: Served, wire: Wire
) -> None:
    message = version()
    with (
        ExchangeClient(wire.address, retry=QUICK) as cut_off,
        client.watch(types=[v1.ModelVersion], id_prefix=message.id) as watch,
    ):
        cut_off.summarize(EventFilter(deployment_id="none"))
        wire.swallow_answers = True

        def cut() -> None:
            next(watch)
            wire.swallow_answers = False
            wire.cut()

        cutting = threading.Thread(target=cut)
        cutting.start()
        published = cut_off.publish(message)
        cutting.join()
    assert wire.connections == 2
    assert (published.created, published.unchanged, published.record.revision) == (True, False, 1)
    assert len(list(client.list_revisions(v1.ModelVersion, message.id))) == 1


def test_a_deletion_whose_answer_was_lost_returns_the_first_result(
    client: ExchangeClient, wire: Wire
) -> None:
    message = version()
    client.publish(message)
    with (
        ExchangeClient(wire.address, retry=QUICK) as cut_off,
        client.watch(id_prefix=message.id) as watch,
    ):
        cut_off.summarize(EventFilter(deployment_id="none"))
        wire.swallow_answers = True

        def cut() -> None:
            next(watch)
            wire.swallow_answers = False
            wire.cut()

        cutting = threading.Thread(target=cut)
        cutting.start()
        deletion = cut_off.delete(v1.ModelVersion, message.id)
        cutting.join()
    assert (deletion.revision, deletion.deleted) == (2, True)


def test_changes_are_idempotent_only_with_a_request_id() -> None:
    assert not is_idempotent(exchange_v1.PublishRequest())
    assert is_idempotent(exchange_v1.PublishRequest(request_id="r"))
    assert not is_idempotent(exchange_v1.DeleteRequest(type="ModelRef", id="m"))
    assert is_idempotent(exchange_v1.GetRequest(type="ModelRef", id="m"))


def test_only_transient_errors_of_idempotent_calls_are_retried() -> None:
    transient = UnavailableError("gone", code="UNAVAILABLE")
    with pytest.raises(UnavailableError):
        Attempts(QUICK, 60, idempotent=False).delay_after(transient)
    for error in (
        NotFoundError("none", code="NOT_FOUND"),
        DeadlineExceededError("late", code="DEADLINE_EXCEEDED"),
        ExchangeError("broken", code="INTERNAL"),
    ):
        with pytest.raises(type(error)):
            Attempts(QUICK, 60).delay_after(error)


def test_delays_grow_to_the_longest_and_are_reset_by_a_success() -> None:
    transient = UnavailableError("gone", code="UNAVAILABLE")
    attempts = Attempts(RetryPolicy(first_delay=1, factor=2, longest_delay=5), None)
    for bound in (1, 2, 4, 5, 5):
        assert bound / 2 <= attempts.delay_after(transient) <= bound
    attempts.succeeded()
    assert 0.5 <= attempts.delay_after(transient) <= 1


def test_a_call_without_an_answer_times_out(wire: Wire) -> None:
    with ExchangeClient(wire.address) as client:
        client.summarize(EventFilter(deployment_id="none"))
        wire.silent = True
        with pytest.raises(DeadlineExceededError):
            client.get("ModelVersion", "m", timeout=0.2)


def test_an_ingestion_resumes_over_a_new_connection(client: ExchangeClient, wire: Wire) -> None:
    name = str(uuid.uuid4())
    with ExchangeClient(wire.address, timeout=1.0, retry=QUICK) as cut_off:
        sent = [v1.FeedbackEvent(id=f"{name}/{number}", deployment_id=name) for number in range(20)]
        with cut_off.ingestion(max_events=1) as ingestion:
            for number, event in enumerate(sent):
                if number == 10:
                    ingestion.flush()
                    wire.silent = True
                    ingestion.add(event)
                    wait_until_stored(client, event.id)
                    wire.silent = False
                    wire.cut()
                else:
                    ingestion.add(event)
    assert {event.id for event in client.export(EventFilter(deployment_id=name))} == {
        event.id for event in sent
    }
    assert ingestion.report.total == 20
    assert ingestion.report.resent >= 1
    assert wire.connections == 2


def wait_until_stored(client: ExchangeClient, id_: str) -> None:
    """Wait until the server has an event whose acknowledgement does not arrive."""
    while True:
        try:
            client.trace(v1.FeedbackEvent, id_)
        except NotFoundError:
            time.sleep(0.01)
        else:
            return


def test_an_ingestion_without_an_answer_times_out(wire: Wire) -> None:
    with ExchangeClient(wire.address, timeout=0.3, retry=QUICK) as client:
        client.summarize(EventFilter(deployment_id="none"))
        wire.silent = True
        with pytest.raises(UnavailableError, match=r"sent nothing for 0\.3 s"):
            client.ingest([v1.FeedbackEvent(id=str(uuid.uuid4()))])


def test_an_export_resumes_after_a_broken_connection(client: ExchangeClient, wire: Wire) -> None:
    name = str(uuid.uuid4())
    ids = [f"{name}/{number}" for number in range(3000)]
    body = {"text": "x" * 1000}
    sent = [v1.FeedbackEvent(id=id_, deployment_id=name) for id_ in ids]
    for event in sent:
        event.input.update(body)
    client.ingest(sent)
    with ExchangeClient(wire.address, retry=QUICK) as cut_off:
        found = []
        for event in cut_off.export(EventFilter(deployment_id=name), batch_size=10):
            found.append(event.id)
            if len(found) in (500, 1500):
                wire.cut()
    assert found == ids
    assert wire.connections == 3

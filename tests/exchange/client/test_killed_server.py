"""A server is killed during calls: nothing acknowledged is lost, and nothing is duplicated."""

from __future__ import annotations

import threading

import pytest
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.exchange import Change, ExchangeClient, Gap, Outcome, RetryPolicy, UnavailableError

QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.1)


def event(number: int) -> v1.FeedbackEvent:
    return v1.FeedbackEvent(id=f"e{number}", deployment_id="d")


def version(number: int) -> v1.ModelVersion:
    return v1.ModelVersion(id=f"m{number}", model_id="gpt2", version="1.0.0")


def test_an_ingestion_survives_a_killed_server(served: Served) -> None:
    with ExchangeClient(served.address, timeout=60, retry=QUICK) as client:
        with client.ingestion(max_events=20) as ingestion:
            for number in range(4000):
                ingestion.add(event(number))
                if number in (1000, 3000):
                    assert ingestion.report.accepted
                    served.kill()
                    served.start()
        found = [event.id for event in client.export()]
    assert sorted(found) == sorted(f"e{number}" for number in range(4000))
    report = ingestion.report
    assert report.accepted + report.duplicates == 4000
    assert report.resent > 0


def test_events_acknowledged_before_a_kill_are_stored(served: Served) -> None:
    with ExchangeClient(served.address, timeout=60, retry=RetryPolicy(most_attempts=1)) as client:
        ingestion = client.ingestion(max_events=5)
        killer = threading.Thread(target=served.kill)
        number = 0
        with pytest.raises(UnavailableError):
            while True:
                ingestion.add(event(number))
                number += 1
                if number == 1000:
                    killer.start()
        killer.join()
        # Batches are acknowledged in order.
        acknowledged = ingestion.report.accepted
        with pytest.raises(UnavailableError):
            ingestion.close()
    served.start()
    with ExchangeClient(served.address) as client:
        found = [event.id for event in client.export()]
    assert acknowledged > 0
    assert found[:acknowledged] == [f"e{number}" for number in range(acknowledged)]
    assert len(found) == len(set(found))


def test_a_batch_of_publications_survives_a_killed_server(served: Served) -> None:
    with ExchangeClient(served.address, timeout=60, retry=QUICK) as client:
        outcomes: list[Outcome] = []
        for outcome in client.publish_many(map(version, range(600))):
            outcomes.append(outcome)
            if len(outcomes) in (100, 400):
                served.kill()
                served.start()
        revisions = [
            entry.record for entry in client.list_documents(v1.ModelVersion, page_size=1000)
        ]
        with client.watch(0) as watch:
            sequences = [sequence_of(next(watch)) for _ in range(600)]
    assert [outcome.index for outcome in outcomes] == list(range(600))
    published = [outcome.published for outcome in outcomes]
    assert all(each is not None and each.created and not each.unchanged for each in published)
    # One revision and one change each: a second change would leave a gap in the sequence.
    assert {record.id: record.revision for record in revisions} == {
        f"m{number}": 1 for number in range(600)
    }
    assert sequences == list(range(1, 601))


def sequence_of(event: Change | Gap) -> int:
    assert isinstance(event, Change)
    return event.record.sequence


def test_single_publications_survive_a_killed_server(served: Served) -> None:
    with ExchangeClient(served.address, timeout=60, retry=QUICK) as client:

        def restart() -> None:
            served.kill()
            served.start()

        restarting = threading.Thread(target=restart)
        records = []
        for number in range(200):
            records.append(client.publish(version(number)).record)
            if number == 50:
                restarting.start()
        restarting.join()
        assert [record.revision for record in records] == [1] * 200
        assert [record.sequence for record in records] == list(range(1, 201))
        for record in records:
            assert client.get(v1.ModelVersion, record.id).record == record

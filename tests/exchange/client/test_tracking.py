"""Training loops are tracked in an exchange, through crashes of either side."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from exchange.client.served import Served
from tracking.test_tracker import new_run, steps_of

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.exchange import ExchangeClient

#: A training loop that begins again 5 steps before the last one, as from a checkpoint.
LOOP = textwrap.dedent(
    """
    import sys, time
    import crucible_ir as ir
    from crucible_ir import v1

    destination, steps = sys.argv[1], int(sys.argv[2])
    config = v1.TrainingConfig(
        id="c1", model_ref=v1.ModelRef(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
    )
    run = v1.TrainingRun(id="r1", config=config)
    with ir.track(run, to=destination, flush_seconds=0.02) as tracker:
        first = max(0, (tracker.last_step or 0) - 5)
        for step in range(first, steps):
            tracker.log(step=step, loss=1 / (1 + step))
            print(step, flush=True)
            time.sleep(0.004)
    """
)


def id_() -> str:
    return f"r-{uuid.uuid4()}"


def content(client: ExchangeClient, run_id: str) -> v1.TrainingRun:
    run = client.get(v1.TrainingRun, run_id).content
    assert isinstance(run, v1.TrainingRun)
    return run


@contextmanager
def training(destination: str, steps: int) -> Iterator[subprocess.Popen[str]]:
    """Run the training loop in a process of its own."""
    command = [sys.executable, "-c", LOOP, destination, str(steps)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_step(process: subprocess.Popen[str], step: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= step:
            return
    assert process.stderr is not None
    pytest.fail(process.stderr.read())


def test_a_training_loop_takes_two_lines(shared: Served, client: ExchangeClient) -> None:
    run = new_run(id_())
    with ir.track(run, to=shared.address) as tracker:
        for step in range(300):
            tracker.log(step=step, loss=1 / (1 + step))
        tracker.checkpoint("s3://c/1")
        # Others see the run while it trains.
        assert tracker.flush()
        assert content(client, run.id).status == v1.TrainingStatus.TRAINING_STATUS_RUNNING
    stored = content(client, run.id)
    assert steps_of(stored) == list(range(300))
    assert stored.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED
    assert (stored.current_step, list(stored.checkpoint_uris)) == (299, ["s3://c/1"])
    record = client.get(v1.TrainingRun, run.id).record
    assert (record.revision, record.snapshot_count) == (1, 300)
    found = client.list_documents(v1.TrainingRun, where={"status": "completed", "id": run.id})
    assert [entry.record.id for entry in found] == [run.id]


def test_a_run_is_resumed_by_its_id(shared: Served, client: ExchangeClient) -> None:
    run = new_run(id_())
    with pytest.raises(ir.TrackingError, match="give the run, not its id"):
        ir.track(run.id, to=shared.address).start()
    with pytest.raises(KeyboardInterrupt), ir.track(run, to=client) as tracker:
        for step in range(250):
            tracker.log(step=step, loss=1)
        raise KeyboardInterrupt
    assert content(client, run.id).status == v1.TrainingStatus.TRAINING_STATUS_PAUSED
    with ir.track(run.id, to=client, resume=True) as tracker:
        assert (tracker.count, tracker.last_step) == (250, 249)
        assert tracker.run.config == run.config
        for step in range(240, 260):
            tracker.log(step=step, loss=1)
    assert steps_of(content(client, run.id)) == list(range(260))
    with pytest.raises(ir.TrackingError, match="is completed"):
        ir.track(run, to=client).start()


def test_two_trackers_of_one_run_do_not_mix(shared: Served, client: ExchangeClient) -> None:
    run = new_run(id_())
    with (
        pytest.warns(ir.TrackingWarning, match="has 2 snapshots, not 1"),
        ir.track(run, to=shared.address, flush_seconds=0) as one,
    ):
        one.log(step=1, loss=1)
        assert one.flush()
        with ir.track(run, to=client, flush_seconds=0) as other:
            other.log(step=2, loss=1)
        one.log(step=3, loss=1)
        assert not one.flush()
    assert steps_of(content(client, run.id)) == [1, 2]


def test_a_file_is_stored_in_an_exchange_afterwards(
    shared: Served, client: ExchangeClient, tmp_path: Path
) -> None:
    path = tmp_path / "run.crucible.jsonl"
    run = new_run(id_(), tags=["nightly"])
    with pytest.raises(ZeroDivisionError), ir.track(run, to=path, flush_seconds=0) as tracker:
        for step in range(3000):
            tracker.log(step=step, loss=1 / (1 + step))
            if step % 1000 == 0:
                tracker.checkpoint(f"s3://c/{step}")
                tracker.flush()
        raise ZeroDivisionError
    expected = ir.read_run(path)
    assert (len(expected.metrics_history), len(expected.checkpoint_uris)) == (3000, 3)
    assert ir.upload_run(path, to=shared.address) == 3000
    assert content(client, run.id) == expected
    # Again, and after an upload that was interrupted, nothing is stored twice.
    sequence = client.get(v1.TrainingRun, run.id).record.sequence
    assert ir.upload_run(path, to=client) == 3000
    assert client.get(v1.TrainingRun, run.id).record.sequence == sequence
    other = new_run(id_(), tags=["nightly"])
    text = path.read_text().replace(run.id, other.id)
    path.write_text(text)
    client.publish(other)
    client.append_metrics(other.id, expected.metrics_history[:1234])
    ir.upload_run(path, to=client)
    assert content(client, other.id).metrics_history == expected.metrics_history
    client.publish(new_run(third := id_()))
    client.append_metrics(third, [v1.MetricsSnapshot(step=7)])
    path.write_text(text.replace(other.id, third))
    different = f'"{third}" in the exchange is not the one of {path}: it has 1 snapshot'
    with pytest.raises(ir.TrackingError, match=re.escape(different)):
        ir.upload_run(path, to=client)
    assert [snapshot.step for snapshot in content(client, third).metrics_history] == [7]


def test_a_server_that_is_down_delays_and_loses_nothing(served: Served) -> None:
    run = new_run()
    with ExchangeClient(served.address, timeout=2) as client:
        with ir.track(run, to=client, flush_seconds=0.02) as tracker:
            for step in range(200):
                tracker.log(step=step, loss=1)
                if step == 50:
                    tracker.flush()
                    served.kill()
            begun = time.monotonic()
            tracker.log(step=200, loss=1)
            assert time.monotonic() - begun < 1
            served.start()
        stored = content(client, run.id)
    assert steps_of(stored) == list(range(201))
    assert stored.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED


def test_no_server_is_an_error_at_the_start() -> None:
    with pytest.raises(ir.TrackingError, match="cannot open the run"):
        ir.track(new_run(), to="127.0.0.1:1").start()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exchange", "file"])
def test_a_killed_training_is_resumed_and_complete(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    served: Served | None = request.getfixturevalue("served") if kind == "exchange" else None
    destination = str(tmp_path / "run.crucible.jsonl") if served is None else served.address
    with training(destination, 300) as process:
        wait_for_step(process, 80)
        os.kill(process.pid, signal.SIGKILL)
    if served is not None:
        served.kill()
        served.start()
    with training(destination, 300) as process:
        wait_for_step(process, 160)
        if served is not None:
            served.kill()
            served.start()
        wait_for_step(process, 240)
        os.kill(process.pid, signal.SIGKILL)
    with training(destination, 300) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    if served is None:
        run = ir.read_run(destination)
    else:
        with ExchangeClient(served.address) as client:
            run = content(client, "r1")
            assert client.get(v1.TrainingRun, "r1").record.revision == 1
    assert steps_of(run) == list(range(300))
    assert all(each.values["loss"] == 1 / (1 + each.step) for each in run.metrics_history)
    assert run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED


def test_the_extra_is_named_if_it_is_missing(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        sys.modules["grpc"] = None
        import crucible_ir as ir
        from crucible_ir import v1

        config = v1.TrainingConfig(
            id="c1", model_ref=v1.ModelRef(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
        )
        run = v1.TrainingRun(id="r1", config=config)
        with ir.track(run, to="run.jsonl") as tracker:
            tracker.log(step=1, loss=1)
        try:
            ir.track(run, to="127.0.0.1:7551")
        except ImportError as error:
            print(type(error).__name__, error)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("MissingExtraError the ")
    assert "crucible-ir[exchange]" in done.stdout
    assert steps_of(ir.read_run(tmp_path / "run.jsonl")) == [1]

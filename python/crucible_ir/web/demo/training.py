"""The team's training: configurations, and runs with their curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from crucible_ir import v1
from crucible_ir.building.constructors import new_training_config, new_training_run
from crucible_ir.web.demo.curves import Curve
from crucible_ir.web.demo.registry import BASE_ENCODER, BASE_WRITER, PAIRS, TICKETS
from crucible_ir.web.demo.steps import Append, Publish, Step, Timeline

#: The run with a hundred thousand records, and the number of records in one append.
LONG_RUN: Final = "router-1.3-distil"
LONG_STEPS: Final = 100_000
_PART: Final = 10_000

#: The run that diverges.
DIVERGED_RUN: Final = "router-distil-hot"

#: The run that is still running at the end of the story.
LIVE_RUN: Final = "reply-draft-lora-07"

#: The runs of the sweep: every learning rate with every batch size.
_SWEEP_RATES: Final = (3e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3)
_SWEEP_BATCHES: Final = (16, 32, 64, 128)
_SWEEP_STEPS: Final = 600


def training(times: Timeline, seed: int) -> Iterator[Step]:
    """Yield the configurations and runs."""
    yield from _earlier_runs(times, seed)
    yield from _long_run(times, seed)
    yield from _diverging_run(times, seed)
    yield from _sweep(times, seed)
    yield from _stopped_runs(times, seed)
    yield from _running_run(times, seed)


def router_config(id_: str, **fields: Any) -> v1.TrainingConfig:
    """Return a configuration of the ticket router."""
    common: dict[str, Any] = {
        "id": id_,
        "model_ref": BASE_ENCODER,
        "dataset_ref": TICKETS,
        "epochs": 4,
        "optimizer": "adamw",
        "device": "cuda",
        "seed": 17,
        "mixed_precision": True,
        "gradient_clipping": 1.0,
        "learning_rate_schedule": "cosine",
        "weight_decay": 0.01,
        "validation_split": 0.05,
    }
    return new_training_config(**{**common, **fields})


def writer_config(id_: str, **fields: Any) -> v1.TrainingConfig:
    """Return a configuration of the reply drafter."""
    common: dict[str, Any] = {
        "id": id_,
        "model_ref": BASE_WRITER,
        "dataset_ref": PAIRS,
        "epochs": 40,
        "batch_size": 8,
        "gradient_accumulation_steps": 8,
        "learning_rate": 1e-4,
        "optimizer": "adamw",
        "device": "cuda",
        "mixed_precision": True,
        "learning_rate_schedule": "cosine",
        "options": {"lora": {"rank": 16, "alpha": 32, "dropout": 0.05}},
    }
    return new_training_config(**{**common, **fields})


def live_curve(started: datetime, seed: int) -> Curve:
    """Return the measurements of the run that is still running."""
    return Curve(
        seed=seed + 7,
        started=started,
        steps=200_000,
        steps_per_epoch=5_000,
        first_loss=2.1,
        last_loss=0.92,
        learning_rate=1e-4,
        record_every=10,
        evaluate_every=500,
        seconds_per_step=0.2,
        noise=0.03,
        best_accuracy=0.71,
    )


def finished(config: v1.TrainingConfig, id_: str, curve: Curve, **fields: Any) -> v1.TrainingRun:
    """Return a completed run with all its records."""
    last = curve.steps
    common: dict[str, Any] = {
        "id": id_,
        "config": config,
        "status": "completed",
        "current_step": last,
        "current_epoch": last // curve.steps_per_epoch,
        "best_metrics": _best(curve),
        "started_at": curve.started,
        "completed_at": curve.time_of(last),
    }
    run = new_training_run(**{**common, **fields})
    run.metrics_history.extend(curve.snapshots())
    return run


def _best(curve: Curve) -> Mapping[str, float]:
    evaluated = range(curve.evaluate_every, curve.steps + 1, curve.evaluate_every)
    return {
        "eval_loss": min(map(curve.evaluated_loss, evaluated)),
        "eval_accuracy": max(map(curve.accuracy, evaluated)),
    }


def _checkpoint(run: str, step: int) -> str:
    return f"s3://lantern-checkpoints/{run}/step-{step:06d}"


def _earlier_runs(times: Timeline, seed: int) -> Iterator[Step]:
    """Yield the runs of versions that were trained weeks ago."""
    runs = (
        ("router-1.1-base", 30, {"learning_rate": 5e-5, "batch_size": 32}, "ticket-router-1.1.0"),
        ("router-1.2-augmented", 22, {"learning_rate": 8e-5, "batch_size": 64}, None),
    )
    for number, (id_, days, fields, version) in enumerate(runs):
        config = router_config(f"{id_}-config", **fields)
        yield Publish(times.ago(days=days, hours=2), "mateo", config)
        curve = Curve(
            seed=seed + number,
            started=times.ago(days=days),
            steps=4_000,
            steps_per_epoch=1_000,
            last_loss=0.41 - 0.05 * number,
            learning_rate=config.learning_rate,
            record_every=10,
            overfits=0.12,
            best_accuracy=0.873 + 0.022 * number,
            seconds_per_step=2.0,
        )
        run = finished(
            config,
            id_,
            curve,
            final_model_version=version or "ticket-router-1.2.0",
            tags=["router"],
            experiment_id="router-quality",
            checkpoint_uris=[_checkpoint(id_, 2_000), _checkpoint(id_, 4_000)],
            best_checkpoint_uri=_checkpoint(id_, 2_000),
        )
        yield Publish(times.ago(days=days, hours=-2.5), "trainer", run)
    curve = Curve(
        seed=seed + 5,
        started=times.ago(days=14),
        steps=9_000,
        steps_per_epoch=5_000,
        first_loss=2.2,
        last_loss=0.97,
        learning_rate=1e-4,
        record_every=10,
        evaluate_every=500,
        best_accuracy=0.69,
        seconds_per_step=4.0,
    )
    config = writer_config("reply-draft-lora-06-config", epochs=2)
    yield Publish(times.ago(days=14, hours=1), "mateo", config)
    run = finished(
        config,
        "reply-draft-lora-06",
        curve,
        final_model_version="reply-draft-0.2.0",
        tags=["lora", "reply-draft"],
    )
    yield Publish(times.ago(days=13, hours=12), "trainer", run)


def _long_run(times: Timeline, seed: int) -> Iterator[Step]:
    """Yield the run with a record for each of a hundred thousand steps, appended in parts."""
    config = router_config(
        "router-1.3-distil-config",
        learning_rate=3e-4,
        batch_size=64,
        epochs=10,
        max_steps=LONG_STEPS,
        warmup_steps=LONG_STEPS // 20,
        checkpoint_every_steps=20_000,
        options={"teacher": "ticket-router-1.2.0", "temperature": 2.0},
    )
    yield Publish(times.ago(days=10.6), "mateo", config)
    curve = Curve(
        seed=seed + 3,
        started=times.ago(days=10.5),
        steps=LONG_STEPS,
        steps_per_epoch=10_000,
        last_loss=0.19,
        learning_rate=3e-4,
        evaluate_every=1_000,
        seconds_per_step=0.8,
        best_accuracy=0.9204,
    )
    run = new_training_run(
        id=LONG_RUN,
        config=config,
        status="running",
        started_at=curve.started,
        tags=["distillation", "router"],
        experiment_id="router-distillation",
        options={"host": "gpu-03", "commit": "9f31c07"},
    )
    yield Publish(curve.started, "trainer", run)
    for first in range(0, LONG_STEPS, _PART):
        end = first + _PART
        is_last = end == LONG_STEPS
        changes = v1.TrainingRun(best_metrics={"eval_accuracy": curve.accuracy(end)})
        if is_last:
            changes.final_model_version = "ticket-router-1.3.0"
            changes.best_checkpoint_uri = _checkpoint(LONG_RUN, end)
            changes.completed_at.FromDatetime(curve.time_of(end))
            for name, value in _best(curve).items():
                changes.best_metrics[name] = value
        yield Append(
            curve.time_of(end),
            "trainer",
            LONG_RUN,
            partial(curve.snapshots, first, end),
            "completed" if is_last else None,
            changes,
            (_checkpoint(LONG_RUN, end),) if end % 20_000 == 0 else (),
        )


def _diverging_run(times: Timeline, seed: int) -> Iterator[Step]:
    """Yield the run whose learning rate is too high: infinite losses, and then NaN."""
    config = router_config("router-distil-hot-config", learning_rate=5e-3, batch_size=64)
    yield Publish(times.ago(days=2.1), "mateo", config)
    curve = Curve(
        seed=seed + 4,
        started=times.ago(days=2),
        steps=1_640,
        steps_per_epoch=1_000,
        learning_rate=5e-3,
        record_every=4,
        evaluate_every=80,
        diverges_at=1_480,
        seconds_per_step=1.5,
        noise=0.1,
    )
    run = new_training_run(
        id=DIVERGED_RUN,
        config=config,
        status="running",
        started_at=curve.started,
        tags=["distillation", "router"],
        experiment_id="router-distillation",
    )
    yield Publish(curve.started, "trainer", run)
    changes = v1.TrainingRun(
        error_message="the loss has been NaN for 37 records: training stopped at step 1640"
    )
    changes.completed_at.FromDatetime(curve.time_of(curve.steps))
    yield Append(
        curve.time_of(curve.steps), "trainer", DIVERGED_RUN, curve.snapshots, "failed", changes
    )


def _sweep(times: Timeline, seed: int) -> Iterator[Step]:
    """Yield the sweep over learning rates and batch sizes."""
    number = 0
    for rate in _SWEEP_RATES:
        for batch in _SWEEP_BATCHES:
            number += 1
            id_ = f"router-sweep-{number:02d}"
            config = router_config(f"{id_}-config", learning_rate=rate, batch_size=batch, epochs=1)
            # The best is where the rate fits the size of the batch.
            distance = abs(_SWEEP_RATES.index(rate) - 2 - _SWEEP_BATCHES.index(batch) / 2)
            curve = Curve(
                seed=seed + 100 + number,
                started=times.ago(days=1.9, hours=-number * 0.4),
                steps=_SWEEP_STEPS,
                steps_per_epoch=_SWEEP_STEPS,
                last_loss=0.22 + 0.06 * distance,
                learning_rate=rate,
                record_every=5,
                evaluate_every=50,
                best_accuracy=0.927 - 0.013 * distance,
                seconds_per_step=2.0,
            )
            run = finished(
                config, id_, curve, tags=["router", "sweep"], experiment_id="router-sweep"
            )
            yield Publish(curve.time_of(_SWEEP_STEPS), "trainer", run)


def _stopped_runs(times: Timeline, seed: int) -> Iterator[Step]:
    """Yield runs in the other states."""
    states: tuple[tuple[str, str, float], ...] = (
        ("embedder-2.1-try", "cancelled", 5.3),
        ("router-long-context", "preempted", 0.7),
        ("router-fr-boost", "paused", 0.3),
        ("router-1.4-final", "pending", 0.1),
    )
    for number, (id_, status, days) in enumerate(states):
        config = router_config(f"{id_}-config", dataset_ref=TICKETS, batch_size=32)
        yield Publish(times.ago(days=days, hours=0.5), "mateo", config)
        fields: dict[str, Any] = {"id": id_, "config": config, "status": status}
        if status == "pending":
            yield Publish(times.ago(days=days), "trainer", new_training_run(**fields))
            continue
        curve = Curve(
            seed=seed + 40 + number,
            started=times.ago(days=days),
            steps=1_000,
            steps_per_epoch=1_000,
            record_every=10,
            seconds_per_step=1.0,
        )
        fields |= {"started_at": curve.started, "current_step": 300 + 100 * number}
        if status == "cancelled":
            fields["completed_at"] = curve.time_of(300)
        run = new_training_run(**fields)
        run.metrics_history.extend(curve.snapshots(0, 30 + 10 * number))
        yield Publish(curve.time_of(300 + 100 * number), "trainer", run)


def _running_run(times: Timeline, seed: int) -> Iterator[Step]:
    """Yield the beginning of the run that is still running."""
    config = writer_config("reply-draft-lora-07-config", learning_rate=1e-4)
    yield Publish(times.ago(hours=2.2), "mateo", config)
    curve = live_curve(times.ago(hours=2), seed)
    run = new_training_run(
        id=LIVE_RUN,
        config=config,
        status="running",
        started_at=curve.started,
        tags=["lora", "reply-draft"],
        experiment_id="reply-draft-quality",
        options={"host": "gpu-01", "commit": "c4d5e21"},
    )
    yield Publish(curve.started, "trainer", run)
    seconds = (times.now - curve.started).total_seconds()
    records = int(seconds / curve.seconds_per_step) // curve.record_every
    yield Append(times.ago(), "trainer", LIVE_RUN, partial(curve.snapshots, 0, min(records, _PART)))

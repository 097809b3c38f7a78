"""The measurements of imagined training runs, as functions of the step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from crucible_ir import v1

#: For how many records a run that diverges has growing losses, infinite losses and NaN.
_GROWING = 40
_INFINITE = 3


@dataclass(frozen=True, slots=True)
class Curve:
    """The measurements of one run. Any part of it can be computed alone, and is always the same.

    Attributes:
        seed: Distinguishes the noise of runs.
        started: The time of the first step.
        steps: The number of steps.
        steps_per_epoch: The number of steps in an epoch.
        first_loss: The loss at the first step.
        last_loss: The loss that the run approaches.
        learning_rate: The greatest learning rate.
        record_every: The number of steps between two records.
        evaluate_every: The number of steps between two evaluations.
        seconds_per_step: How long a step takes.
        noise: The size of the noise, relative to the loss.
        overfits: How much the evaluated loss rises again towards the end.
        best_accuracy: The accuracy that the run approaches.
        diverges_at: The step at which the loss becomes infinite; ``None`` if it does not.
    """

    seed: int
    started: datetime
    steps: int
    steps_per_epoch: int
    first_loss: float = 2.6
    last_loss: float = 0.25
    learning_rate: float = 3e-4
    record_every: int = 1
    evaluate_every: int = 100
    seconds_per_step: float = 0.5
    noise: float = 0.06
    overfits: float = 0.0
    best_accuracy: float = 0.92
    diverges_at: int | None = None

    @property
    def count(self) -> int:
        """The number of records."""
        return self.steps // self.record_every

    def snapshots(self, first: int = 0, end: int | None = None) -> Iterator[v1.MetricsSnapshot]:
        """Yield the records from one position up to another.

        >>> from datetime import UTC
        >>> curve = Curve(seed=1, started=datetime(2026, 1, 1, tzinfo=UTC), steps=40,
        ...     steps_per_epoch=20, record_every=10, evaluate_every=20)
        >>> [snapshot.step for snapshot in curve.snapshots(1)]
        [20, 30, 40]
        >>> sorted(next(curve.snapshots(1, 2)).values)
        ['eval_accuracy', 'eval_loss', 'grad_norm', 'learning_rate', 'loss']
        """
        begun = self.started.timestamp()
        for position in range(first, self.count if end is None else min(end, self.count)):
            step = (position + 1) * self.record_every
            snapshot = v1.MetricsSnapshot(
                values=self._values(step), step=step, epoch=step / self.steps_per_epoch
            )
            milliseconds = round((begun + step * self.seconds_per_step) * 1000)
            snapshot.time.seconds, rest = divmod(milliseconds, 1000)
            snapshot.time.nanos = rest * 1_000_000
            yield snapshot

    def time_of(self, step: int) -> datetime:
        """Return when a step ended."""
        return self.started + timedelta(seconds=step * self.seconds_per_step)

    def accuracy(self, step: int) -> float:
        """Return the accuracy of an evaluation after a step."""
        progress = 1 - math.exp(-5 * step / self.steps)
        return round(
            self.best_accuracy * (0.35 + 0.65 * progress) + 0.004 * self._random(step, 3), 4
        )

    def evaluated_loss(self, step: int) -> float:
        """Return the loss of an evaluation after a step."""
        late = max(0.0, step / self.steps - 0.55)
        noise = 0.01 * self._random(step, 2)
        return round(self._smooth(step) * (1.08 + noise) + self.overfits * late, 5)

    def _values(self, step: int) -> dict[str, float]:
        loss = self._loss(step)
        values = {
            "loss": loss,
            "learning_rate": self._rate(step),
            "grad_norm": round(0.4 + 0.5 * loss * (1 + 0.3 * self._random(step, 1)), 4),
        }
        if step % self.evaluate_every == 0:
            diverged = not math.isfinite(loss)
            values["eval_loss"] = loss if diverged else self.evaluated_loss(step)
            values["eval_accuracy"] = 0.125 if diverged else self.accuracy(step)
        return values

    def _smooth(self, step: int) -> float:
        """Return the loss without noise: it falls as a power of the step."""
        share: float = (1 + 60 * step / self.steps) ** -0.9
        return self.last_loss + (self.first_loss - self.last_loss) * share

    def _loss(self, step: int) -> float:
        loss = self._smooth(step) * (1 + self.noise * self._random(step, 0))
        if self.diverges_at is not None:
            records = (step - self.diverges_at) // self.record_every
            if records >= _INFINITE:
                return math.nan
            if records >= 0:
                return math.inf
            if records > -_GROWING:
                loss *= 1.35 ** (_GROWING + records)
        return round(loss, 5)

    def _rate(self, step: int) -> float:
        """Return the learning rate: it rises in a line, and then falls as a cosine."""
        warmup = max(1, self.steps // 20)
        if step < warmup:
            return round(self.learning_rate * step / warmup, 9)
        share = (step - warmup) / max(1, self.steps - warmup)
        return round(self.learning_rate * (0.02 + 0.49 * (1 + math.cos(math.pi * share))), 9)

    def _random(self, step: int, kind: int) -> float:
        """Return noise around 0, roughly normal, that depends on nothing but its arguments."""
        angle = step * 12.9898 + kind * 78.233 + self.seed * 37.719
        return sum(math.sin(angle * factor) * 43758.5453 % 1 for factor in (1.0, 1.7, 2.3)) * 2 - 3

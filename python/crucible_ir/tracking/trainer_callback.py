"""Tracks the training of a Hugging Face ``Trainer``; the package needs no transformers for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from crucible_ir.tracking.tracker import Tracker, track

if TYPE_CHECKING:
    from crucible_ir.exchange import ExchangeClient
    from crucible_ir.v1 import TrainingRun


class TrackingCallback:
    """A callback for the ``Trainer`` of Hugging Face that tracks a training run.

    Give it to a trainer, ``Trainer(..., callbacks=[callback])``. What the trainer logs becomes the
    metrics history, and each checkpoint that it saves a URI of the run. When the training ends, the
    run is completed, with the best metric and the best checkpoint of the trainer. In distributed
    training only the main process stores anything.

    As a context manager around the training it stores more: the run is failed if the training
    raises an exception, paused after `KeyboardInterrupt`, and it also takes what the trainer logs
    before and after the training, such as a last evaluation.

    Args:
        run: The run, or the id of one that exists.
        to: A file or an exchange, as in `track`.
        **options: The other options of `track`, such as ``resume``.

    Attributes:
        tracker: The tracker while the run is open; else ``None``.

    >>> import os, tempfile
    >>> from types import SimpleNamespace
    >>> from crucible_ir import new_model_ref, new_training_config, new_training_run, read_run, v1
    >>> run = new_training_run(
    ...     id="run_007",
    ...     config=new_training_config(
    ...         id="sft", model_ref=new_model_ref(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
    ...     ),
    ... )
    >>> args = SimpleNamespace(output_dir="out", metric_for_best_model=None)
    >>> state = SimpleNamespace(
    ...     global_step=10, epoch=0.5, best_metric=None, best_model_checkpoint=None,
    ...     is_world_process_zero=True,
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.jsonl")
    ...     callback = TrackingCallback(run, to=path)
    ...     callback.on_train_begin(args, state, None)  # the trainer makes these calls
    ...     callback.on_log(args, state, None, logs={"loss": 0.5, "epoch": 0.5})
    ...     callback.on_train_end(args, state, None)
    ...     snapshot = read_run(path).metrics_history[0]
    >>> snapshot.step, snapshot.epoch, dict(snapshot.values)
    (10, 0.5, {'loss': 0.5})
    """

    def __init__(
        self, run: TrainingRun | str, to: str | os.PathLike[str] | ExchangeClient, **options: Any
    ) -> None:
        # The tracker may only be made in the process that trains, which can be a fork.
        self._make: Callable[[], Tracker] = lambda: track(run, to, **options)
        self._is_entered = False
        self.tracker: Tracker | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Open the run; if that fails, the training does not begin.

        >>> from types import SimpleNamespace
        >>> callback = TrackingCallback("run_007", to="run.jsonl")
        >>> callback.on_train_begin(None, SimpleNamespace(is_world_process_zero=False), None)
        >>> callback.tracker is None
        True
        """
        self._open(state)

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: Mapping[str, object] | None = None,
        **objects: Any,
    ) -> None:
        """Store what the trainer logs: losses, and the metrics of evaluations.

        >>> callback = TrackingCallback("run_007", to="run.jsonl")
        >>> callback.on_log(None, None, None, logs={"loss": 0.5})  # no run is open
        """
        if self._is_entered:
            self._open(state)
        if self.tracker is None or not logs:
            return
        values = dict(logs)
        epoch = values.pop("epoch", state.epoch)
        self.tracker.log(values, step=state.global_step, epoch=epoch)

    def on_save(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Add the checkpoint that the trainer has saved.

        >>> callback = TrackingCallback("run_007", to="run.jsonl")
        >>> callback.on_save(None, None, None)  # no run is open
        """
        if self.tracker is not None:
            folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
            best = state.best_model_checkpoint
            is_best = best is not None and _uri(best) == _uri(folder)
            self.tracker.checkpoint(_uri(folder), best=is_best)

    def on_train_end(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Set what was best, and complete the run, unless a context will.

        >>> callback = TrackingCallback("run_007", to="run.jsonl")
        >>> callback.on_train_end(None, None, None)  # no run is open
        """
        if self.tracker is None:
            return
        if state.best_metric is not None and args.metric_for_best_model:
            # The trainer finds the metric with and without the prefix, and logs it with it.
            name = f"eval_{args.metric_for_best_model.removeprefix('eval_')}"
            self.tracker.set(best_metrics={name: state.best_metric})
        if state.best_model_checkpoint is not None:
            self.tracker.set(best_checkpoint_uri=_uri(state.best_model_checkpoint))
        if not self._is_entered:
            tracker, self.tracker = self.tracker, None
            tracker.finish()

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a function that ignores its call, for the other events of a trainer."""
        if name.startswith("on_"):
            return _ignore
        raise AttributeError(
            f"{type(self).__name__} has no attribute {name!r}", name=name, obj=self
        )

    def __enter__(self) -> Self:
        self._is_entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_entered = False
        tracker, self.tracker = self.tracker, None
        if tracker is not None:
            tracker.__exit__(kind, error, trace)

    def _open(self, state: Any) -> None:
        """Open the run, once and in the main process only."""
        if self.tracker is None and state.is_world_process_zero:
            tracker = self._make()
            tracker.start()
            self.tracker = tracker


def _ignore(*_: object, **__: object) -> None:
    return None


def _uri(folder: str | os.PathLike[str]) -> str:
    return Path(folder).absolute().as_uri()

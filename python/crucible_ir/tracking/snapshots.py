"""From the values of a training loop to snapshots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from numbers import Real
from typing import Any, Final

from crucible_ir.errors import FieldError
from crucible_ir.v1 import MetricsSnapshot

_MAX_STEP: Final = 2**31 - 1

#: The deepest values that are kept as they are; deeper ones become text.
_MAX_DEPTH: Final = 32


def snapshot_of(
    values: Mapping[str, object],
    step: object = None,
    epoch: object = None,
    time: datetime | None = None,
) -> MetricsSnapshot:
    """Return the snapshot of some values.

    Numbers are Python's, and whatever has one, such as a scalar of NumPy or PyTorch. All others
    become ``other_values``.

    Args:
        values: The values, by the names of the metrics.
        step: The step; ``None`` if there is none.
        epoch: The epoch; ``None`` if there is none.
        time: The time of the measurement; ``None`` for now.

    Raises:
        FieldError: The step, the epoch or the time is not valid.
        TypeError: JSON has no such value.

    >>> snapshot = snapshot_of({"loss": 0.5, "note": "warm"}, step=3, epoch=0.25)
    >>> snapshot.step, snapshot.epoch, dict(snapshot.values), dict(snapshot.other_values)
    (3, 0.25, {'loss': 0.5}, {'note': 'warm'})
    """
    snapshot = MetricsSnapshot()
    others: dict[str, Any] = {}
    for key, value in values.items():
        number = number_of(value)
        if number is None:
            others[_text(str(key))] = _json_of(value, str(key))
        else:
            snapshot.values[_text(str(key))] = number
    if others:
        snapshot.other_values.update(others)
    if step is not None:
        snapshot.step = _step(step)
    if epoch is not None:
        number = number_of(epoch)
        if number is None or not 0 <= number < math.inf:
            raise FieldError(f"expected a finite number of at least 0, got {epoch!r}", path="epoch")
        snapshot.epoch = number
    if time is not None and time.tzinfo is None:
        raise FieldError("the time needs a time zone, such as datetime.UTC", path="time")
    snapshot.time.FromDatetime((time or datetime.now(UTC)).astimezone(UTC))
    return snapshot


def number_of(value: object) -> float | None:
    """Return a value as a number; ``None`` if it is not one.

    >>> number_of(3), number_of(True), number_of("3"), number_of([1])
    (3.0, None, None, None)
    """
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, Real | Decimal):
        return None
    try:
        return float(plain)
    except (OverflowError, ValueError):
        return None


def _plain(value: Any) -> Any:
    """Return the Python value of a scalar or a tensor with one value."""
    item = getattr(value, "item", None)
    if isinstance(value, int | str | Mapping) or type(value) is float or not callable(item):
        return value
    try:
        return item()
    except (TypeError, ValueError, RuntimeError):
        # It has several values.
        return value


def _step(value: object) -> int:
    number = number_of(value)
    if number is None or not 0 <= number <= _MAX_STEP or number != int(number):
        expected = f"expected a whole number from 0 to {_MAX_STEP}"
        raise FieldError(f"{expected}, got {value!r}", path="step")
    return int(number)


def _json_of(value: Any, key: str, depth: int = 0) -> Any:
    """Return a value as JSON has it; numbers that are not exact there, or NaN, become text.

    Raises:
        TypeError: JSON has no such value.
    """
    plain = _plain(value)
    if plain is None or isinstance(plain, bool):
        return plain
    if isinstance(plain, str):
        return _text(plain)
    number = number_of(plain)
    if number is not None and math.isfinite(number) and number == plain:
        return number
    if hasattr(plain, "tolist"):
        plain = plain.tolist()
    if depth < _MAX_DEPTH:
        if isinstance(plain, Mapping):
            return {
                _text(str(name)): _json_of(each, key, depth + 1) for name, each in plain.items()
            }
        if isinstance(plain, list | tuple):
            return [_json_of(each, key, depth + 1) for each in plain]
    if isinstance(plain, Real | Decimal | Mapping | list | tuple):
        return _text(str(plain))
    raise TypeError(
        f"{key}: expected a number, text or another JSON value, got {type(plain).__name__}"
    )


def _text(text: str) -> str:
    """Return a text without what UTF-8 cannot have."""
    return text if text.isascii() else text.encode(errors="replace").decode()

"""Feedback events of every kind for summaries, which also repeat and supersede one another."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from crucible_ir import v1

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR

VALUES = [
    "up",
    "DOWN",
    "thumbs_up",
    True,
    False,
    0,
    1,
    4,
    4.5,
    -3,
    0.873,
    1e15,
    1e300,
    "good",
    "bad",
]
VALUES += [None, math.nan, "x" * 200, ["a"], {"a": 1}]
TYPES = [None, "thumbs", "rating", "label", "correction", "star"]


@dataclass(frozen=True)
class Event:
    """An event as the test knows it."""

    id: str
    time: int
    type: str | None
    deployment: str | None
    version: str | None
    name: str | None
    latency: int | None
    value: Any
    supersedes: str | None

    def message(self) -> v1.FeedbackEvent:
        message = v1.FeedbackEvent(
            id=self.id,
            deployment_id=self.deployment,
            model_version=self.version,
            name=self.name,
            latency_ms=self.latency,
            supersedes=self.supersedes,
        )
        if self.type in ("thumbs", "rating", "label", "correction"):
            message.feedback_type = getattr(v1.FeedbackType, f"FEEDBACK_TYPE_{self.type.upper()}")
        elif self.type is not None:
            message.custom_feedback_type = self.type
        message.timestamp.seconds = self.time // SECOND
        message.timestamp.nanos = self.time % SECOND * 1000
        value = message.feedback_value
        match self.value:
            case bool():
                value.bool_value = self.value
            case str():
                value.string_value = self.value
            case list():
                value.list_value.extend(self.value)
            case dict():
                value.struct_value.update(self.value)
            case None:
                message.ClearField("feedback_value")
            case _:
                value.number_value = self.value
        return message


def made_up(chance: random.Random, number: int) -> Event:
    """Return an event; few ids, so that some are duplicates, and some supersede others."""
    when = chance.choice([0, DAY, 3 * DAY]) + chance.randrange(-5 * HOUR, 5 * HOUR)
    return Event(
        f"e{chance.randrange(number + 1)}" if chance.random() < 0.2 else f"e{number}",
        chance.choice([when, when // HOUR * HOUR]),
        chance.choice(TYPES),
        chance.choice([None, "d1", "d2"]),
        chance.choice([None, "v1"]),
        chance.choice([None, None, "helpful"]),
        chance.choice([None, 5, 5, 2047, 2048, 70_001, 2**31 - 1, chance.randrange(3000)]),
        chance.choice(VALUES),
        f"e{chance.randrange(number + 10)}" if chance.random() < 0.3 else None,
    )

"""The feedback of the team's customers over two weeks."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from crucible_ir import v1
from crucible_ir.web.demo.experiments import CONVERSATIONS, feedback_config
from crucible_ir.web.demo.registry import DRAFTER, NEW_ROUTER, OLD_ROUTER
from crucible_ir.web.demo.serving import DRAFTS, ROLLOUT, ROUTER
from crucible_ir.web.demo.steps import Configure, Ingest, Step, Timeline

#: How many days the feedback is from.
DAYS: Final = 14

#: The share of thumbs up for each version of the router: the new one is better.
SHARE_UP: Final = {OLD_ROUTER: 0.84, NEW_ROUTER: 0.90}

#: The median latency of each version in milliseconds, and how wide it spreads.
_LATENCY: Final = {OLD_ROUTER: (84.0, 0.32), NEW_ROUTER: (97.0, 0.45)}

#: The most events in one hour of the router, and the chance that a draft gets feedback in one.
_BUSIEST_HOUR: Final = 80
_DRAFTS_AN_HOUR: Final = 9

_QUEUES: Final = ("billing", "bugs", "cancellation", "sales", "shipping", "accounts")
_PROBLEMS: Final = ("wrong queue", "wrong language", "took too long")


def opinions(times: Timeline, seed: int) -> Iterator[Step]:
    """Yield the feedback, a day at a time."""
    config = feedback_config()
    yield Configure(times.ago(days=DAYS + 1), "lena", config, ROUTER)
    chance = random.Random(seed)
    number = 0
    for day in range(DAYS, 0, -1):
        events = []
        for hour in range(24):
            begun = times.ago(days=day, hours=-hour)
            for _ in range(_events_in(begun, chance)):
                number += 1
                events.append(_routed(number, begun, day - hour / 24, chance))
            for _ in range(chance.randint(0, _DRAFTS_AN_HOUR) if day <= 10 else 0):
                number += 1
                events.append(_drafted(number, begun, chance))
        events.sort(key=lambda event: event.timestamp.seconds)
        yield Ingest(times.ago(days=day - 1), "app-eu", events)


def routed_now(number: int, now: datetime, chance: random.Random) -> v1.FeedbackEvent:
    """Return an event of the router at a time, after the end of the story."""
    return _routed(number, now - timedelta(hours=1), 0.0, chance, id_prefix="live")


def _events_in(begun: datetime, chance: random.Random) -> int:
    """Return the number of events in an hour: few at night and at weekends."""
    daylight = 0.08 + max(0.0, math.sin(math.pi * (begun.hour - 5) / 15))
    weekday = 0.35 if begun.weekday() >= 5 else 1.0
    return round(_BUSIEST_HOUR * daylight * weekday * chance.uniform(0.8, 1.2))


def _routed(
    number: int, begun: datetime, days_ago: float, chance: random.Random, id_prefix: str = "fb"
) -> v1.FeedbackEvent:
    share = next((share for days, share in reversed(ROLLOUT) if days_ago <= days), 0)
    version = NEW_ROUTER if chance.random() * 100 < share else OLD_ROUTER
    median, spread = _LATENCY[version]
    if version == NEW_ROUTER and share == 90:
        # With most of the traffic its slowest answers take twice as long.
        spread *= 1.6
    is_up = chance.random() < SHARE_UP[version]
    queue = chance.choice(_QUEUES)
    event = v1.FeedbackEvent(
        id=f"{id_prefix}-{number:06d}",
        deployment_id=ROUTER,
        model_version=version,
        feedback_type=v1.FeedbackType.FEEDBACK_TYPE_THUMBS,
        latency_ms=max(12, round(median * math.exp(spread * chance.gauss(0, 1)))),
        user_id=f"agent-{chance.randrange(40):02d}",
        session_id=f"s-{number // 7:05d}",
        source=v1.FeedbackSource.FEEDBACK_SOURCE_HUMAN,
    )
    event.timestamp.seconds = int(begun.timestamp()) + chance.randrange(3600)
    event.feedback_value.string_value = "up" if is_up else "down"
    event.input.fields["text"].string_value = chance.choice(CONVERSATIONS)[0]
    event.output.fields["queue"].string_value = queue
    event.output.fields["score"].number_value = round(chance.uniform(0.55, 0.999), 3)
    if not is_up and number % 9 == 0:
        event.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_FLAG
        event.feedback_value.string_value = chance.choice(_PROBLEMS)
        event.comment = f"This belongs to {chance.choice(_QUEUES)}."
    elif number % 23 == 0:
        event.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_LABEL
        event.feedback_value.string_value = queue if is_up else chance.choice(_QUEUES)
    return event


def _drafted(number: int, begun: datetime, chance: random.Random) -> v1.FeedbackEvent:
    index = chance.randrange(len(CONVERSATIONS))
    question, answer = CONVERSATIONS[index]
    event = v1.FeedbackEvent(
        id=f"fb-{number:06d}",
        deployment_id=DRAFTS,
        model_version=DRAFTER,
        feedback_type=v1.FeedbackType.FEEDBACK_TYPE_RATING,
        name="helpfulness",
        latency_ms=round(1_250 * math.exp(0.3 * chance.gauss(0, 1))),
        user_id=f"agent-{chance.randrange(40):02d}",
        session_id=f"s-{number // 7:05d}",
        source=v1.FeedbackSource.FEEDBACK_SOURCE_HUMAN,
        request_id=f"draft-req-{index + 1:04d}",
        response_id=f"draft-res-{index + 1:04d}",
    )
    event.timestamp.seconds = int(begun.timestamp()) + chance.randrange(3600)
    event.input.fields["text"].string_value = question
    event.output.fields["text"].string_value = answer
    if number % 6 == 0:
        event.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_CORRECTION
        event.feedback_value.string_value = f"{answer} Is there anything else?"
    else:
        event.feedback_value.number_value = chance.choices((1, 2, 3, 4, 5), (3, 6, 18, 42, 31))[0]
    return event

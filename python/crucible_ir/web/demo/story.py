"""The story of the team: everything that it did, in the order of time."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from crucible_ir.web.demo.experiments import experiments
from crucible_ir.web.demo.opinions import opinions
from crucible_ir.web.demo.registry import registry
from crucible_ir.web.demo.serving import serving
from crucible_ir.web.demo.steps import Step, Timeline
from crucible_ir.web.demo.training import training

#: The seed of the data, unless another one is given.
SEED: Final = 1

#: The callers of the exchange and their roles. Three are people, the others are programs.
CALLERS: Final = {
    "lena": "admin",
    "mateo": "publisher",
    "priya": "publisher",
    "trainer": "publisher",
    "rollout": "publisher",
    "app-eu": "publisher",
    "guest": "reader",
}


def story(now: datetime, seed: int = SEED) -> list[Step]:
    """Return the steps up to a time, the earliest first.

    The same time and seed give the same steps.

    Args:
        now: The end of the story, with a time zone.
        seed: Determines measurements and feedback.
    """
    times = Timeline(now)
    steps = [
        *registry(times),
        *training(times, seed),
        *serving(times),
        *experiments(times, seed),
        *opinions(times, seed),
    ]
    return sorted(steps, key=lambda step: step.at)

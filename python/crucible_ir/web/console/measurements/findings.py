"""Sentences about feedback: each compares two summaries, and has the threshold that it crosses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crucible_ir.plotting import wilson
from crucible_ir.plotting.geometry.ticks import MINUS

if TYPE_CHECKING:
    from crucible_ir.exchange.client.results import Latency

#: The number of events of each version from which their shares are compared.
ENOUGH_EVENTS: Final = 60
#: The number of latencies in each span from which their percentiles are compared.
ENOUGH_LATENCIES: Final = 100
#: The ratio of two percentiles from which they are reported.
FACTOR: Final = 1.5


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence with its source.

    Attributes:
        text: The sentence.
        threshold: From when on it is shown.
        needs_a_look: Whether something became worse.
    """

    text: str
    threshold: str
    needs_a_look: bool


@dataclass(frozen=True, slots=True)
class Share:
    """A share of events with its 95 % interval.

    Attributes:
        successes: The number of events that count.
        count: The number of all events.
        share: The share.
        low: The lower bound of the interval by Wilson's score.
        high: The upper bound.
    """

    successes: int
    count: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, successes: int, count: int) -> Share | None:
        """Return a share; ``None`` of no events."""
        if not count:
            return None
        return cls(successes, count, successes / count, *wilson(successes, count))


@dataclass(frozen=True, slots=True)
class DifferenceOfShares:
    """The difference of two shares with its 95 % interval."""

    difference: float
    low: float
    high: float


def difference_of(one: Share, other: Share) -> DifferenceOfShares:
    """Return the difference of two shares, with Newcombe's interval (1998, method 10).

    >>> found = difference_of(Share.of(56, 70), Share.of(48, 80))
    >>> round(found.difference, 4), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    difference = one.share - other.share
    return DifferenceOfShares(
        difference,
        difference - math.hypot(one.share - one.low, other.high - other.share),
        difference + math.hypot(one.high - one.share, other.share - other.low),
    )


def of_shares(shares: Mapping[str, Share]) -> Iterator[Finding]:
    """Compare the thumbs of the two versions with the most events."""
    ordered = sorted(shares.items(), key=lambda item: -item[1].count)[:2]
    if len(ordered) < 2 or any(share.count < ENOUGH_EVENTS for _, share in ordered):
        return
    (one, first), (other, second) = sorted(ordered, key=lambda item: -item[1].share)
    found = difference_of(first, second)
    if found.low > 0:
        yield Finding(
            f"{one} has more thumbs up than {other}: {points(found.difference)} points"
            f" (95 %: {points(found.low)} to {points(found.high)}).",
            f"shown where the 95 % interval excludes 0 and each has {ENOUGH_EVENTS} events",
            needs_a_look=False,
        )


def of_latencies(
    recent: Mapping[str, Latency], before: Mapping[str, Latency], span: str
) -> Iterator[Finding]:
    """Compare the slowest answers of each version with those before."""
    for version, now in recent.items():
        then = before.get(version)
        if then is None or min(now.count, then.count) < ENOUGH_LATENCIES or not then.p99_ms:
            continue
        if now.p99_ms >= FACTOR * then.p99_ms:
            yield Finding(
                f"p99 of {version} is {now.p99_ms:,} ms in the last {span}, and was"
                f" {then.p99_ms:,} ms before.",
                f"shown from a factor of {FACTOR} and {ENOUGH_LATENCIES} latencies in each span",
                needs_a_look=True,
            )


def thresholds(findings: Iterable[Finding]) -> list[str]:
    """Return the thresholds of findings, each once."""
    return list(dict.fromkeys(finding.threshold for finding in findings))


def points(value: float) -> str:
    """Return a difference of shares in points, with its sign.

    >>> points(0.048), points(-0.001)
    ('+4.8', '−0.1')
    """
    text = f"{value * 100:+.1f}"
    return text.replace("-", MINUS)

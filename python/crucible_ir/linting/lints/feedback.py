"""Lints of feedback collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from crucible_ir import v1
from crucible_ir.errors import shorten
from crucible_ir.linting.findings import LintFinding, Problem, Severity
from crucible_ir.linting.registry import lint_for

#: The id of the lint of events that supersede each other, also over the records of a stream.
SUPERSEDES_CIRCLE: Final = "feedback_event.supersedes_circle"

#: The storages that need a location, with the kind of location.
_LOCATIONS: Mapping[int, str] = {
    v1.FeedbackStorage.FEEDBACK_STORAGE_S3: "bucket",
    v1.FeedbackStorage.FEEDBACK_STORAGE_BIGQUERY: "dataset",
    v1.FeedbackStorage.FEEDBACK_STORAGE_LOCAL: "folder",
}


@lint_for(
    v1.FeedbackConfig,
    "feedback_config.no_storage_options",
    Severity.INFO,
    "Feedback is sampled, but no option names the bucket, dataset or folder that keeps it. Not "
    "reported for databases such as `postgres`, whose connection belongs to the service.",
    bad={"enabled": True, "sampling_rate": 0.1, "storage": "FEEDBACK_STORAGE_S3"},
    good={
        "enabled": True,
        "sampling_rate": 0.1,
        "storage": "FEEDBACK_STORAGE_S3",
        "options": {"bucket": "crucible-feedback"},
    },
)
def no_storage_options(config: v1.FeedbackConfig) -> Iterator[Problem]:
    """Report feedback that is collected without ``options``, if its storage needs a location."""
    if config.storage in _LOCATIONS and not config.options.fields and _samples(config):
        place = "sampling_rate" if config.HasField("sampling_rate") else "enabled"
        yield Problem(
            (place,),
            "feedback is sampled, but its storage has no options",
            f"set the {_LOCATIONS[config.storage]} in options",
        )


def _samples(config: v1.FeedbackConfig) -> bool:
    """Return whether feedback is sampled: it is enabled, or has a rate and is not disabled."""
    if config.HasField("enabled") and not config.enabled:
        return False
    if config.HasField("sampling_rate"):
        return config.sampling_rate > 0
    return config.enabled


@lint_for(
    v1.FeedbackConfig,
    "feedback_config.pii_kept",
    Severity.WARNING,
    "Feedback is stored with the personal data that it contains.",
    bad={"anonymize_pii": False},
    good={"anonymize_pii": True},
)
def pii_kept(config: v1.FeedbackConfig) -> Iterator[Problem]:
    """Report ``anonymize_pii`` set to false."""
    if config.HasField("anonymize_pii") and not config.anonymize_pii:
        yield Problem(
            ("anonymize_pii",),
            "personal data is stored with the feedback",
            "set it to true, or make sure that the users have consented",
        )


@lint_for(
    v1.FeedbackEvent,
    SUPERSEDES_CIRCLE,
    Severity.WARNING,
    "An event supersedes itself, directly or through other events of the same stream: none of them "
    "counts.",
    bad={"id": "event_2", "supersedes": "event_2"},
    good={"id": "event_2", "supersedes": "event_1"},
)
def supersedes_itself(event: v1.FeedbackEvent) -> Iterator[Problem]:
    """Report ``supersedes`` with the event's own ``id``."""
    if event.id and event.supersedes == event.id:
        yield Problem(
            ("supersedes",),
            "the event supersedes itself",
            "write the id of the event that it replaces",
        )


def circles(superseded: Mapping[str, str]) -> list[list[str]]:
    """Return the circles of several events, each from the event that comes first.

    Args:
        superseded: The id of the superseded event, by that of the event that supersedes it.

    >>> circles({"a": "b", "b": "c", "c": "a", "d": "a", "e": "e"})
    [['a', 'b', 'c']]
    """
    found = []
    seen: set[str] = set()
    for start in superseded:
        way: dict[str, None] = {}
        event = start
        while event in superseded and event not in seen:
            seen.add(event)
            way[event] = None
            event = superseded[event]
        if event in way:
            ids = list(way)
            circle = ids[ids.index(event) :]
            if len(circle) > 1:
                found.append(circle)
    return found


def circle_finding(circle: Iterable[str]) -> LintFinding:
    """Return the finding about events that supersede each other."""
    _, *others = circle
    return LintFinding(
        SUPERSEDES_CIRCLE,
        Severity.WARNING,
        "supersedes",
        f"the event supersedes itself, through {' and '.join(map(shorten, others[:3]))}",
        "remove supersedes from the event that came first",
    )

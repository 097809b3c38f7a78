"""Records that belong together: spans and the events of their messages, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from crucible_ir.interchange.mapping.reading import Record
from crucible_ir.interchange.mapping.values import same
from crucible_ir.interchange.otel_genai import conventions as names

_SPANS: Final = (("resourceSpans", "resource_spans"), ("scopeSpans", "scope_spans"), ("spans",))
_LOGS: Final = (("resourceLogs", "resource_logs"), ("scopeLogs", "scope_logs"), ("logRecords",))


#: The most records that wait for others with the same ids: the events of a span are near it.
MAX_WAITING: Final = 10_000


def gather(records: Iterable[Record]) -> Iterator[Record]:
    """Join the records with events of messages to those with the spans of the same ids.

    Records that can have no counterpart go on at once. Those with calls of models, and with events
    of messages, wait for the end of the source, or until many wait.
    """
    waiting: list[Record] = []
    keys: dict[int, set[tuple[str, str]]] = {}
    for record in records:
        found = _keys(record.value) if record.number is not None else set()
        if not found:
            yield record
            continue
        keys[len(waiting)] = found
        waiting.append(record)
        if len(waiting) == MAX_WAITING:
            yield from _joined(waiting, keys)
            waiting, keys = [], {}
    yield from _joined(waiting, keys)


def _joined(waiting: list[Record], keys: dict[int, set[tuple[str, str]]]) -> Iterator[Record]:
    for group in _groups(keys):
        members = [waiting[at] for at in group]
        if len(members) == 1:
            yield members[0]
            continue
        name = " and ".join(dict.fromkeys(each.name for each in members[:2] if each.name))
        yield Record({each.number: each.value for each in members}, name)


def _groups(keys: dict[int, set[tuple[str, str]]]) -> list[list[int]]:
    """Return the numbers of records in groups that have an id in common."""
    owners: dict[tuple[str, str], int] = {}
    parents = {at: at for at in keys}

    def root(at: int) -> int:
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at

    for at, found in keys.items():
        for key in found:
            parents[root(at)] = root(owners.setdefault(key, at))
    groups: dict[int, list[int]] = {}
    for at in keys:
        groups.setdefault(root(at), []).append(at)
    return sorted(groups.values())


def _keys(record: Any) -> set[tuple[str, str]]:
    """Return the ids of the spans of generative AI, and of the events of messages."""
    found: set[tuple[str, str]] = set()
    if not isinstance(record, dict):
        return found
    for item in [*_leaves(record, _SPANS), *([record] if "attributes" in record else [])]:
        attributes = _attribute_names(item)
        if any(key.startswith("gen_ai.") for key in attributes):
            found |= _key(item)
    for item in [*_leaves(record, _LOGS), record]:
        if _event_name(item) in names.SPAN_EVENTS:
            found |= _key(item)
    return found


def _leaves(value: Any, path: tuple[tuple[str, ...], ...]) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict):
        return
    if not path:
        yield value
        return
    for key in (*path[0], "log_records") if path[0] == ("logRecords",) else path[0]:
        items = value.get(key)
        for item in items if isinstance(items, list) else []:
            yield from _leaves(item, path[1:])


def _attribute_names(item: dict[str, Any]) -> list[str]:
    attributes = item.get("attributes")
    if isinstance(attributes, dict):
        return list(attributes)
    pairs = attributes if isinstance(attributes, list) else []
    found = [pair.get("key") for pair in pairs if isinstance(pair, dict)]
    return [key for key in found if isinstance(key, str)]


def _event_name(item: dict[str, Any]) -> object:
    for key in ("eventName", "event_name"):
        if key in item:
            return item[key] if isinstance(item[key], str) else None
    attributes = item.get("attributes")
    if isinstance(attributes, dict):
        name = attributes.get(names.OLD_EVENT_NAME)
        return name if isinstance(name, str) else None
    for pair in attributes if isinstance(attributes, list) else []:
        if isinstance(pair, dict) and pair.get("key") == names.OLD_EVENT_NAME:
            value = pair.get("value")
            found = value.get("stringValue") if isinstance(value, dict) else None
            return found if isinstance(found, str) else None
    return None


def _key(item: dict[str, Any]) -> set[tuple[str, str]]:
    trace = item.get("traceId", item.get("trace_id"))
    span = item.get("spanId", item.get("span_id"))
    if isinstance(trace, str) and isinstance(span, str) and trace.strip("0") and span.strip("0"):
        return {(trace, span)}
    return set()


def join(exports: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Join exported spans and events into one object of OTLP.

    A prompt and its completion become one span; resources and scopes that are equal become one.

    >>> prompt = {"spanId": "ab", "attributes": [{"key": "a"}]}
    >>> answer = {"spanId": "ab", "attributes": [{"key": "b"}], "kind": 3}
    >>> spans = [{"resourceSpans": [{"scopeSpans": [{"spans": [s]}]}]} for s in (prompt, answer)]
    >>> join(spans)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    [{'spanId': 'ab', 'attributes': [{'key': 'a'}, {'key': 'b'}], 'kind': 3}]
    """
    result: dict[str, Any] = {}
    for exported in exports:
        for kind, scopes, leaves in (
            ("resourceSpans", "scopeSpans", "spans"),
            ("resourceLogs", "scopeLogs", "logRecords"),
        ):
            for resource in exported.get(kind, []):
                owner = _equal_owner(result.setdefault(kind, []), resource, scopes)
                for scope in resource.get(scopes, []):
                    into = _equal_owner(owner.setdefault(scopes, []), scope, leaves)
                    for leaf in scope.get(leaves, []):
                        _add(into.setdefault(leaves, []), leaf, is_span=leaves == "spans")
    return result


def _equal_owner(owners: list[dict[str, Any]], new: dict[str, Any], inside: str) -> dict[str, Any]:
    """Return the object with the same keys but for what is inside; it is added if there is none."""
    around = {key: value for key, value in new.items() if key != inside}
    for owner in owners:
        if same({key: value for key, value in owner.items() if key != inside}, around):
            return owner
    owners.append(around)
    return around


def _add(items: list[dict[str, Any]], new: dict[str, Any], *, is_span: bool) -> None:
    ids = ("traceId", "spanId")
    for item in items if is_span else []:
        if [item.get(key) for key in ids] == [new.get(key) for key in ids]:
            _merge(item, new)
            return
    items.append(dict(new))


_TIMES: Final = ("startTimeUnixNano", "endTimeUnixNano")


def _merge(span: dict[str, Any], new: dict[str, Any]) -> None:
    """Add what a span has to another one with the same ids."""
    if _has_no_time(new) and any(key in span for key in _TIMES):
        new = {key: value for key, value in new.items() if key not in _TIMES}
    elif _has_no_time(span) and any(key in new for key in _TIMES):
        for key in _TIMES:
            del span[key]
    for key, value in new.items():
        if key == "attributes" and "attributes" in span:
            have = {pair["key"] for pair in span[key]}
            span[key] = span[key] + [pair for pair in value if pair["key"] not in have]
        elif key not in span:
            span[key] = value


def _has_no_time(span: dict[str, Any]) -> bool:
    """Return whether a span has the times of one whose times are not known."""
    return all(span.get(key) == "1" for key in _TIMES)

"""Checks of the documents of a bundle against each other."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping

from crucible_ir import v1
from crucible_ir.errors import shorten
from crucible_ir.interchange.bundle.findings import (
    ALIAS,
    AMBIGUOUS,
    CYCLE,
    DANGLING,
    STAGE,
    VERSION,
    BundleFinding,
)
from crucible_ir.interchange.bundle.graph import LocatedReference, ReferenceGraph
from crucible_ir.paths import format_path
from crucible_ir.schema.fields import Resolution
from crucible_ir.schema.references import DocumentKey
from crucible_ir.schema.types import descriptor_of

_MODEL = descriptor_of(v1.ModelRef).name

#: What a version is a version of.
_CONTEXTS: dict[Resolution | None, str] = {
    Resolution.BY_VERSION_OF_MODEL: "the model",
    Resolution.BY_VERSION_OF_DEPLOYMENT: "the deployment",
}

#: The most documents that a message lists.
_LISTED = 5


def inconsistencies(graph: ReferenceGraph) -> list[BundleFinding]:
    """Return the problems between the documents of a bundle, by document."""
    findings = [*_unresolved(graph), *_aliases(graph), *_conflicts(graph), *_cycles(graph)]
    return sorted(findings, key=lambda finding: (finding.document, finding.path, finding.rule))


def _unresolved(graph: ReferenceGraph) -> Iterator[BundleFinding]:
    for each in graph.references():
        target = graph.resolve(each.reference)
        if target.key is not None:
            continue
        type_, id_ = each.reference.target_type, each.reference.target_id
        of = f" of {_CONTEXTS.get(each.reference.resolution)} {shorten(each.reference.context)}"
        if target.is_ambiguous:
            message = f"several documents have the version {shorten(id_)}{of}: "
            yield _finding(AMBIGUOUS, each, message + _list(target.candidates))
            continue
        message = f"no {type_} {shorten(id_)} in the bundle"
        if each.reference.context:
            message += f", and no version {shorten(id_)}{of}"
        if target.candidates:
            message += f"; {_list(target.candidates)} has this version"
        yield _finding(DANGLING, each, message)


def _aliases(graph: ReferenceGraph) -> Iterator[BundleFinding]:
    for each in graph.references():
        reference = each.reference
        target = DocumentKey(reference.target_type, reference.target_id)
        version = graph.versions.get(target)
        is_alias = reference.holder_type == _MODEL and reference.field == "aliases[]"
        if is_alias and version is not None and version.model_id != reference.holder_id:
            yield _finding(ALIAS, each, f"{target} is a version of {shorten(version.model_id)}")


def _conflicts(graph: ReferenceGraph) -> Iterator[BundleFinding]:
    versions: defaultdict[tuple[str, str], list[DocumentKey]] = defaultdict(list)
    in_production: defaultdict[str, list[DocumentKey]] = defaultdict(list)
    for key in sorted(graph.versions):
        facts = graph.versions[key]
        versions[facts.model_id, facts.version].append(key)
        if facts.in_production:
            in_production[facts.model_id].append(key)
    for (model, version), (first, *others) in versions.items():
        for key in others:
            message = f"{first} is version {version} of {shorten(model)} as well"
            yield BundleFinding(VERSION, str(key), "version", message)
    for model, (first, *others) in in_production.items():
        for key in others:
            message = f"{first} of {shorten(model)} is in production as well"
            yield BundleFinding(STAGE, str(key), "stage", message)


def _cycles(graph: ReferenceGraph) -> Iterator[BundleFinding]:
    """Yield the cycles of references to documents of the same type, such as parents."""
    edges: defaultdict[DocumentKey, dict[DocumentKey, LocatedReference]] = defaultdict(dict)
    for each in graph.references():
        if each.reference.target_type != each.reference.holder_type:
            continue
        target = graph.resolve(each.reference).key
        if target is not None:
            edges[each.holder].setdefault(target, each)
    for component in _components(edges):
        start = min(component)
        cycle = _shortest_cycle(start, component, edges)
        shown = [str(key) for key in cycle[:_LISTED]]
        if len(cycle) > _LISTED:
            shown.append(f"{len(cycle) - _LISTED} more")
        path = " -> ".join([*shown, str(start)])
        following = cycle[1] if len(cycle) > 1 else start
        yield _finding(CYCLE, edges[start][following], f"the references form a cycle: {path}")


def _components(
    edges: Mapping[DocumentKey, Iterable[DocumentKey]],
) -> Iterator[set[DocumentKey]]:
    """Yield the strongly connected components that contain a cycle (Tarjan's algorithm)."""
    numbers: dict[DocumentKey, int] = {}
    lowest: dict[DocumentKey, int] = {}
    stack: list[DocumentKey] = []
    on_stack: set[DocumentKey] = set()
    for root in sorted(edges):
        if root in numbers:
            continue
        # A lineage may be longer than Python's stack is deep.
        calls = [(root, iter(edges.get(root, ())))]
        numbers[root] = lowest[root] = len(numbers)
        stack.append(root)
        on_stack.add(root)
        while calls:
            node, targets = calls[-1]
            target = next(targets, None)
            if target is not None:
                if target not in numbers:
                    numbers[target] = lowest[target] = len(numbers)
                    stack.append(target)
                    on_stack.add(target)
                    calls.append((target, iter(edges.get(target, ()))))
                elif target in on_stack:
                    lowest[node] = min(lowest[node], numbers[target])
                continue
            calls.pop()
            if calls:
                above = calls[-1][0]
                lowest[above] = min(lowest[above], lowest[node])
            if lowest[node] == numbers[node]:
                component = set()
                while node not in component:
                    component.add(last := stack.pop())
                    on_stack.discard(last)
                if len(component) > 1 or node in edges.get(node, ()):
                    yield component


def _shortest_cycle(
    start: DocumentKey,
    component: set[DocumentKey],
    edges: Mapping[DocumentKey, Iterable[DocumentKey]],
) -> list[DocumentKey]:
    """Return the documents of a shortest cycle through a document of a component."""
    reached_from = {start: start}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for target in edges.get(here, ()):
            if target == start:
                cycle = [here]
                while cycle[-1] != start:
                    cycle.append(reached_from[cycle[-1]])
                return cycle[::-1]
            if target in component and target not in reached_from:
                reached_from[target] = here
                waiting.append(target)
    raise AssertionError("a component has a cycle")


def _finding(rule: str, each: LocatedReference, message: str) -> BundleFinding:
    return BundleFinding(rule, str(each.document), format_path(each.path), message)


def _list(keys: tuple[DocumentKey, ...]) -> str:
    more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return ", ".join(map(str, keys[:_LISTED])) + more

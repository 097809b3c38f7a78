"""The import of a BOM."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir.interchange.cyclonedx.components import (
    ComponentImport,
    DataImport,
    ModelImport,
    opaque_map,
    put_stubs,
)
from crucible_ir.interchange.cyclonedx.names import (
    DATA,
    MODEL,
    SPEC_VERSIONS,
    identity_of,
)
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source

#: The most levels of components in components that are looked through.
_MAX_LEVELS = 4


def import_record(conversion: Import) -> None:
    """Import a BOM."""
    source = conversion.source
    head = source.get("bomFormat", str)
    if head is None or head.value != "CycloneDX":
        raise (head or source).fail('expected "bomFormat": "CycloneDX"')
    version = source.get("specVersion", str)
    if version is None or version.value not in SPEC_VERSIONS:
        raise (version or source).fail(f"expected specVersion {' or '.join(SPEC_VERSIONS)}")
    source.drop_secrets()
    found: list[ComponentImport] = []
    seen: dict[tuple[str, str], set[str]] = {}
    for component in _components(source):
        kind, identity = component.value.get("type"), identity_of(component.value)
        if kind not in (MODEL, DATA) or identity is None:
            continue
        versions = seen.setdefault((kind, identity.joined), set())
        if not versions:
            maker = ModelImport if kind == MODEL else DataImport
            found.append(maker(conversion, component, identity))
        elif kind == MODEL and identity.version and not versions & {"", identity.version}:
            found.append(ModelImport(conversion, component, identity, is_first=False))
        versions.add(identity.version)
    for each in found:
        if isinstance(each, ModelImport):
            each.read_datasets({name for kind, name in seen if kind == DATA})
    if not found:
        raise source.fail(f"expected a component of type {MODEL} or {DATA} with a name")
    # What is kept of a component leaves out the components in it that have documents.
    for each in reversed(found):
        each.keep()
    for each in found:
        for document in each.documents:
            opaque_map(document).value["specVersion"] = version.value
    owner = found[0].owner
    owner.keep_rest(source, "repaired")
    bag = opaque_map(owner)
    head.implied_by(owner)
    version.use(Outcome.OPAQUE, (*bag.path, "specVersion"))
    bag.value["place"] = list(found[0].component.path)
    bag.put_rest("bom", source)
    put_stubs(source.value, bag.value["bom"])


def _components(source: Source) -> Iterator[Source]:
    metadata = source.get("metadata", dict)
    main = metadata.get("component", dict) if metadata is not None else None
    yield from _with_inner([] if main is None else [main], 0)
    yield from _with_inner(source.items("components"), 0)


def _with_inner(components: list[Source], level: int) -> Iterator[Source]:
    for component in components:
        if isinstance(component.value, dict):
            yield component
            if level < _MAX_LEVELS:
                yield from _with_inner(component.items("components"), level + 1)

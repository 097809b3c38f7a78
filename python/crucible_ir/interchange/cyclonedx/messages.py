"""The export of each type of message."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from crucible_ir.interchange.cyclonedx.names import (
    DATA,
    METRICS,
    MODEL,
    REF_PROPERTIES,
    VERSION_PROPERTIES,
    Identity,
    number_of,
    our_task,
    their_task,
    write_number,
)
from crucible_ir.interchange.cyclonedx.placing import (
    BomExport,
    has_place,
    list_of,
    text_of,
    write_property,
)
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    NUMBER_TEXT,
    VERSION,
    NoConversionError,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same

#: What an IRI has only in escapes.
_NOT_IN_IRI = re.compile(r"[\x00-\x20\x7f<>\"{}|\\^`]|%(?![0-9A-Fa-f]{2})")


def export_ref(conversion: Export) -> None:
    """Export a ModelRef."""
    source = conversion.source
    id_ = source.get("id", str)
    number = source.get("version", str)
    identity = Identity.of_model(
        id_.value if id_ is not None else UNKNOWN, number.value if number is not None else ""
    )
    export = BomExport(conversion, MODEL, identity)
    component = export.component
    if id_ is not None:
        id_.use(Outcome.RENAMED, (*component.path, "name"), reason="group and name")
    if number is not None:
        number.use(Outcome.KEPT, (*component.path, "version"))
    task = source.get("task", str)
    if task is not None:
        kept = export.rest.get("task", str) if export.rest is not None else None
        theirs = their_task(task.value)
        parameters = export.card("modelParameters")
        if kept is not None and our_task(kept.value) == task.value:
            theirs = kept.value
            kept.use(Outcome.OPAQUE, (*parameters.path, "task"))
        parameters.put("task", theirs, task, reason="our names of tasks have underscores")
    architecture = source.get("architecture", str)
    if architecture is not None:
        export.card("modelParameters").put("architectureFamily", architecture.value, architecture)
    for field in REF_PROPERTIES:
        export.property(field)
    uri = source.get("artifact_uri", str)
    _write_locations(export, [] if uri is None else [uri])
    _write_tags(export)
    export.finish()


def _write_tags(export: BomExport) -> None:
    tags = export.source.get("tags", list)
    if tags is not None:
        export.component.put("tags", tags.value, tags)


def _as_reference(uri: str) -> str:
    """Return a URI as an IRI reference, which some characters cannot be in.

    >>> _as_reference("s3://models/my model"), _as_reference("100%"), _as_reference("a%20b")
    ('s3://models/my%20model', '100%25', 'a%20b')
    """
    return _NOT_IN_IRI.sub(lambda found: quote(found[0], safe=""), uri)


def _write_locations(export: BomExport, uris: list[Source]) -> list[Target]:
    """Write where files are; return the objects that have it."""
    targets = []
    paths = export.places("artifacts", len(uris))
    for index, uri in enumerate(uris):
        if paths is None:
            references = list_of(export.component.value, "externalReferences")
            references.append({"type": "distribution"})
            target = export.object_at(("externalReferences", len(references) - 1))
        else:
            target = export.object_at(paths[index])
        is_file = paths is not None and paths[index][0] == "components"
        if paths is None:
            target.put("url", _as_reference(uri.value), uri, reason="an IRI escapes characters")
        else:
            target.put("name" if is_file else "url", uri.value, uri)
        targets.append(target)
    return targets


def export_version(conversion: Export) -> None:
    """Export a ModelVersion."""
    source = conversion.source
    model, number = source.get("model_id", str), source.get("version", str)
    id_ = source.get("id", str)
    rest = source.rest()
    original = rest.get("version", str) if rest is not None else None
    version = number.value if number is not None else ""
    if original is not None and _reads_as_version(original.value, version):
        version = original.value
    else:
        original = None
    identity = Identity.of_model(model.value if model is not None else UNKNOWN, version)
    export = BomExport(conversion, MODEL, identity)
    component = export.component
    if original is not None:
        original.use(Outcome.OPAQUE, (*component.path, "version"))
    if number is not None:
        component.put("version", version, number, reason=VERSION.reason)
    if model is not None:
        model.use(Outcome.RENAMED, (*component.path, "name"), reason="group and name")
    if id_ is not None and id_.value == identity.id:
        id_.use(Outcome.RENAMED, (*component.path, "name"), reason="group, name and version")
    for field in ("id", *VERSION_PROPERTIES):
        found = source.get(field, str)
        if found is not None and not found.is_used:
            export.property(field)
    for ours, theirs in (("description", "description"), ("created_by", "publisher")):
        found = source.get(ours, str)
        if found is not None:
            component.put(theirs, found.value, found)
    _write_tags(export)
    _write_artifacts(export)
    _write_sources(export)
    metrics = source.entries("metrics")
    if metrics:
        written = list_of(export.card("quantitativeAnalysis").value, METRICS)
        path = export.card("quantitativeAnalysis", METRICS).path
        for name, found in metrics:
            written.append({"type": name, "value": write_number(float(found.value))})
            reason = NUMBER_TEXT.reason
            found.use(Outcome.CONVERTED, path, reason=reason, to=written[-1]["value"])
    export.finish()


def _reads_as_version(original: str, version: str) -> bool:
    try:
        return bool(VERSION.read(original) == version)
    except NoConversionError:
        return False


def _write_artifacts(export: BomExport) -> None:
    component = export.component
    artifacts = [each for each in export.source.items("artifacts") if each.get("uri", str)]
    uris = [uri for each in artifacts if (uri := each.get("uri", str)) is not None]
    targets = _write_locations(export, uris)
    for artifact, target in zip(artifacts, targets, strict=True):
        digest = artifact.get("digest", str)
        if digest is not None:
            is_outside = len(artifacts) == 1 and has_place(component) and not has_place(target)
            export.hash(component if is_outside else target, digest)
        media_type = artifact.get("media_type", str)
        if media_type is not None and target.value.get("type") == "file":
            target.put("mime-type", media_type.value, media_type)


def _write_sources(export: BomExport) -> None:
    sources = [each for each in export.source.items("sources") if each.text("model_version_id")]
    paths = export.places("ancestors", len(sources))
    for index, source in enumerate(sources):
        if paths is None:
            ancestors = list_of(export.component.child("pedigree").value, "ancestors")
            ancestors.append({"type": MODEL})
            target = export.object_at(("pedigree", "ancestors", len(ancestors) - 1))
        else:
            target = export.object_at(paths[index])
        id_ = source.get("model_version_id", str)
        assert id_ is not None
        target.value.update(Identity.of_version(id_.value).as_json())
        id_.use(Outcome.RENAMED, target.path, reason="group, name and version")
        relation = source.get("relation", str)
        if relation is not None:
            write_property(target, "relation", relation.value, relation)


def export_evaluation(conversion: Export) -> None:
    """Export an EvaluationResult."""
    source = conversion.source
    version = source.get("model_version_id", str)
    ref = source.get("model_ref", dict)
    subject = version or (ref.get("id", str) if ref is not None else None)
    rest = source.rest()
    kept = rest.get("component", dict) if rest is not None else None
    identity = Identity("", UNKNOWN)
    if subject is not None:
        id_ = subject.value
        identity = Identity.of_version(id_) if version is not None else Identity.of_model(id_)
        if kept is not None and kept.text("of") == id_:
            identity = Identity(*(text_of(kept.value, key) for key in ("group", "name", "version")))
    export = BomExport(conversion, MODEL, identity)
    component = export.component
    if subject is not None:
        subject.use(Outcome.RENAMED, (*component.path, "name"), reason="the name of the component")
        own = source.get("id", str)
        if own is not None and own.value == f"{subject.value}/evaluation":
            own.use(Outcome.RENAMED, (*component.path, "name"), reason="derived from the model's")
    else:
        component.default("name", UNKNOWN, "CycloneDX requires the name of the model")
    task = source.get("task", str)
    if task is not None:
        export.card("modelParameters").put("task", task.value, task)
    metrics = source.items("metrics")
    if metrics:
        _write_metrics(export, metrics)
    export.finish()


def _write_metrics(export: BomExport, metrics: list[Source]) -> None:
    kept = export.rest.get(METRICS, list) if export.rest is not None else None
    written: list[dict[str, Any]] = [{} for _ in metrics]
    analysis = export.card("quantitativeAnalysis")
    if kept is not None and len(kept.value) == len(metrics):
        written = [dict(each) if isinstance(each, dict) else {} for each in kept.value]
        kept.use(Outcome.OPAQUE, (*analysis.path, METRICS))
    analysis.value[METRICS] = written
    for index, metric in enumerate(metrics):
        path = (*analysis.path, METRICS, index)
        target = Target(export.conversion, path, value=written[index])
        name = metric.get("name", str)
        if name is not None:
            target.put("type", name.value, name)
        value = metric.get("value", int, float)
        original = target.value.get("value")
        if value is not None and original is not None and same(number_of(original), value.value):
            value.use(Outcome.CONVERTED, path, reason=NUMBER_TEXT.reason, to=original)
        elif value is not None:
            target.put("value", write_number(float(value.value)), value, reason=NUMBER_TEXT.reason)
        filter_ = metric.get("filter", str)
        if filter_ is not None:
            reason = "the part of the data that the metric was computed on"
            target.put("slice", filter_.value, filter_, reason=reason)
        error = metric.get("stderr")
        if error is not None:
            error.drop("CycloneDX has confidence intervals and no standard errors")


def export_dataset(conversion: Export) -> None:
    """Export a DatasetRef."""
    source = conversion.source
    rest = source.rest()
    model = rest.get("model", dict) if rest is not None else None
    if model is not None:
        _export_inner_dataset(conversion, model)
        return
    name, number = source.get("name", str), source.get("version", str)
    identity = Identity.of_model(
        name.value if name is not None else UNKNOWN, number.value if number is not None else ""
    )
    export = BomExport(conversion, DATA, identity)
    component = export.component
    if name is not None:
        name.use(Outcome.RENAMED, (*component.path, "name"), reason="group and name")
    if number is not None:
        number.use(Outcome.KEPT, (*component.path, "version"))
    uri = source.get("uri", str)
    _write_locations(export, [] if uri is None else [uri])
    digest = source.get("digest", str)
    if digest is not None:
        export.hash(component, digest)
    export.finish()


def _export_inner_dataset(conversion: Export, model: Source) -> None:
    """Write a dataset into the card of the model that an import has it from."""
    identity = Identity(*(text_of(model.value, key) for key in ("group", "name", "version")))
    export = BomExport(conversion, MODEL, identity)
    model.use(Outcome.OPAQUE, export.component.path)
    parameters = export.card("modelParameters")
    parameters.value["datasets"] = [{"type": "dataset"}]
    path = (*parameters.path, "datasets", 0)
    dataset = Target(conversion, path, value=parameters.value["datasets"][0])
    name, uri = conversion.source.get("name", str), conversion.source.get("uri", str)
    if name is not None:
        dataset.put("name", name.value, name)
    if uri is not None:
        dataset.child("contents").put("url", _as_reference(uri.value), uri)
    export.finish()

"""The import of a component: a model with its card, or data."""

from __future__ import annotations

import re
from typing import Any, Final

from crucible_ir.interchange.cyclonedx.names import (
    ALGORITHMS,
    DIGEST_REASON,
    MAX_URI_BYTES,
    METRICS,
    MODEL,
    NAME,
    PROPERTY,
    REF_PROPERTIES,
    VERSION_PROPERTIES,
    Identity,
    fits,
    identity_of,
    is_exact_time,
    number_of,
    our_task,
    their_task,
    write_number,
)
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    NUMBER_TEXT,
    VERSION,
)
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

_ENCODED: Final = re.compile(r"[a-zA-Z0-9=_-]+")


def opaque_map(document: Target) -> Target:
    """Return the opaque map of a document."""
    field = "metadata" if document.path[0] == "EvaluationResult" else "options"
    return document.child(field).child(NAME)


def _properties(source: Source) -> dict[str, Source]:
    """Return the values of properties that have fields, by field."""
    found: dict[str, Source] = {}
    for item in source.items("properties"):
        name, value = item.text("name") or "", item.get("value", str)
        if value is None or not fits(value.value):
            continue
        # The name of an enum's value in the schema would come back as its short name.
        if name.startswith(PROPERTY) and not value.value.startswith("MODEL_"):
            found.setdefault(name.removeprefix(PROPERTY), value)
    return found


def put_stubs(source: Any, kept: Any) -> None:
    """Fill the places of components that have documents with what identifies them."""
    if isinstance(source, dict) and isinstance(kept, dict):
        for key, value in source.items():
            if key == "component" and key not in kept and isinstance(value, dict):
                kept[key] = _stub(value)
            else:
                put_stubs(value, kept.get(key))
    elif isinstance(source, list) and isinstance(kept, list):
        for index, value in enumerate(source):
            if kept[index] is None and isinstance(value, dict):
                kept[index] = _stub(value)
            else:
                put_stubs(value, kept[index])


def _stub(component: dict[str, Any]) -> dict[str, Any]:
    keys = ("type", "bom-ref", "group", "name", "version")
    return {key: component[key] for key in keys if fits(component.get(key))}


class ComponentImport:
    """The import of one component.

    Attributes:
        documents: Its documents.
    """

    def __init__(self, conversion: Import, component: Source, identity: Identity) -> None:
        self.conversion = conversion
        self.component = component
        self.identity = identity
        self.documents: list[Target] = []
        #: The places in the component that export fills again: of artifacts and of ancestors.
        self.places: dict[str, list[list[Any]]] = {"artifacts": [], "ancestors": []}
        self.sources = [
            found
            for key in ("name", "group")
            if (found := component.get(key, str)) is not None and found.value
        ]

    @property
    def owner(self) -> Target:
        """The document that keeps the rest of the component."""
        raise NotImplementedError

    def begin(self, type_name: str) -> Target:
        """Begin a document."""
        document = self.conversion.document(type_name)
        self.documents.append(document)
        return document

    def keep(self) -> None:
        """Keep what has no field, also names that an export cannot derive from the id."""
        kind = self.component.get("type", str)
        if kind is not None:
            kind.implied_by(self.owner)
        secrets = self._secret_locations()
        opaque_map(self.owner).put_rest("component", self.component)
        for index in secrets:
            # The URL is required.
            opaque_map(self.owner).value["component"]["externalReferences"][index]["url"] = ""
        put_stubs(self.component.value, opaque_map(self.owner).value["component"])
        for key, places in self.places.items():
            if places:
                opaque_map(self.owner).value[key] = places
        if Identity.of_model(self.identity.joined, self.identity.version) != self.identity:
            for document in self.documents:
                names = opaque_map(document).child("component").value
                names.update(Identity(self.identity.group, self.identity.name).as_json())

    def _secret_locations(self) -> list[int]:
        """Return the places of references whose URL was dropped."""
        return [
            index
            for index, each in enumerate(self.component.items("externalReferences"))
            if isinstance(each.value, dict)
            and each.value.get("url") is not None
            and each.get("url") is None
        ]

    def note_place(self, key: str, value: Source) -> None:
        """Note the place of the object that has a value."""
        self.places[key].append(list(value.path[len(self.component.path) : -1]))

    def read_digest(self, holder: Source, target: Target) -> None:
        """Read one of the hashes: the one with the algorithm that most tools know."""
        known: list[tuple[int, int, Source, Source]] = []
        if any(item.value == {} for item in holder.items("hashes")):
            return
        for item in holder.items("hashes"):
            algorithm, content = item.get("alg", str), item.get("content", str)
            if (
                algorithm is not None
                and content is not None
                and not content.is_used
                and algorithm.value in ALGORITHMS
                and _ENCODED.fullmatch(content.value)
            ):
                rank = list(ALGORITHMS).index(algorithm.value)
                known.append((rank, len(known), algorithm, content))
        if known and not target.has("digest"):
            _, _, algorithm, content = min(known, key=lambda each: each[:2])
            digest = f"{ALGORITHMS[algorithm.value]}:{content.value}"
            target.put("digest", digest, algorithm, content, reason=DIGEST_REASON)

    def locations(self) -> list[Source]:
        """Return the URLs of distributions."""
        found = (
            each.get("url", str)
            for each in self.component.items("externalReferences")
            if each.text("type") == "distribution"
        )
        return [url for url in found if url is not None and fits(url.value, MAX_URI_BYTES)]


class DataImport(ComponentImport):
    """The import of a component of type data."""

    def __init__(self, conversion: Import, component: Source, identity: Identity) -> None:
        super().__init__(conversion, component, identity)
        dataset = self.begin("DatasetRef")
        dataset.put("name", identity.joined, *self.sources, reason="group and name")
        version = component.get("version", str)
        if version is not None and identity.version:
            dataset.put("version", version.value, version)
        for url in [*self._contents(), *self.locations()][:1]:
            dataset.put("uri", url.value, url)
            self.note_place("artifacts", url)
        self.read_digest(component, dataset)

    @property
    def owner(self) -> Target:
        """The document that keeps the rest of the component."""
        return self.documents[0]

    def _contents(self) -> list[Source]:
        urls = []
        found = (item.get("contents", dict) for item in self.component.items("data"))
        for contents in (each for each in found if each is not None):
            url = contents.get("url", str)
            if url is not None and url.value:
                urls.append(url)
        return urls


class ModelImport(ComponentImport):
    """The import of a component of type machine-learning-model."""

    def __init__(
        self,
        conversion: Import,
        component: Source,
        identity: Identity,
        *,
        is_first: bool = True,
    ) -> None:
        super().__init__(conversion, component, identity)
        card = component.get("modelCard", dict)
        self.parameters = card.get("modelParameters", dict) if card is not None else None
        self.properties = _properties(component)
        self.ref = self.begin("ModelRef") if is_first else None
        self.version = self.begin("ModelVersion") if identity.version else None
        if self.ref is not None:
            self._read_ref(self.ref)
        if self.version is not None:
            self._read_version(self.version)
        if card is not None:
            self._read_evaluation(card)

    @property
    def owner(self) -> Target:
        """The document that keeps the rest of the component."""
        owner = self.version or self.ref
        assert owner is not None, "a model without version is the first one of its name"
        return owner

    def _read_properties(self, target: Target, fields: tuple[str, ...]) -> None:
        for field in fields:
            found = self.properties.get(field)
            if found is None or (field == "created_at" and not is_exact_time(found.value)):
                continue
            target.put(field, found.value, found)

    def _read_ref(self, ref: Target) -> None:
        ref.put("id", self.identity.joined, *self.sources, reason="group and name")
        self._read_properties(ref, REF_PROPERTIES)
        if self.parameters is not None:
            task = self.parameters.get("task", str)
            if task is not None and fits(task.value) and not task.value.startswith("MODEL_"):
                ours = our_task(task.value)
                ref.put("task", ours, task, reason="our names of tasks have underscores")
                if their_task(ours) != task.value:
                    opaque_map(ref).value["task"] = task.value
            family = self.parameters.get("architectureFamily", str)
            if family is not None and fits(family.value) and "MODEL_" not in family.value:
                ref.put("architecture", family.value, family)
        if self.version is None:
            self._read_tags(ref)
            for url in self.locations()[:1]:
                ref.put("artifact_uri", url.value, url)
                self.note_place("artifacts", url)

    def _read_tags(self, target: Target) -> None:
        tags = self.component.get("tags", list)
        if tags is not None and tags.value and all(map(fits, tags.value)):
            target.put("tags", tags.value, tags)

    def _read_version(self, version: Target) -> None:
        identity = self.identity
        own = self.properties.get("id")
        if own is not None and own.value != identity.id:
            version.put("id", own.value, own)
        else:
            version.put("id", identity.id)
        version.put("model_id", identity.joined, *self.sources, reason="group and name")
        number = self.component.get("version", str)
        assert number is not None
        version.put("version", VERSION.read(number.value), number, reason=VERSION.reason)
        if version.value["version"] != number.value:
            opaque_map(version).value["version"] = number.value
        for theirs, ours in (("description", "description"), ("publisher", "created_by")):
            found = self.component.get(theirs, str)
            if found is not None:
                version.put(ours, found.value, found)
        self._read_tags(version)
        self._read_properties(version, VERSION_PROPERTIES)
        self._read_artifacts(version)
        self._read_sources(version)

    def _read_artifacts(self, version: Target) -> None:
        files = (
            file.get("name", str)
            for file in self.component.items("components")
            if file.text("type") == "file"
        )
        names = [name for name in files if name is not None and fits(name.value, MAX_URI_BYTES)]
        for uri in [*self.locations(), *names]:
            artifact = version.append("artifacts")
            artifact.put("uri", uri.value, uri)
            self.note_place("artifacts", uri)
            key, index = self.places["artifacts"][-1]
            holder = self.component.items(key)[index]
            self.read_digest(holder, artifact)
            media_type = holder.get("mime-type", str) if key == "components" else None
            if media_type is not None:
                artifact.put("media_type", media_type.value, media_type)
        if len(self.places["artifacts"]) == 1:
            self.read_digest(self.component, artifact)

    def _read_sources(self, version: Target) -> None:
        pedigree = self.component.get("pedigree", dict)
        for ancestor in pedigree.items("ancestors") if pedigree is not None else ():
            identity = identity_of(ancestor.value) if isinstance(ancestor.value, dict) else None
            if identity is None or ancestor.text("type") != MODEL:
                continue
            if Identity.of_version(identity.id) != identity:
                continue
            parts = [ancestor.get(key, str) for key in identity.as_json()]
            sources = [part for part in parts if part is not None]
            source = version.append("sources")
            source.put("model_version_id", identity.id, *sources, reason="group, name and version")
            self.note_place("ancestors", sources[0])
            relation = _properties(ancestor).get("relation")
            if relation is not None:
                source.put("relation", relation.value, relation)

    def read_datasets(self, others: set[str]) -> None:
        """Read the datasets in the model card, which stay there too.

        Args:
            others: The names of datasets that are components.
        """
        for item in self.parameters.items("datasets") if self.parameters is not None else ():
            name, contents = item.text("name"), item.get("contents", dict)
            if item.text("type") != "dataset" or not fits(name) or name in others:
                continue
            others.add(str(name))
            dataset = self.begin("DatasetRef")
            dataset.derive("name", name, "a dataset in the model card, where it stays too")
            url = contents.text("url") if contents is not None else None
            if url:
                dataset.derive("uri", url, "the contents of the dataset")
            opaque_map(dataset).value["model"] = self.identity.as_json()

    def _read_evaluation(self, card: Source) -> None:
        analysis = card.get("quantitativeAnalysis", dict)
        metrics = analysis.get(METRICS, list) if analysis is not None else None
        owner_id = self.owner.value["id"]
        if metrics is None or not metrics.value or not fits(f"{owner_id}/evaluation"):
            return
        if not all(isinstance(each, dict) for each in metrics.value):
            return
        result = self.begin("EvaluationResult")
        result.put("id", f"{owner_id}/evaluation")
        if self.version is not None:
            result.put("model_version_id", owner_id)
        else:
            result.put("model_ref", {"id": owner_id})
        task = self.parameters.text("task") if self.parameters is not None else None
        if fits(task):
            result.derive("task", task, "the task of the model")
        else:
            result.default("task", UNKNOWN, "the model card does not name the task")
        for metric in metrics.members():
            self._read_metric(metric, result.append("metrics"))
        bag = opaque_map(result)
        bag.put_rest(METRICS, metrics)
        for metric, kept in zip(metrics.members(), bag.value[METRICS], strict=True):
            value = metric.value.get("value")
            number = number_of(value)
            if number is not None and write_number(number) != value:
                kept["value"] = value
        if Identity.of_version(owner_id) != self.identity:
            bag.child("component").value.update({**self.identity.as_json(), "of": owner_id})

    def _read_metric(self, metric: Source, target: Target) -> None:
        name = metric.get("type", str)
        if name is not None and fits(name.value):
            target.put("name", name.value, name)
        else:
            target.default("name", UNKNOWN, "the metric has no type")
        value = metric.get("value")
        number = None if value is None else number_of(value.value)
        if value is not None and number is not None:
            converted = Outcome.CONVERTED
            target.put("value", number, value, reason=NUMBER_TEXT.reason, outcome=converted)
        slice_ = metric.get("slice", str)
        if slice_ is not None:
            reason = "the part of the data that the metric was computed on"
            target.put("filter", slice_.value, slice_, reason=reason)

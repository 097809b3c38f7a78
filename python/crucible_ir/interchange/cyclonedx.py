"""CycloneDX: the models and data of an ML-BOM, as ModelRef, ModelVersion and DatasetRef.

The first document of a BOM keeps the BOM under ``options.cyclonedx.bom``, with a short entry for
each component that has documents; each of them keeps the rest of its component.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from crucible_ir.interchange.mapping.conversion import (
    UNKNOWN,
    Export,
    Import,
    Source,
    Target,
    same,
)
from crucible_ir.interchange.mapping.converters import (
    NUMBER_TEXT,
    TIME_TEXT,
    VERSION,
    NoConversionError,
)
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.schema.fields import fields_of
from crucible_ir.v1 import model_pb2

_NAME: Final = "cyclonedx"
_MODEL: Final = "machine-learning-model"
_DATA: Final = "data"
_METRICS: Final = "performanceMetrics"

#: The versions of the specification; the first one is written for documents from elsewhere.
_SPEC_VERSIONS: Final = ("1.6", "1.7")

#: What the names of our properties begin with: fields that a component has no place for.
_PROPERTY: Final = "crucible-ir:"
_REF_PROPERTIES: Final = ("provider", "framework")
_VERSION_PROPERTIES: Final = (
    "stage",
    "training_run_id",
    "parent_version",
    "artifact_uri",
    "created_at",
)

#: The name of an algorithm in a digest for each name of CycloneDX; the first ones are preferred.
_ALGORITHMS: Final = {
    "SHA-256": "sha256",
    "SHA-512": "sha512",
    "SHA-384": "sha384",
    "SHA-1": "sha1",
    "MD5": "md5",
    "SHA3-256": "sha3-256",
    "SHA3-384": "sha3-384",
    "SHA3-512": "sha3-512",
    "BLAKE2b-256": "blake2b-256",
    "BLAKE2b-384": "blake2b-384",
    "BLAKE2b-512": "blake2b-512",
    "BLAKE3": "blake3",
}
_ENCODED: Final = re.compile(r"[a-zA-Z0-9=_-]+")
#: The hashes that CycloneDX allows, by the numbers of their hexadecimal digits.
_HASH: Final = re.compile("|".join(f"[0-9a-fA-F]{{{digits}}}" for digits in (32, 40, 64, 96, 128)))
_DIGEST_REASON: Final = "a digest names its algorithm, as OCI writes it"

_TASKS: Final = frozenset(fields_of(model_pb2.ModelRef.DESCRIPTOR)["task"].short_names)

#: The most levels of components in components that are looked through.
_MAX_LEVELS = 4
_MAX_ID_BYTES = 512
_MAX_URI_BYTES = 8192

#: What an IRI has only in escapes.
_NOT_IN_IRI = re.compile(r"[\x00-\x20\x7f<>\"{}|\\^`]|%(?![0-9A-Fa-f]{2})")


def _fits(value: object, limit: int = _MAX_ID_BYTES) -> bool:
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= limit
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True)
class _Identity:
    """What identifies a component.

    Attributes:
        group: The group of its name; may be empty.
        name: Its name.
        version: Its version; may be empty.
    """

    group: str
    name: str
    version: str = ""

    @property
    def joined(self) -> str:
        """The id of the model."""
        return f"{self.group}/{self.name}" if self.group else self.name

    @property
    def id(self) -> str:
        """The id of the version."""
        return f"{self.joined}@{self.version}" if self.version else self.joined

    @classmethod
    def of_model(cls, id_: str, version: str = "") -> _Identity:
        """Return the identity of a model's component.

        >>> _Identity.of_model("example/chat", "1")
        _Identity(group='example', name='chat', version='1')
        """
        group, _, name = id_.rpartition("/")
        return cls(group, name, version) if group and name else cls("", id_, version)

    @classmethod
    def of_version(cls, id_: str) -> _Identity:
        """Return the identity of the component of a version.

        >>> _Identity.of_version("example/chat@1")
        _Identity(group='example', name='chat', version='1')
        """
        model, _, version = id_.rpartition("@")
        return cls.of_model(model, version) if model and version else cls.of_model(id_)

    def as_json(self) -> dict[str, str]:
        """Return the keys of a component."""
        found = {"group": self.group, "name": self.name, "version": self.version}
        return {key: value for key, value in found.items() if value}


def _identity(component: Any) -> _Identity | None:
    """Return the identity of a component; ``None`` if it has no name."""
    values = [component.get(key) for key in ("group", "name", "version")]
    group, name, version = (value if _fits(value) else "" for value in values)
    found = _Identity(group, name, version)
    if not name or not _fits(found.id):
        return None
    try:
        VERSION.read(version)
    except NoConversionError:
        return _Identity(group, name)
    return found


# --- Import ---


def _import_record(conversion: Import) -> None:
    source = conversion.source
    head = source.get("bomFormat", str)
    if head is None or head.value != "CycloneDX":
        raise (head or source).fail('expected "bomFormat": "CycloneDX"')
    version = source.get("specVersion", str)
    if version is None or version.value not in _SPEC_VERSIONS:
        raise (version or source).fail(f"expected specVersion {' or '.join(_SPEC_VERSIONS)}")
    source.drop_secrets()
    found: list[_ComponentImport] = []
    seen: dict[tuple[str, str], set[str]] = {}
    for component in _components(source):
        kind, identity = component.value.get("type"), _identity(component.value)
        if kind not in (_MODEL, _DATA) or identity is None:
            continue
        versions = seen.setdefault((kind, identity.joined), set())
        if not versions:
            maker = _ModelImport if kind == _MODEL else _DataImport
            found.append(maker(conversion, component, identity))
        elif kind == _MODEL and identity.version and not versions & {"", identity.version}:
            found.append(_ModelImport(conversion, component, identity, is_first=False))
        versions.add(identity.version)
    if not found:
        raise source.fail(f"expected a component of type {_MODEL} or {_DATA} with a name")
    # What is kept of a component leaves out the components in it that have documents.
    for each in reversed(found):
        each.keep()
    for each in found:
        for document in each.documents:
            _bag(document).value["specVersion"] = version.value
    owner = found[0].owner
    owner.keep_rest(source, "repaired")
    bag = _bag(owner)
    head.implied_by(owner)
    version.use(Outcome.OPAQUE, (*bag.path, "specVersion"))
    bag.value["place"] = list(found[0].component.path)
    bag.put_rest("bom", source)
    _put_stubs(source.value, bag.value["bom"])


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


def _put_stubs(source: Any, kept: Any) -> None:
    """Fill the places of components that have documents with what identifies them."""
    if isinstance(source, dict) and isinstance(kept, dict):
        for key, value in source.items():
            if key == "component" and key not in kept and isinstance(value, dict):
                kept[key] = _stub(value)
            else:
                _put_stubs(value, kept.get(key))
    elif isinstance(source, list) and isinstance(kept, list):
        for index, value in enumerate(source):
            if kept[index] is None and isinstance(value, dict):
                kept[index] = _stub(value)
            else:
                _put_stubs(value, kept[index])


def _stub(component: dict[str, Any]) -> dict[str, Any]:
    keys = ("type", "bom-ref", "group", "name", "version")
    return {key: component[key] for key in keys if _fits(component.get(key))}


def _bag(document: Target) -> Target:
    """Return the opaque map of a document."""
    field = "metadata" if document.path[0] == "EvaluationResult" else "options"
    return document.child(field).child(_NAME)


def _properties(source: Source) -> dict[str, Source]:
    """Return the values of properties that have fields, by field."""
    found: dict[str, Source] = {}
    for item in source.items("properties"):
        name, value = item.text("name") or "", item.get("value", str)
        if value is None or not _fits(value.value):
            continue
        # The name of an enum's value in the schema would come back as its short name.
        if name.startswith(_PROPERTY) and not value.value.startswith("MODEL_"):
            found.setdefault(name.removeprefix(_PROPERTY), value)
    return found


class _ComponentImport:
    """The import of one component.

    Attributes:
        documents: Its documents.
    """

    def __init__(self, conversion: Import, component: Source, identity: _Identity) -> None:
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
        _bag(self.owner).put_rest("component", self.component)
        for index in secrets:
            # The URL is required.
            _bag(self.owner).value["component"]["externalReferences"][index]["url"] = ""
        _put_stubs(self.component.value, _bag(self.owner).value["component"])
        for key, places in self.places.items():
            if places:
                _bag(self.owner).value[key] = places
        if _Identity.of_model(self.identity.joined, self.identity.version) != self.identity:
            for document in self.documents:
                names = _bag(document).child("component").value
                names.update(_Identity(self.identity.group, self.identity.name).as_json())

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
                and algorithm.value in _ALGORITHMS
                and _ENCODED.fullmatch(content.value)
            ):
                rank = list(_ALGORITHMS).index(algorithm.value)
                known.append((rank, len(known), algorithm, content))
        if known and not target.has("digest"):
            _, _, algorithm, content = min(known, key=lambda each: each[:2])
            digest = f"{_ALGORITHMS[algorithm.value]}:{content.value}"
            target.put("digest", digest, algorithm, content, reason=_DIGEST_REASON)

    def locations(self) -> list[Source]:
        """Return the URLs of distributions."""
        found = (
            each.get("url", str)
            for each in self.component.items("externalReferences")
            if each.text("type") == "distribution"
        )
        return [url for url in found if url is not None and _fits(url.value, _MAX_URI_BYTES)]


class _DataImport(_ComponentImport):
    """The import of a component of type data."""

    def __init__(self, conversion: Import, component: Source, identity: _Identity) -> None:
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
        return self.documents[0]

    def _contents(self) -> list[Source]:
        urls = []
        found = (item.get("contents", dict) for item in self.component.items("data"))
        for contents in (each for each in found if each is not None):
            url = contents.get("url", str)
            if url is not None and url.value:
                urls.append(url)
        return urls


class _ModelImport(_ComponentImport):
    """The import of a component of type machine-learning-model."""

    def __init__(
        self,
        conversion: Import,
        component: Source,
        identity: _Identity,
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
        owner = self.version or self.ref
        assert owner is not None, "a model without version is the first one of its name"
        return owner

    def _read_properties(self, target: Target, fields: tuple[str, ...]) -> None:
        for field in fields:
            found = self.properties.get(field)
            if found is None or (field == "created_at" and not _is_exact_time(found.value)):
                continue
            target.put(field, found.value, found)

    def _read_ref(self, ref: Target) -> None:
        ref.put("id", self.identity.joined, *self.sources, reason="group and name")
        self._read_properties(ref, _REF_PROPERTIES)
        if self.parameters is not None:
            task = self.parameters.get("task", str)
            if task is not None and _fits(task.value) and not task.value.startswith("MODEL_"):
                ours = _task(task.value)
                ref.put("task", ours, task, reason="our names of tasks have underscores")
                if _their_task(ours) != task.value:
                    _bag(ref).value["task"] = task.value
            family = self.parameters.get("architectureFamily", str)
            if family is not None and _fits(family.value) and "MODEL_" not in family.value:
                ref.put("architecture", family.value, family)
        if self.version is None:
            self._read_tags(ref)
            for url in self.locations()[:1]:
                ref.put("artifact_uri", url.value, url)
                self.note_place("artifacts", url)

    def _read_tags(self, target: Target) -> None:
        tags = self.component.get("tags", list)
        if tags is not None and tags.value and all(map(_fits, tags.value)):
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
            _bag(version).value["version"] = number.value
        for theirs, ours in (("description", "description"), ("publisher", "created_by")):
            found = self.component.get(theirs, str)
            if found is not None:
                version.put(ours, found.value, found)
        self._read_tags(version)
        self._read_properties(version, _VERSION_PROPERTIES)
        self._read_artifacts(version)
        self._read_sources(version)

    def _read_artifacts(self, version: Target) -> None:
        files = (
            file.get("name", str)
            for file in self.component.items("components")
            if file.text("type") == "file"
        )
        names = [name for name in files if name is not None and _fits(name.value, _MAX_URI_BYTES)]
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
            identity = _identity(ancestor.value) if isinstance(ancestor.value, dict) else None
            if identity is None or ancestor.text("type") != _MODEL:
                continue
            if _Identity.of_version(identity.id) != identity:
                continue
            parts = [ancestor.get(key, str) for key in identity.as_json()]
            sources = [part for part in parts if part is not None]
            source = version.append("sources")
            source.put("model_version_id", identity.id, *sources, reason="group, name and version")
            self.note_place("ancestors", sources[0])
            relation = _properties(ancestor).get("relation")
            if relation is not None:
                source.put("relation", relation.value, relation)

    def _read_evaluation(self, card: Source) -> None:
        analysis = card.get("quantitativeAnalysis", dict)
        metrics = analysis.get(_METRICS, list) if analysis is not None else None
        owner_id = self.owner.value["id"]
        if metrics is None or not metrics.value or not _fits(f"{owner_id}/evaluation"):
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
        if _fits(task):
            result.derive("task", task, "the task of the model")
        else:
            result.default("task", UNKNOWN, "the model card does not name the task")
        for metric in metrics.members():
            self._read_metric(metric, result.append("metrics"))
        bag = _bag(result)
        bag.put_rest(_METRICS, metrics)
        for metric, kept in zip(metrics.members(), bag.value[_METRICS], strict=True):
            value = metric.value.get("value")
            number = _number(value)
            if number is not None and _written(number) != value:
                kept["value"] = value
        if _Identity.of_version(owner_id) != self.identity:
            bag.child("component").value.update({**self.identity.as_json(), "of": owner_id})

    def _read_metric(self, metric: Source, target: Target) -> None:
        name = metric.get("type", str)
        if name is not None and _fits(name.value):
            target.put("name", name.value, name)
        else:
            target.default("name", UNKNOWN, "the metric has no type")
        value = metric.get("value")
        number = None if value is None else _number(value.value)
        if value is not None and number is not None:
            converted = Outcome.CONVERTED
            target.put("value", number, value, reason=NUMBER_TEXT.reason, outcome=converted)
        slice_ = metric.get("slice", str)
        if slice_ is not None:
            reason = "the part of the data that the metric was computed on"
            target.put("filter", slice_.value, slice_, reason=reason)


def _number(value: Any) -> float | None:
    """Return the number that a value is or spells, if it is one."""
    try:
        return float(NUMBER_TEXT.read(value))
    except (NoConversionError, OverflowError):
        return None


def _written(number: float) -> str:
    """Write a number as text, without a point if it is whole.

    >>> _written(3.0), _written(0.25), _written(float("nan"))
    ('3', '0.25', 'nan')
    """
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else str(number)


def _task(task: str) -> str:
    """Return our name of a task.

    >>> _task("text-generation"), _task("image-captioning")
    ('text_generation', 'image-captioning')
    """
    ours = task.replace("-", "_")
    return ours if ours in _TASKS else task


def _their_task(task: str) -> str:
    return task.replace("_", "-") if task in _TASKS else task


def _is_exact_time(text: str) -> bool:
    try:
        return bool(TIME_TEXT.read(text) == text)
    except NoConversionError:
        return False


# --- Export ---


class _BomExport:
    """The export of one message as a component in a BOM.

    Args:
        conversion: The export.
        kind: The type of the component.
        identity: What identifies it.
    """

    def __init__(self, conversion: Export, kind: str, identity: _Identity) -> None:
        self.conversion = conversion
        self.source = conversion.source
        rest = self.rest = self.source.rest()
        version = rest.get("specVersion", str) if rest is not None else None
        self.spec_version = _SPEC_VERSIONS[0]
        if version is not None and version.value in _SPEC_VERSIONS:
            self.spec_version = version.value
            version.use(Outcome.OPAQUE, ("specVersion",))
        kept = rest.get("component", dict) if rest is not None else None
        component: dict[str, Any] = {"type": kind}
        if kept is not None:
            component.update(copy.deepcopy(kept.value))
            component["type"] = kind
        component.pop("of", None)
        names = _Identity(_text(component, "group"), _text(component, "name"), identity.version)
        if names.joined == identity.joined and names.name:
            identity = names
        elif names.group:
            del component["group"]
        component.update(identity.as_json())
        bom = rest.get("bom", dict) if rest is not None else None
        self.bom: dict[str, Any] = {"bomFormat": "CycloneDX", "specVersion": self.spec_version}
        if bom is not None:
            self.bom.update(copy.deepcopy(bom.value))
            self.bom.update(bomFormat="CycloneDX", specVersion=self.spec_version)
            bom.use(Outcome.OPAQUE, ())
        conversion.target.value.update(self.bom)
        path = self._place(component)
        if kept is not None:
            kept.use(Outcome.OPAQUE, path)
        self.component = Target(conversion, path, value=component)

    def _place(self, component: dict[str, Any]) -> tuple[str | int, ...]:
        """Put the component into the BOM: in its place if an import noted it."""
        bom = self.conversion.target.value
        place = self.rest.get("place", list) if self.rest is not None else None
        if place is not None:
            *before, last = place.value or [None]
            owner = _at(bom, tuple(before))
            if _at(owner, (last,)) is not None:
                owner[last] = component
                path = (*before, last)
                place.use(Outcome.OPAQUE, path, reason="the place of the component")
                return path
        if not isinstance(bom.get("components"), list):
            bom["components"] = []
        bom["components"].append(component)
        return ("components", len(bom["components"]) - 1)

    def places(self, key: str, count: int) -> list[tuple[str | int, ...]] | None:
        """Return the places in the component that an import noted.

        Returns:
            The paths; ``None`` if there are none, or if their number has changed since. In the
            latter case, what was left of the objects at the places is removed.
        """
        noted = self.rest.get(key, list) if self.rest is not None else None
        if noted is None:
            return None
        value = self.component.value
        paths = [tuple(each) for each in noted.value if isinstance(each, list) and each]
        paths = [path for path in paths if isinstance(_at(value, path), dict)]
        if len(paths) == count:
            noted.use(Outcome.OPAQUE, self.component.path, reason="the places of the values")
            return paths
        noted.drop("the list has changed since the import")
        for *before, last in reversed(paths):
            owner = _at(value, tuple(before))
            if isinstance(owner, list):
                del owner[last]
        return None

    def object_at(self, path: tuple[str | int, ...]) -> Target:
        """Return an object in the component."""
        value = _at(self.component.value, path)
        return Target(self.conversion, (*self.component.path, *path), value=value)

    def property(self, field: str) -> None:
        """Write a field that a component has no place for as a property."""
        found = self.source.get(field, str)
        if found is not None:
            _write_property(self.component, field, found.value, found)

    def card(self, *keys: str) -> Target:
        """Return an object in the model card."""
        target = self.component.child("modelCard")
        for key in keys:
            target = target.child(key)
        return target

    def hash(self, holder: Target, digest: Source) -> None:
        """Write a digest as a hash, in the place that an import left if there is one."""
        algorithm, _, content = digest.value.partition(":")
        theirs = {ours: theirs for theirs, ours in _ALGORITHMS.items()}.get(algorithm)
        if theirs is None:
            digest.drop(f'CycloneDX has no algorithm "{algorithm}"')
            return
        if not _has_place(holder) and not _HASH.fullmatch(content):
            digest.drop("a hash of CycloneDX is hexadecimal, of a length that algorithms have")
            return
        hashes = _list_of(holder.value, "hashes")
        path = (*holder.path, "hashes")
        place = {"alg": theirs, "content": content}
        if {} in hashes:
            hashes[hashes.index({})] = place
        else:
            hashes.append(place)
        digest.use(Outcome.CONVERTED, path, reason=_DIGEST_REASON, to=f"{theirs} {content}")

    def finish(self) -> None:
        """Put back what an import had to take back."""
        repaired = self.rest.get("repaired", dict) if self.rest is not None else None
        self.conversion.target.restore(repaired)


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path; ``None`` if there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _text(values: dict[str, Any], key: str) -> str:
    found = values.get(key)
    return found if isinstance(found, str) else ""


def _list_of(values: dict[str, Any], key: str) -> list[Any]:
    """Return the list of a key, which is made if there is none."""
    if not isinstance(values.get(key), list):
        values[key] = []
    found: list[Any] = values[key]
    return found


def _write_property(holder: Target, field: str, value: str, source: Source) -> None:
    properties = _list_of(holder.value, "properties")
    name = f"{_PROPERTY}{field}"
    path = (*holder.path, "properties")
    source.use(Outcome.RENAMED, path)
    for item in properties:
        if isinstance(item, dict) and item.get("name") == name and "value" not in item:
            item["value"] = value
            return
    properties.append({"name": name, "value": value})


def _export_ref(conversion: Export) -> None:
    source = conversion.source
    id_ = source.get("id", str)
    number = source.get("version", str)
    identity = _Identity.of_model(
        id_.value if id_ is not None else UNKNOWN, number.value if number is not None else ""
    )
    export = _BomExport(conversion, _MODEL, identity)
    component = export.component
    if id_ is not None:
        id_.use(Outcome.RENAMED, (*component.path, "name"), reason="group and name")
    if number is not None:
        number.use(Outcome.KEPT, (*component.path, "version"))
    task = source.get("task", str)
    if task is not None:
        kept = export.rest.get("task", str) if export.rest is not None else None
        theirs = _their_task(task.value)
        parameters = export.card("modelParameters")
        if kept is not None and _task(kept.value) == task.value:
            theirs = kept.value
            kept.use(Outcome.OPAQUE, (*parameters.path, "task"))
        parameters.put("task", theirs, task, reason="our names of tasks have underscores")
    architecture = source.get("architecture", str)
    if architecture is not None:
        export.card("modelParameters").put("architectureFamily", architecture.value, architecture)
    for field in _REF_PROPERTIES:
        export.property(field)
    uri = source.get("artifact_uri", str)
    _write_locations(export, [] if uri is None else [uri])
    _write_tags(export)
    export.finish()


def _write_tags(export: _BomExport) -> None:
    tags = export.source.get("tags", list)
    if tags is not None:
        export.component.put("tags", tags.value, tags)


def _as_reference(uri: str) -> str:
    """Return a URI as an IRI reference, which some characters cannot be in.

    >>> _as_reference("s3://models/my model"), _as_reference("100%"), _as_reference("a%20b")
    ('s3://models/my%20model', '100%25', 'a%20b')
    """
    return _NOT_IN_IRI.sub(lambda found: quote(found[0], safe=""), uri)


def _write_locations(export: _BomExport, uris: list[Source]) -> list[Target]:
    """Write where files are; return the objects that have it."""
    targets = []
    paths = export.places("artifacts", len(uris))
    for index, uri in enumerate(uris):
        if paths is None:
            references = _list_of(export.component.value, "externalReferences")
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


def _export_version(conversion: Export) -> None:
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
    identity = _Identity.of_model(model.value if model is not None else UNKNOWN, version)
    export = _BomExport(conversion, _MODEL, identity)
    component = export.component
    if original is not None:
        original.use(Outcome.OPAQUE, (*component.path, "version"))
    if number is not None:
        component.put("version", version, number, reason=VERSION.reason)
    if model is not None:
        model.use(Outcome.RENAMED, (*component.path, "name"), reason="group and name")
    if id_ is not None and id_.value == identity.id:
        id_.use(Outcome.RENAMED, (*component.path, "name"), reason="group, name and version")
    for field in ("id", *_VERSION_PROPERTIES):
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
        written = _list_of(export.card("quantitativeAnalysis").value, _METRICS)
        path = export.card("quantitativeAnalysis", _METRICS).path
        for name, found in metrics:
            written.append({"type": name, "value": _written(float(found.value))})
            reason = NUMBER_TEXT.reason
            found.use(Outcome.CONVERTED, path, reason=reason, to=written[-1]["value"])
    export.finish()


def _reads_as_version(original: str, version: str) -> bool:
    try:
        return bool(VERSION.read(original) == version)
    except NoConversionError:
        return False


def _write_artifacts(export: _BomExport) -> None:
    component = export.component
    artifacts = [each for each in export.source.items("artifacts") if each.get("uri", str)]
    uris = [uri for each in artifacts if (uri := each.get("uri", str)) is not None]
    targets = _write_locations(export, uris)
    for artifact, target in zip(artifacts, targets, strict=True):
        digest = artifact.get("digest", str)
        if digest is not None:
            is_outside = len(artifacts) == 1 and _has_place(component) and not _has_place(target)
            export.hash(component if is_outside else target, digest)
        media_type = artifact.get("media_type", str)
        if media_type is not None and target.value.get("type") == "file":
            target.put("mime-type", media_type.value, media_type)


def _has_place(holder: Target) -> bool:
    """Return whether an import used a hash of a component or reference."""
    hashes = holder.value.get("hashes")
    return isinstance(hashes, list) and {} in hashes


def _write_sources(export: _BomExport) -> None:
    sources = [each for each in export.source.items("sources") if each.text("model_version_id")]
    paths = export.places("ancestors", len(sources))
    for index, source in enumerate(sources):
        if paths is None:
            ancestors = _list_of(export.component.child("pedigree").value, "ancestors")
            ancestors.append({"type": _MODEL})
            target = export.object_at(("pedigree", "ancestors", len(ancestors) - 1))
        else:
            target = export.object_at(paths[index])
        id_ = source.get("model_version_id", str)
        assert id_ is not None
        target.value.update(_Identity.of_version(id_.value).as_json())
        id_.use(Outcome.RENAMED, target.path, reason="group, name and version")
        relation = source.get("relation", str)
        if relation is not None:
            _write_property(target, "relation", relation.value, relation)


def _export_evaluation(conversion: Export) -> None:
    source = conversion.source
    version = source.get("model_version_id", str)
    ref = source.get("model_ref", dict)
    subject = version or (ref.get("id", str) if ref is not None else None)
    rest = source.rest()
    kept = rest.get("component", dict) if rest is not None else None
    identity = _Identity("", UNKNOWN)
    if subject is not None:
        id_ = subject.value
        identity = _Identity.of_version(id_) if version is not None else _Identity.of_model(id_)
        if kept is not None and kept.text("of") == id_:
            identity = _Identity(*(_text(kept.value, key) for key in ("group", "name", "version")))
    export = _BomExport(conversion, _MODEL, identity)
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


def _write_metrics(export: _BomExport, metrics: list[Source]) -> None:
    kept = export.rest.get(_METRICS, list) if export.rest is not None else None
    written: list[dict[str, Any]] = [{} for _ in metrics]
    analysis = export.card("quantitativeAnalysis")
    if kept is not None and len(kept.value) == len(metrics):
        written = [dict(each) if isinstance(each, dict) else {} for each in kept.value]
        kept.use(Outcome.OPAQUE, (*analysis.path, _METRICS))
    analysis.value[_METRICS] = written
    for index, metric in enumerate(metrics):
        path = (*analysis.path, _METRICS, index)
        target = Target(export.conversion, path, value=written[index])
        name = metric.get("name", str)
        if name is not None:
            target.put("type", name.value, name)
        value = metric.get("value", int, float)
        original = target.value.get("value")
        if value is not None and original is not None and same(_number(original), value.value):
            value.use(Outcome.CONVERTED, path, reason=NUMBER_TEXT.reason, to=original)
        elif value is not None:
            target.put("value", _written(float(value.value)), value, reason=NUMBER_TEXT.reason)
        filter_ = metric.get("filter", str)
        if filter_ is not None:
            reason = "the part of the data that the metric was computed on"
            target.put("slice", filter_.value, filter_, reason=reason)
        error = metric.get("stderr")
        if error is not None:
            error.drop("CycloneDX has confidence intervals and no standard errors")


def _export_dataset(conversion: Export) -> None:
    source = conversion.source
    name, number = source.get("name", str), source.get("version", str)
    identity = _Identity.of_model(
        name.value if name is not None else UNKNOWN, number.value if number is not None else ""
    )
    export = _BomExport(conversion, _DATA, identity)
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


def join_boms(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Merge BOMs: components with the same names become one.

    >>> model = {"type": "machine-learning-model", "name": "m"}
    >>> join_boms([{"components": [model]}, {"components": [{**model, "version": "1"}]}])
    {'components': [{'type': 'machine-learning-model', 'name': 'm', 'version': '1'}]}
    """
    whole, *others = sorted(objects, key=_size, reverse=True)
    for component in (component for each in others for component in each["components"]):
        found = _find(whole, component)
        if found is None:
            whole.setdefault("components", []).append(component)
        else:
            _merge(found, component)
    return whole


def _size(bom: dict[str, Any]) -> tuple[int, int, int]:
    return len(bom.keys() - {"components"}), len(bom.get("components", ())), len(str(bom))


def _find(value: Any, component: dict[str, Any]) -> dict[str, Any] | None:
    if isinstance(value, dict) and value is not component and _is_same(value, component):
        return value
    children = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    found = (_find(each, component) for each in children)
    return next((each for each in found if each is not None), None)


def _is_same(first: Any, second: Any) -> bool:
    if not isinstance(first, dict) or not isinstance(second, dict) or "name" not in first:
        return False
    names = ("type", "group", "name")
    if not all((first.get(key) or None) == (second.get(key) or None) for key in names):
        return False
    # A model without version is that of the first version.
    return not second.get("version") or first.get("version") == second["version"]


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        mine = into.get(key)
        if isinstance(value, dict) and isinstance(mine, dict):
            _merge(mine, value)
        elif isinstance(value, list) and isinstance(mine, list):
            _merge_lists(mine, value)
        else:
            into.setdefault(key, value)


def _merge_lists(into: list[Any], other: list[Any]) -> None:
    for item in other:
        found = next((each for each in into if _is_same(each, item)), None)
        if found is None:
            into.append(item)
        else:
            _merge(found, item)


FORMAT = Format(
    _NAME,
    "CycloneDX",
    "ML-BOM 1.6 and 1.7: models with their cards and data, as ModelRef, ModelVersion, "
    "EvaluationResult and DatasetRef.",
    _import_record,
    {
        "ModelVersion": _export_version,
        "EvaluationResult": _export_evaluation,
        "ModelRef": _export_ref,
        "DatasetRef": _export_dataset,
    },
    join=join_boms,
)
import_ = FORMAT.import_
export = FORMAT.export

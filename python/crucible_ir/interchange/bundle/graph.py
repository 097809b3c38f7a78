"""The references between documents, resolved as an exchange resolves them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING, Final, NamedTuple

from crucible_ir import v1
from crucible_ir.schema.fields import Resolution
from crucible_ir.schema.references import DocumentKey, FieldReference, located_references
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.schema.walk import Path

_VERSION = descriptor_of(v1.ModelVersion).name
_DEPLOYMENT = descriptor_of(v1.DeploymentConfig).name

#: The most documents that a reference lists as candidates.
MAX_CANDIDATES: Final = 10


@dataclass(frozen=True, slots=True)
class LocatedReference:
    """A reference with the document that it is in.

    Attributes:
        document: The document.
        path: The path in the document.
        reference: The reference; its holder is the document, or a copy inside it.
    """

    document: DocumentKey
    path: Path
    reference: FieldReference

    @property
    def holder(self) -> DocumentKey:
        """The document or the copy that has the field."""
        return DocumentKey(self.reference.holder_type, self.reference.holder_id)


class Target(NamedTuple):
    """What a reference leads to.

    Attributes:
        key: The document or copy; ``None`` if the reference cannot be resolved.
        candidates: The documents that it may mean if it cannot be resolved.
        is_ambiguous: Whether several documents are what it says.
    """

    key: DocumentKey | None
    candidates: tuple[DocumentKey, ...] = ()
    is_ambiguous: bool = False


class ModelVersionFacts(NamedTuple):
    """The fields of a model version that versions of one model are compared by."""

    model_id: str
    version: str
    in_production: bool


class GraphPart(NamedTuple):
    """What a graph needs of a document.

    Attributes:
        key: The document.
        references: All references in it.
        version: The facts about a model version; ``None`` for other documents.
    """

    key: DocumentKey
    references: list[LocatedReference]
    version: ModelVersionFacts | None

    @classmethod
    def of(cls, key: DocumentKey, content: Message) -> GraphPart:
        """Return the part of a document."""
        references = [
            LocatedReference(key, path, reference)
            for path, reference in located_references(content, key.id)
        ]
        if not isinstance(content, v1.ModelVersion):
            return cls(key, references, None)
        in_production = content.stage == v1.ModelStage.MODEL_STAGE_PRODUCTION
        facts = ModelVersionFacts(content.model_id, content.version, in_production)
        return cls(key, references, facts)


class ReferenceGraph:
    """The references of many documents, which need not be kept in memory.

    Attributes:
        documents: The documents, each with all references in it.
        copies: The messages that documents contain copies of.
        versions: The model versions among the documents.
    """

    def __init__(self) -> None:
        self.documents: dict[DocumentKey, list[LocatedReference]] = {}
        self.copies: set[DocumentKey] = set()
        self.versions: dict[DocumentKey, ModelVersionFacts] = {}
        self._own: dict[DocumentKey, list[LocatedReference]] = {}
        self._of_copies: defaultdict[DocumentKey, list[LocatedReference]] = defaultdict(list)
        self._with_version: defaultdict[tuple[str | None, str], list[DocumentKey]]
        self._with_version = defaultdict(list)
        # Results that are used for many references; a new document may change them.
        self._first: dict[tuple[str | None, str], tuple[DocumentKey, ...]] = {}
        self._models: dict[str, tuple[str, ...]] = {}

    def add(self, key: DocumentKey, content: Message) -> None:
        """Add a document."""
        self.add_part(GraphPart.of(key, content))

    def add_part(self, part: GraphPart) -> None:
        """Add what the graph needs of a document."""
        key = part.key
        self._first.clear()
        self._models.clear()
        self.documents[key] = part.references
        own = self._own[key] = []
        for each in part.references:
            (own if each.holder == key else self._of_copies[each.holder]).append(each)
            if each.reference.embedded:
                self.copies.add(DocumentKey(each.reference.target_type, each.reference.target_id))
        if part.version is not None:
            self.versions[key] = part.version
            for model in (part.version.model_id, None):
                self._with_version[model, part.version.version].append(key)

    def references(self) -> Iterator[LocatedReference]:
        """Yield the references of all documents, and of the copies of what is no document."""
        for key in self.documents:
            yield from self._own[key]
        for key, references in self._of_copies.items():
            if key not in self.documents:
                yield from references

    def references_of(self, key: DocumentKey) -> list[LocatedReference]:
        """Return the references of a document, or of its copies if it is no document itself."""
        own = self._own.get(key)
        return self._of_copies.get(key, []) if own is None else own

    def resolve(self, reference: FieldReference) -> Target:
        """Return what a reference leads to, as proto/README.md, "Lineage", says."""
        key = DocumentKey(reference.target_type, reference.target_id)
        if key in self.documents or key in self.copies:
            return Target(key)
        if reference.resolution is None:
            return Target(None)
        version = reference.target_id
        if not reference.context:
            return Target(None, self._versions(None, version)[:MAX_CANDIDATES])
        models: tuple[str, ...] = (reference.context,)
        if reference.resolution is Resolution.BY_VERSION_OF_DEPLOYMENT:
            models = self._models_of_deployment(reference.context)
        holder = DocumentKey(reference.holder_type, reference.holder_id)
        found = [each for model in models for each in self._versions(model, version)]
        found = [each for each in found if each != holder]
        if len(found) == 1:
            return Target(found[0])
        return Target(None, tuple(found[:MAX_CANDIDATES]), is_ambiguous=bool(found))

    def _versions(self, model: str | None, version: str) -> tuple[DocumentKey, ...]:
        """Return the first documents with a version of a model, or of any model."""
        known = self._first.get((model, version))
        if known is None:
            found = self._with_version.get((model, version), ())
            # One more than are listed, since a reference excludes the document that has it.
            known = self._first[model, version] = tuple(nsmallest(MAX_CANDIDATES + 1, found))
        return known

    def _models_of_deployment(self, deployment: str) -> tuple[str, ...]:
        """Return the models whose versions a deployment serves; usually one, or none."""
        known = self._models.get(deployment)
        if known is None:
            key = DocumentKey(_DEPLOYMENT, deployment)
            versions = dict.fromkeys(self._targets(key, "model_version_id"))
            models = (
                model
                for version in versions
                for model in self._targets(DocumentKey(_VERSION, version), "model_id")
            )
            known = self._models[deployment] = tuple(dict.fromkeys(models))
        return known

    def _targets(self, key: DocumentKey, field: str) -> list[str]:
        references = (each.reference for each in self.references_of(key))
        return [each.target_id for each in references if each.field == field]

    def closure(self, starts: Iterable[DocumentKey]) -> list[DocumentKey]:
        """Return documents and everything that they refer to, also through copies.

        References that cannot be resolved, and candidates, are not followed.
        """
        reached = dict.fromkeys(starts)
        waiting = list(reached)
        while waiting:
            for each in self.references_of(waiting.pop()):
                target = self.resolve(each.reference).key
                if target is not None and target not in reached:
                    reached[target] = None
                    waiting.append(target)
        return [key for key in reached if key in self.documents]

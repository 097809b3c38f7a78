"""The documents of a bundle before it is written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crucible_ir.errors import FieldError, near_miss, shorten
from crucible_ir.interchange.bundle.findings import UNIQUE, BundleError, BundleFinding
from crucible_ir.interchange.bundle.graph import GraphPart, ReferenceGraph
from crucible_ir.interchange.bundle.manifest import BundleEntry
from crucible_ir.interchange.bundle.names import paths_of
from crucible_ir.schema.references import DocumentKey, identity_of
from crucible_ir.schema.releases import requires
from crucible_ir.schema.types import descriptor_of, document_of
from crucible_ir.serialization.json.canonical import digest
from crucible_ir.serialization.json.protojson import to_dict
from crucible_ir.v1 import Document

if TYPE_CHECKING:
    from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document as the text that a bundle has.

    Attributes:
        type: The short name of its message type.
        id: Its id; ``None`` if it has none.
        digest: The digest of the content.
        document_digest: The digest of the whole ``Document``.
        text: The ProtoJSON.
        origin: Where it comes from, for errors; empty if that is not known.
    """

    type: str
    id: str | None
    digest: str
    document_digest: str
    text: bytes
    origin: str


class DocumentSet:
    """Documents for a bundle, each once.

    >>> from crucible_ir import v1
    >>> documents = DocumentSet()
    >>> documents.add(v1.ModelRef(id="gpt2"))
    >>> documents.add(v1.ModelVersion(id="gpt2_1", model_id="gpt2", version="1.0.0"))
    >>> [str(key) for key in documents.closure([DocumentKey("ModelRef", "gpt2")]).keys]
    ['ModelRef/gpt2']
    """

    def __init__(self) -> None:
        self._held: dict[DocumentKey, HeldDocument] = {}
        self._parts: dict[DocumentKey, GraphPart] = {}
        self._graph: ReferenceGraph | None = None

    def __len__(self) -> int:
        return len(self._held)

    @property
    def keys(self) -> list[DocumentKey]:
        """The types and ids of the documents; the digest is the id of one that has none."""
        return list(self._held)

    @property
    def graph(self) -> ReferenceGraph:
        """The references between the documents."""
        if self._graph is None:
            self._graph = ReferenceGraph()
            for part in self._parts.values():
                self._graph.add_part(part)
        return self._graph

    @property
    def total_bytes(self) -> int:
        """The number of bytes of the documents in a bundle, without the manifest."""
        return sum(len(held.text) for held in self._held.values())

    def add(
        self,
        message: Message,
        *,
        id: str | None = None,
        origin: str = "",
        keep_last: bool = False,
    ) -> None:
        """Add a document; one that is there already, with the same content, is not added again.

        Of equal contents in two ``Document`` messages, for example from two producers, the one with
        the lesser text is kept, so that the order of the documents does not matter.

        Args:
            message: A ``Document``, or a message that can be its content. It should be valid.
            id: The id of a document whose content has none; ``None`` if it has no id.
            origin: Where it comes from, for errors.
            keep_last: Whether it replaces a document with this type and id that differs.

        Raises:
            BundleError: Another document with this type and id has another content, and
                ``keep_last`` is not set.
            EncodeError: The document has no digest, for example because it has unknown fields.
            FieldError: It cannot be the content of a document, or has another id.
        """
        document = as_document(message)
        content = content_of(document)
        type_ = descriptor_of(content).name
        identity = identity_of(content)
        if id is not None and identity not in (None, id):
            raise FieldError(f"the document has the id {shorten(identity)}, not {shorten(id)}")
        id_ = identity if identity is not None else id
        content_digest = digest(content)
        held = HeldDocument(type_, id_, content_digest, digest(document), _text(document), origin)
        key = DocumentKey(type_, content_digest if id_ is None else id_)
        known = self._held.get(key)
        is_equal = known is not None and known.digest == content_digest
        if known is not None and not is_equal and not keep_last:
            both = " and ".join(each.origin for each in (known, held) if each.origin)
            reason = f"two documents with this type and id differ{f': {both}' if both else ''}"
            raise BundleError([BundleFinding(UNIQUE, str(key), "", reason)])
        if not is_equal:
            self._parts[key] = GraphPart.of(key, content)
            self._graph = None
        if known is None or not is_equal or held.text < known.text:
            self._held[key] = held

    def closure(self, starts: Iterable[DocumentKey]) -> DocumentSet:
        """Return some of the documents, with everything that they refer to.

        Raises:
            FieldError: There is no document with one of the types and ids.
        """
        starts = list(starts)
        for start in starts:
            if start not in self._held:
                near = near_miss(str(start), map(str, self._held))
                raise FieldError(f"there is no document {start}{near}")
        chosen = DocumentSet()
        for key in self.graph.closure(starts):
            chosen._held[key] = self._held[key]
            chosen._parts[key] = self._parts[key]
        return chosen

    def listed(self) -> list[tuple[BundleEntry, bytes]]:
        """Return the documents in the order of a bundle, each with its text."""
        held = sorted(self._held.values(), key=_order)
        paths = paths_of([(each.type, each.id, each.digest) for each in held])
        return [
            (BundleEntry(each.type, each.id, path, each.digest, each.document_digest), each.text)
            for each, path in zip(held, paths, strict=True)
        ]


def _order(held: HeldDocument) -> tuple[str, bool, str]:
    return held.type, held.id is None, held.digest if held.id is None else held.id


def as_document(message: Message) -> Document:
    """Return a document with a message as its content; a ``Document`` is returned as it is.

    The document states the oldest release that reads it and no producer, so that it depends on the
    message only.

    Raises:
        FieldError: The message cannot be the content of a document.
    """
    if isinstance(message, Document):
        return message
    document = document_of(message)
    for field in ("ir_version", "producer_name", "producer_version"):
        document.ClearField(field)
    document.ir_version = requires(document)
    return document


def content_of(document: Document) -> Message:
    """Return the content of a document.

    Raises:
        FieldError: It is empty, or its content is of a newer schema.
    """
    member = document.WhichOneof("content")
    if member is None:
        raise FieldError("the document has no content that this release knows")
    content: Message = getattr(document, member)
    return content


def _text(document: Document) -> bytes:
    """Return a document as a line of JSON, which depends on no library's way to write numbers."""
    text = json.dumps(to_dict(document), ensure_ascii=False, separators=(",", ":"))
    return f"{text}\n".encode()

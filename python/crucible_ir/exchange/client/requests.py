"""The requests of the exchange, made from plain arguments."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from crucible_ir.errors import FieldError, near_miss
from crucible_ir.exchange import v1
from crucible_ir.schema import vocabulary
from crucible_ir.schema.types import descriptor_of, document_members, message_type
from crucible_ir.v1 import Document
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message

    #: What names the type of a document: its class, or its short or full name.
    TypeName = str | type[Message]

_PRODUCER: Final = "crucible-ir"


@dataclass(frozen=True, slots=True)
class Publication:
    """A document to publish, with what is asked of the exchange beside it.

    Attributes:
        document: The document, or the message to put into one.
        id: The document's id; ``None`` for the one that the content has.
        etag: The etag of the revision to replace; empty when there must not be any; ``None`` to
            replace whatever is there.
        request_id: What makes the request safe to repeat; ``None`` to have one made.
        validate_only: Whether to store nothing.
    """

    document: Message
    id: str | None = None
    etag: str | None = None
    request_id: str | None = None
    validate_only: bool = False

    def request(self) -> v1.PublishRequest:
        """Return the request.

        Raises:
            FieldError: A document cannot hold the message.
        """
        return v1.PublishRequest(
            document=document_of(self.document),
            id=self.id,
            etag=self.etag,
            request_id=self.request_id or new_request_id(),
            validate_only=self.validate_only,
        )


def new_request_id() -> str:
    """Return an id that no other request has."""
    return str(uuid.uuid4())


def document_of(message: Message) -> Document:
    """Return a message as a document, unless it is one.

    Raises:
        FieldError: A document cannot hold it.
    """
    if isinstance(message, Document):
        return message
    name = descriptor_of(message).name
    members = document_members()
    if name not in members:
        raise FieldError(f"a document cannot hold a {name}{near_miss(name, members)}")
    document = Document(
        ir_version=VERSION,
        producer_name=_PRODUCER,
        producer_version=VERSION,
    )
    getattr(document, members[name]).CopyFrom(message)
    return document


def delete(type_: TypeName, id_: str, etag: str | None, request_id: str | None) -> v1.DeleteRequest:
    """Return a request to delete a document."""
    return v1.DeleteRequest(
        type=name_of(type_), id=id_, etag=etag, request_id=request_id or new_request_id()
    )


def compact(keep_after: int | None, keep_within: timedelta | None) -> v1.CompactRequest:
    """Return a request to drop the beginning of the history.

    Raises:
        FieldError: It is not said what to keep, or it is said twice.
    """
    if (keep_after is None) == (keep_within is None):
        raise FieldError("give one of keep_after and keep_within")
    return v1.CompactRequest(after_sequence=keep_after, within=keep_within)


def name_of(type_: TypeName) -> str:
    """Return the short name of a message type.

    Raises:
        UnknownTypeError: The IR has no such type.
    """
    return descriptor_of(message_type(type_)).name


def list_documents(
    type_: TypeName,
    where: Mapping[str, str] | None,
    where_prefix: Mapping[str, str] | None,
    order: str,
    page_size: int | None,
    include_deleted: bool,
    include_documents: bool,
) -> v1.ListRequest:
    """Return the request for the first page of a list."""
    filters = [v1.Filter(field=field, equals=value) for field, value in (where or {}).items()]
    filters += [
        v1.Filter(field=field, prefix=value) for field, value in (where_prefix or {}).items()
    ]
    return v1.ListRequest(
        type=name_of(type_),
        filters=filters,
        order=cast("v1.ListOrder", _number(v1.ListOrder.DESCRIPTOR, order, "order")),
        page_size=page_size,
        include_deleted=include_deleted,
        include_documents=include_documents,
    )


def trace(
    type_: TypeName,
    id_: str,
    revision: int | None,
    direction: str,
    max_depth: int | None,
    max_nodes: int | None,
) -> v1.TraceLineageRequest:
    """Return the request for a lineage."""
    way = _number(v1.LineageDirection.DESCRIPTOR, direction, "direction")
    return v1.TraceLineageRequest(
        type=name_of(type_),
        id=id_,
        revision=revision,
        direction=cast("v1.LineageDirection", way),
        max_depth=max_depth,
        max_nodes=max_nodes,
    )


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which feedback events are meant; what is ``None`` or empty is no condition.

    Attributes:
        deployment_id: The deployment that gave the answers.
        feedback_types: The plain or custom names of the types, any of them.
        model_version: The model version that gave the answers.
        start_time: The earliest time.
        end_time: The time before which they have to be.
    """

    deployment_id: str | None = None
    feedback_types: Iterable[str] = ()
    model_version: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("start_time", "end_time"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise FieldError("a moment needs a time zone, such as datetime.UTC", path=name)

    def export(self, batch_size: int | None, cursor: str) -> v1.ExportRequest:
        """Return the request to export them."""
        return v1.ExportRequest(
            deployment_id=self.deployment_id,
            feedback_types=list(self.feedback_types),
            model_version=self.model_version,
            start_time=_utc(self.start_time),
            end_time=_utc(self.end_time),
            batch_size=batch_size,
            cursor=cursor,
        )

    def summarize(self, bucket: timedelta | None) -> v1.SummarizeRequest:
        """Return the request to sum them up."""
        return v1.SummarizeRequest(
            deployment_id=self.deployment_id,
            feedback_types=list(self.feedback_types),
            model_version=self.model_version,
            start_time=_utc(self.start_time),
            end_time=_utc(self.end_time),
            bucket=bucket,
        )


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def validate(
    content: bytes | Message, type_: TypeName | None, form: str, lints: bool
) -> v1.ValidateRequest:
    """Return the request for a verdict."""
    data, name, form = _bytes_of(content, type_, form)
    return v1.ValidateRequest(content=data, type=name, form=_form(form), skip_lints=not lints)


def convert(
    content: bytes | Message, type_: TypeName | None, source: str, target: str, allow_invalid: bool
) -> v1.ConvertRequest:
    """Return the request for another form."""
    data, name, source = _bytes_of(content, type_, source)
    return v1.ConvertRequest(
        content=data,
        type=name,
        source_form=_form(source),
        target_form=_form(target),
        allow_invalid=allow_invalid,
    )


def _bytes_of(
    content: bytes | Message, type_: TypeName | None, form: str
) -> tuple[bytes, str, str]:
    if not isinstance(content, bytes):
        return content.SerializeToString(), descriptor_of(content).name, "binary"
    if type_ is None:
        raise FieldError("needed for bytes, which do not tell it", path="type")
    return content, name_of(type_), form


def _form(name: str) -> v1.Form:
    number = _number(v1.Form.DESCRIPTOR, name.replace("-", "_"), "form")
    return cast("v1.Form", number)


def _number(enum: EnumDescriptor, name: str, argument: str) -> int:
    numbers = vocabulary.numbers(enum)
    if name not in numbers:
        expected = ", ".join(numbers)
        raise FieldError(
            f'expected one of {expected}, got "{name}"{near_miss(name, numbers)}', path=argument
        )
    return numbers[name]

"""Builds the requests of the exchange from the arguments of the clients."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from crucible_ir.errors import FieldError, near_miss
from crucible_ir.exchange import v1
from crucible_ir.exchange.client.errors import ExchangeError
from crucible_ir.schema import vocabulary
from crucible_ir.schema.types import descriptor_of, document_of, message_type
from crucible_ir.v1 import TrainingStatus

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message

    from crucible_ir.v1 import MetricsSnapshot, TrainingRun

    #: A document type: its class, or its short or full name.
    TypeName = str | type[Message]


@dataclass(frozen=True, slots=True)
class Publication:
    """A document to publish, with options.

    Attributes:
        document: A ``Document``, or a message that can be its content.
        id: The document's id; ``None`` for the id in the content.
        etag: The etag of the revision to replace; empty to require that the document does not
            exist; ``None`` for no precondition.
        request_id: An id that makes the request safe to repeat; ``None`` for a random one.
        validate_only: Whether to validate the request without storing the document.
        override_immutable: Whether to store it although it changes immutable fields, as an admin.

    >>> from crucible_ir import new_model_ref
    >>> publication = Publication(new_model_ref(id="gpt2"), validate_only=True)
    >>> publication.request().document.model_ref.id
    'gpt2'
    """

    document: Message
    id: str | None = None
    etag: str | None = None
    request_id: str | None = None
    validate_only: bool = False
    override_immutable: bool = False

    def request(self) -> v1.PublishRequest:
        """Return the request.

        Raises:
            FieldError: The message cannot be the content of a document.

        >>> from crucible_ir import new_model_ref
        >>> Publication(new_model_ref(id="gpt2"), request_id="r1").request().request_id
        'r1'
        """
        return v1.PublishRequest(
            document=document_of(self.document),
            id=self.id,
            etag=self.etag,
            request_id=self.request_id or new_request_id(),
            validate_only=self.validate_only,
            override_immutable=self.override_immutable,
        )


def new_request_id() -> str:
    """Return a unique request id."""
    return str(uuid.uuid4())


def delete(type_: TypeName, id_: str, etag: str | None, request_id: str | None) -> v1.DeleteRequest:
    """Return a request to delete a document."""
    return v1.DeleteRequest(
        type=name_of(type_), id=id_, etag=etag, request_id=request_id or new_request_id()
    )


def append_metrics(
    id_: str,
    snapshots: Iterable[MetricsSnapshot],
    status: str | None,
    checkpoint_uris: Iterable[str],
    changes: TrainingRun | None,
    expected_count: int | None,
    etag: str | None,
    request_id: str | None,
    validate_only: bool,
) -> v1.AppendMetricsRequest:
    """Return a request to append to a training run.

    Raises:
        FieldError: The state is unknown, or a field of the changes cannot be appended.

    >>> from crucible_ir.v1 import TrainingRun
    >>> run = TrainingRun(error_message="out of memory")
    >>> append_metrics("r1", [], "failed", [], run, 7, None, None, False).error_message
    'out of memory'
    """
    if request_id is None and expected_count is None:
        request_id = new_request_id()
    request = v1.AppendMetricsRequest(
        id=id_,
        snapshots=snapshots,
        expected_count=expected_count,
        etag=etag,
        request_id=request_id,
        validate_only=validate_only,
    )
    for field, value in [] if changes is None else changes.ListFields():
        if field.name not in request.DESCRIPTOR.fields_by_name or field.name == "id":
            raise FieldError("cannot be appended: publish the run", path=f"changes.{field.name}")
        if isinstance(value, (int, float, str)):
            setattr(request, field.name, value)
        else:
            getattr(request, field.name).MergeFrom(value)
    request.checkpoint_uris.extend(checkpoint_uris)
    if status is not None:
        number = number_in(TrainingStatus.DESCRIPTOR, status, "status")
        request.status = cast("TrainingStatus", number)
    return request


#: The most points of a page.
_POINTS: Final = 10_000

#: The last position that a request can have.
_LAST_POSITION: Final = 2**63 - 1


def read_metrics(
    id_: str,
    keys: Iterable[str],
    max_points: int | None,
    first: int,
    limit: int | None,
    revision: int | None,
) -> v1.ReadMetricsRequest:
    """Return a request for the snapshots of a training run.

    Raises:
        FieldError: The first position or the limit is out of range.
    """
    if not 0 <= first <= _LAST_POSITION:
        raise FieldError(f"expected 0 to {_LAST_POSITION}, got {first}", path="first")
    if limit is not None and limit < 1:
        raise FieldError(f"expected at least 1, or None for all, got {limit}", path="limit")
    return v1.ReadMetricsRequest(
        id=id_, keys=keys, max_points=max_points, first=first or None, revision=revision
    )


def points_of_page(limit: int | None, fetched: int) -> int:
    """Return the number of points to request for the next page."""
    return _POINTS if limit is None else min(limit - fetched, _POINTS)


def compact(keep_after: int | None, keep_within: timedelta | None) -> v1.CompactRequest:
    """Return a request to drop old revisions.

    Raises:
        FieldError: Neither or both of the arguments are given.
    """
    if (keep_after is None) == (keep_within is None):
        raise FieldError("give exactly one of keep_after and keep_within")
    return v1.CompactRequest(after_sequence=keep_after, within=keep_within)


def purge(type_: TypeName, id_: str, validate_only: bool) -> v1.PurgeRequest:
    """Return a request to remove a deleted document."""
    return v1.PurgeRequest(type=name_of(type_), id=id_, validate_only=validate_only)


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
    order: str | None,
    page_size: int | None,
    include_deleted: bool,
    include_documents: bool,
    readable_by: str | None,
    filter_: str | None,
    order_by: str | None,
) -> v1.ListRequest:
    """Return a request for the first page of a list.

    Raises:
        FieldError: Both orders are given, or the order is unknown.
    """
    if order is not None and order_by is not None:
        raise FieldError("give order or order_by, not both")
    if order is None and order_by is None:
        order = "newest"
    filters = [v1.Filter(field=field, equals=value) for field, value in (where or {}).items()]
    filters += [
        v1.Filter(field=field, prefix=value) for field, value in (where_prefix or {}).items()
    ]
    return v1.ListRequest(
        type=name_of(type_),
        filters=filters,
        order=order and cast("v1.ListOrder", number_in(v1.ListOrder.DESCRIPTOR, order, "order")),
        page_size=page_size,
        include_deleted=include_deleted,
        include_documents=include_documents,
        readable_by=readable_by,
        filter=filter_,
        order_by=order_by,
    )


def check_applied(request: Message, page: Message) -> None:
    """Check that a server applied the filter and the order of a list.

    Raises:
        ExchangeError: It is too old.
    """
    if not isinstance(request, v1.ListRequest) or not isinstance(page, v1.ListResponse):
        return
    if (request.filter or request.order_by) and not page.filter_applied:
        raise ExchangeError("the server is too old for filter and order_by: update it")


def trace(
    type_: TypeName,
    id_: str,
    revision: int | None,
    direction: str,
    max_depth: int | None,
    max_nodes: int | None,
) -> v1.TraceLineageRequest:
    """Return a request to trace a lineage."""
    return v1.TraceLineageRequest(
        type=name_of(type_),
        id=id_,
        revision=revision,
        direction=cast(
            "v1.LineageDirection",
            number_in(v1.LineageDirection.DESCRIPTOR, direction, "direction"),
        ),
        max_depth=max_depth,
        max_nodes=max_nodes,
    )


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selects feedback events; an attribute that is ``None`` or empty selects all.

    Attributes:
        deployment_id: The id of the deployment that answered.
        feedback_types: The short or custom names of the feedback types.
        model_version: The id of the model version that answered.
        start_time: The earliest time.
        end_time: The time before which the events occurred.

    >>> EventFilter(deployment_id="prod", feedback_types=["thumbs"]).model_version is None
    True
    """

    deployment_id: str | None = None
    feedback_types: Iterable[str] = ()
    model_version: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("start_time", "end_time"):
            utc(getattr(self, name), name)

    def export(self, batch_size: int | None, cursor: str) -> v1.ExportRequest:
        """Return a request to export the events.

        >>> EventFilter(deployment_id="prod").export(100, "").deployment_id
        'prod'
        """
        return v1.ExportRequest(
            deployment_id=self.deployment_id,
            feedback_types=list(self.feedback_types),
            model_version=self.model_version,
            start_time=utc(self.start_time, "start_time"),
            end_time=utc(self.end_time, "end_time"),
            batch_size=batch_size,
            cursor=cursor,
        )

    def summarize(
        self, bucket: timedelta | None, group_by: Iterable[str] = ()
    ) -> v1.SummarizeRequest:
        """Return a request to summarize the events.

        >>> EventFilter(deployment_id="prod").summarize(timedelta(hours=1)).bucket.seconds
        3600
        """
        enum = v1.SummaryGrouping.DESCRIPTOR
        groups: list[Any] = [number_in(enum, name, "group_by") for name in group_by]
        return v1.SummarizeRequest(
            deployment_id=self.deployment_id,
            feedback_types=list(self.feedback_types),
            model_version=self.model_version,
            start_time=utc(self.start_time, "start_time"),
            end_time=utc(self.end_time, "end_time"),
            bucket=bucket,
            group_by=groups,
        )


def erase_feedback(
    user_id: str | None,
    session_id: str | None,
    deployment_id: str | None,
    start_time: datetime | None,
    end_time: datetime | None,
    validate_only: bool,
) -> v1.EraseFeedbackRequest:
    """Return a request to erase events.

    Raises:
        FieldError: A time has no time zone.
    """
    return v1.EraseFeedbackRequest(
        user_id=user_id,
        session_id=session_id,
        deployment_id=deployment_id,
        start_time=utc(start_time, "start_time"),
        end_time=utc(end_time, "end_time"),
        validate_only=validate_only,
    )


def utc(time: datetime | None, argument: str) -> datetime | None:
    """Return a time in UTC.

    Raises:
        FieldError: The time has no time zone.
    """
    if time is None:
        return None
    if time.tzinfo is None:
        raise FieldError("the time needs a time zone, such as datetime.UTC", path=argument)
    return time.astimezone(UTC)


def validate(
    content: bytes | Message, type_: TypeName | None, format_: str, lints: bool
) -> v1.ValidateRequest:
    """Return a request to validate a message."""
    data, name, format_ = _bytes_of(content, type_, format_)
    return v1.ValidateRequest(content=data, type=name, form=_form(format_), skip_lints=not lints)


def convert(
    content: bytes | Message, type_: TypeName | None, source: str, target: str, allow_invalid: bool
) -> v1.ConvertRequest:
    """Return a request to convert a message to another format."""
    data, name, source = _bytes_of(content, type_, source)
    return v1.ConvertRequest(
        content=data,
        type=name,
        source_form=_form(source),
        target_form=_form(target),
        allow_invalid=allow_invalid,
    )


def _bytes_of(
    content: bytes | Message, type_: TypeName | None, format_: str
) -> tuple[bytes, str, str]:
    if not isinstance(content, bytes):
        return content.SerializeToString(), descriptor_of(content).name, "binary"
    if type_ is None:
        raise FieldError("required when the content is bytes", path="type")
    return content, name_of(type_), format_


def _form(name: str) -> v1.Form:
    number = number_in(v1.Form.DESCRIPTOR, name.replace("-", "_"), "form")
    return cast("v1.Form", number)


def number_in(enum: EnumDescriptor, name: str, argument: str) -> int:
    """Return the number of a value of an enum by its short name.

    Raises:
        FieldError: The enum has no such value.
    """
    numbers = vocabulary.numbers(enum)
    if name not in numbers:
        expected = ", ".join(numbers)
        raise FieldError(
            f'expected one of {expected}, got "{name}"{near_miss(name, numbers)}', path=argument
        )
    return numbers[name]

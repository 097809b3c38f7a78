"""The schema and the server implement the tables and limits in proto/README.md."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import details, document, publish_request, serving
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodOptions

import crucible_ir as ir
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import server, v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.server.rpc.errors import translate
from crucible_ir.exchange.server.security.authentication import METHOD_ROLES
from crucible_ir.exchange.server.security.limits import CallLimits
from crucible_ir.exchange.server.services import exchange_service, feedback_service
from crucible_ir.exchange.server.services.memory_cost import MAX_TEXT_LENGTH
from crucible_ir.exchange.server.services.validation_service import MAX_LISTED
from crucible_ir.exchange.store import errors as store_errors
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import Scope
from crucible_ir.exchange.store.statements import lineage, metrics, runs
from crucible_ir.exchange.v1 import (
    audit_service_pb2,
    exchange_service_pb2,
    feedback_service_pb2,
    validation_service_pb2,
)
from crucible_ir.schema.fields import Resolution
from crucible_ir.schema.references import identity_fields, reference_fields
from crucible_ir.schema.types import descriptor_of, document_members
from crucible_ir.validation.check import violations

ROOT = Path(__file__).parents[2]
SPECIFICATION = (ROOT / "proto" / "README.md").read_text(encoding="utf-8")
EXCHANGE = SPECIFICATION.split("\n## Exchange\n")[1].split("\n## ")[0]
FILES: tuple[FileDescriptor, ...] = (
    exchange_service_pb2.DESCRIPTOR,
    feedback_service_pb2.DESCRIPTOR,
    validation_service_pb2.DESCRIPTOR,
    audit_service_pb2.DESCRIPTOR,
)


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table whose first column has a heading."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in EXCHANGE.split(f"\n| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    ]
    assert rows
    return rows


def shape(method: MethodDescriptor) -> str:
    words = {False: "one", True: "stream"}
    return f"{words[method.client_streaming]}, {words[method.server_streaming]}"


def test_the_table_of_methods_matches_the_schema_and_the_roles() -> None:
    declared = [
        [
            service.name,
            method.name,
            shape(method),
            str(METHOD_ROLES[f"/{service.full_name}/{method.name}"]),
        ]
        for file in FILES
        for service in file.services_by_name.values()
        for method in service.methods
    ]
    assert table("service") == declared


def test_methods_that_may_be_repeated_say_so() -> None:
    levels: dict[str, str] = {}
    for file in FILES:
        proto = FileDescriptorProto()
        file.CopyToProto(proto)
        for service in proto.service:
            for method in service.method:
                level = method.options.idempotency_level
                levels[method.name] = MethodOptions.IdempotencyLevel.Name(level)
    readers = [row[1] for row in table("service") if row[3] == "reader"]
    assert levels == {
        **dict.fromkeys((*readers, "ListAuditEntries"), "NO_SIDE_EFFECTS"),
        # Repeating it removes nothing more, and an event is stored once.
        **dict.fromkeys(("Compact", "Purge", "Ingest", "SetFeedbackConfig"), "IDEMPOTENT"),
        "EraseFeedback": "IDEMPOTENT",
        # They are repeated with a request id, which a client may leave out.
        **dict.fromkeys(
            ("Publish", "BatchPublish", "Delete", "AppendMetrics"), "IDEMPOTENCY_UNKNOWN"
        ),
    }


WAYS = {
    "": (Resolution.BY_ID,),
    " (or a version of the model)": (Resolution.BY_ID, Resolution.BY_VERSION_OF_MODEL),
    " (or a version of the deployment)": (Resolution.BY_ID, Resolution.BY_VERSION_OF_DEPLOYMENT),
}


def test_the_table_of_references_matches_the_schema() -> None:
    reference = re.compile(r"`([\w.\[\]]+)` to (\w+)( \([^)]*\))?")
    specified = {
        row[0]: [(path, to, WAYS[way]) for path, to, way in reference.findall(row[1])]
        for row in table("in")
    }
    declared = {
        name: [
            (path, field.reference, field.resolutions)
            for path, field in reference_fields(descriptor_of(ir.MESSAGE_TYPES[name])).items()
        ]
        for name in sorted(document_members())
    }
    assert specified == {name: fields for name, fields in declared.items() if fields}


def test_the_paragraph_on_identities_matches_the_schema() -> None:
    [paragraph] = re.findall(
        r"It is `id` for most types, (.*?): answers to one prompt", EXCHANGE, re.DOTALL
    )
    specified: dict[str, tuple[str, ...]] = {}
    for part in re.split(r",\s+and for |,\s+(?=`\w+`\s+for)", paragraph):
        names = tuple(re.findall(r"`(\w+)`", part))
        specified |= dict.fromkeys(re.findall(r"\b[A-Z]\w+", part), names)
    declared = {
        name: identity_fields(descriptor_of(ir.MESSAGE_TYPES[name])) for name in document_members()
    }
    assert specified == {
        name: fields for name, fields in declared.items() if fields and fields != ("id",)
    }


def reasons_in_code() -> set[str]:
    """Return the reasons in every call of the server that makes an error."""
    makers = {"error_info", "unavailable", "unauthenticated", "failed_precondition"}
    found = set()
    folder = Path(inspect.getfile(server)).parent
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if name.lstrip("_") in makers and isinstance(first, ast.Constant):
                found.add(str(first.value))
    assert len(found) > 10
    # The reason for an etag is derived from the type of its precondition.
    return {"ETAG_MISMATCH" if reason == "ETAG" else reason for reason in found}


def test_the_table_of_errors_has_every_reason_and_code() -> None:
    rows = table("code")
    specified = {reason for row in rows for reason in re.findall(r"`([A-Z_]+)`", row[2])}
    assert specified == reasons_in_code()
    for row in rows:
        assert row[0] in grpc.StatusCode.__members__


FAILURES: list[Exception] = [
    store_errors.DocumentNotFoundError("ModelRef", "m"),
    store_errors.StaleEtagError("ModelRef", "m", "a", "b"),
    store_errors.RequestIdReusedError("r"),
    store_errors.AppendedToError("TrainingRun", "r", "a", snapshots=2),
    store_errors.SnapshotCountError("r", 1, 2),
    store_errors.RunFullError("r", "snapshots", 3),
    store_errors.RunTooLongError("r", 3),
    store_errors.ResultTooLargeError("too much"),
    store_errors.StoreUnavailableError("x"),
    store_errors.StoreFullError("x"),
    store_errors.StoreReadOnlyError("x"),
    store_errors.StoreFailure("x"),
    RuntimeError("x"),
    ir.ValidationError("ModelRef", [ir.Violation("id", "required", "must be set")]),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_an_error_has_the_details_of_its_row(error: Exception) -> None:
    translated = translate(error)
    names = {detail.DESCRIPTOR.name for detail in translated.details}
    reasons = {getattr(detail, "reason", "") for detail in translated.details} - {""}
    rows = [row for row in table("code") if row[0] == translated.code.name]
    matching = [
        row
        for row in rows
        if set(re.findall(r"`([A-Z]\w+[a-z]\w*)`", row[1])) == names
        and reasons <= set(re.findall(r"`([A-Z_]+)`", row[2]))
    ]
    assert matching, (translated.code, names, reasons)
    for detail in translated.details:
        if detail.DESCRIPTOR.name == "ErrorInfo":
            assert f"`{getattr(detail, 'domain')}`" in EXCHANGE  # noqa: B009


def bound(label: str) -> str:
    [row] = [row for row in table("what") if row[0] == label]
    return row[1]


def numbers(label: str) -> list[int]:
    return [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", bound(label))]


def broken(request: Any) -> bool:
    return bool(violations(request))


def name(length: int) -> str:
    return "x" * length


#: For each limit that is a rule, functions that make requests of a given length or count.
RULES: dict[str, list[Callable[[int], Any]]] = {
    "an id, an id prefix, a filter's value": [
        lambda n: v1.GetRequest(type="ModelRef", id=name(n)),
        lambda n: v1.DeleteRequest(type="ModelRef", id=name(n)),
        lambda n: v1.AppendMetricsRequest(id=name(n)),
        lambda n: v1.ReadMetricsRequest(id=name(n)),
        lambda n: v1.WatchRequest(id_prefix=name(n)),
        lambda n: v1.Filter(field="id", prefix=name(n)),
    ],
    "an etag, a request id": [
        lambda n: v1.DeleteRequest(type="ModelRef", id="m", etag=name(n)),
        lambda n: v1.DeleteRequest(type="ModelRef", id="m", request_id=name(n)),
        lambda n: v1.PublishRequest(document=document(ir_v1.ModelRef(id="m")), etag=name(n)),
        lambda n: v1.PublishRequest(document=document(ir_v1.ModelRef(id="m")), request_id=name(n)),
    ],
    "filters of a list": [
        lambda n: v1.ListRequest(type="ModelRef", filters=[v1.Filter(field="id", equals="m")] * n)
    ],
    "types of a watch": [lambda n: v1.WatchRequest(types=["ModelRef"] * n)],
    "events of a batch": [
        lambda n: v1.IngestRequest(events=[ir_v1.FeedbackEvent(id="e")] * n),
    ],
}


@pytest.mark.parametrize("label", RULES)
def test_a_limit_that_is_a_rule_matches_the_specification(label: str) -> None:
    most = numbers(label)[-1]
    for make in RULES[label]:
        assert not broken(make(most))
        assert broken(make(most + 1))


def test_limits_of_numbers_match_the_specification() -> None:
    least, most, usual = numbers("entries of a page")
    assert [
        broken(v1.ListRequest(type="ModelRef", page_size=n)) for n in (0, least, most, most + 1)
    ] == [True, False, False, True]
    assert (least, usual) == (1, exchange_service.PAGE_SIZE)
    least, most, usual = numbers("events of one message of an export")
    assert [broken(v1.ExportRequest(batch_size=n)) for n in (0, least, most, most + 1)] == [
        True,
        False,
        False,
        True,
    ]
    assert usual == feedback_service.BATCH_SIZE
    least, most, usual = numbers("points of a page")
    assert [
        broken(v1.ReadMetricsRequest(id="r", page_size=n)) for n in (0, least, most, most + 1)
    ] == [True, False, False, True]
    assert (least, usual) == (1, exchange_service.POINTS)
    assert numbers("references that a lineage reads: to each document; in all") == [
        lineage.MAX_REFERENCES,
        lineage.MAX_ALL_REFERENCES,
    ]
    least, most = numbers("points of each metric, if limited")
    assert [
        broken(v1.ReadMetricsRequest(id="r", max_points=n))
        for n in (least - 1, least, most, most + 1)
    ] == [True, False, False, True]
    snapshots, checkpoints = numbers("snapshots of an append; checkpoints of one")
    for n in (0, 1):
        history = [ir_v1.MetricsSnapshot()] * (snapshots + n)
        assert broken(v1.AppendMetricsRequest(id="r", snapshots=history)) is bool(n)
        uris = ["s3://c"] * (checkpoints + n)
        assert broken(v1.AppendMetricsRequest(id="r", checkpoint_uris=uris)) is bool(n)
    depth, usual_depth, nodes, usual_nodes = numbers("a lineage")
    trace = v1.TraceLineageRequest(type="ModelRef", id="m", max_depth=depth, max_nodes=nodes)
    assert not broken(trace)
    assert broken(v1.TraceLineageRequest(type="ModelRef", id="m", max_depth=depth + 1))
    assert broken(v1.TraceLineageRequest(type="ModelRef", id="m", max_nodes=nodes + 1))
    assert (usual_depth, usual_nodes) == (exchange_service.MAX_DEPTH, exchange_service.MAX_NODES)
    least, hours, usual = numbers("heartbeat interval")
    most = hours * 3_600_000
    assert [
        broken(v1.WatchRequest(heartbeat_interval_ms=n)) for n in (least - 1, least, most, most + 1)
    ] == [True, False, False, True]
    assert usual == Settings().heartbeat_seconds
    assert numbers("events of a batch")[0] == 1
    assert broken(v1.IngestRequest())


def test_limits_of_a_server_match_its_defaults() -> None:
    limits = CallLimits()
    assert numbers("snapshots of a run; checkpoints of one that is appended to") == [
        runs.MAX_SNAPSHOTS,
        runs.MAX_CHECKPOINTS,
    ]
    assert numbers("points of all metrics, if those of each are limited") == [metrics.MAX_POINTS]
    [mebibytes] = numbers("a message")
    assert mebibytes * 2**20 == limits.message_bytes
    [kibibytes] = numbers("metadata of a call")
    assert kibibytes * 2**10 == limits.metadata_bytes
    assert numbers("a call that is not a stream") == [limits.seconds]
    assert numbers("request ids") == [Settings().request_days]
    [mebibytes] = numbers("the memory of calls that validate or convert")
    assert mebibytes * 2**20 == Settings().validation_bytes
    assert numbers("violations of a validation; its lint findings")[0] == MAX_LISTED
    assert numbers("a content that is converted to the text format") == [MAX_TEXT_LENGTH]
    [mebibytes] = numbers("a content to validate or convert")
    most = mebibytes * 2**20
    for size, is_broken in ((most, False), (most + 1, True)):
        request = v1.ValidateRequest(content=bytes(size), type="ModelRef", form=v1.Form.FORM_JSON)
        assert broken(request) is is_broken


async def code_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


def unknown_fields(message: Any) -> bytes:
    """Return a message in binary with an unknown field."""
    return bytes(message.SerializeToString()) + b"\xf8\xff\xff\xff\x0f\x2a"


async def test_unknown_fields_are_kept_and_defaults_are_not_applied(address: str) -> None:
    async with serving(await open_store(address)) as server:
        sent = ir_v1.Document.FromString(
            unknown_fields(
                document(
                    ir_v1.TrainingConfig(
                        id="t",
                        model_ref=ir_v1.ModelRef.FromString(unknown_fields(ir_v1.ModelRef(id="m"))),
                        dataset_ref=ir_v1.DatasetRef(name="d"),
                    )
                )
            )
        )
        await server.exchange.Publish(v1.PublishRequest(document=sent))
        got = await server.exchange.Get(v1.GetRequest(type="TrainingConfig", id="t"))
        assert got.document.SerializeToString(deterministic=True) == sent.SerializeToString(
            deterministic=True
        )
        assert not got.document.training_config.HasField("epochs")


async def test_a_different_publisher_or_producer_makes_no_revision(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.db"
    content = ir_v1.ModelRef(id="m")
    async with serving(await open_store(path), caller=Caller("ann")) as server:
        first = await server.exchange.Publish(publish_request(content))
    async with serving(await open_store(path), caller=Caller("bob")) as server:
        other = document(content)
        other.producer_name = "another"
        again = await server.exchange.Publish(v1.PublishRequest(document=other))
        assert (again.unchanged, again.created) == (True, False)
        assert again.record == first.record
        # A precondition applies all the same.
        stale = v1.PublishRequest(document=other, etag="stale")
        assert await code_of(server.exchange.Publish(stale)) is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_request_id_returns_the_first_answer_after_later_changes(
    address: str,
) -> None:
    async with serving(await open_store(address)) as server:
        request = publish_request(ir_v1.ModelRef(id="m"), request_id="r", etag="")
        first = await server.exchange.Publish(request)
        await server.exchange.Publish(publish_request(ir_v1.ModelRef(id="m", name="n")))
        await server.exchange.Delete(v1.DeleteRequest(type="ModelRef", id="m"))
        assert await server.exchange.Publish(request) == first
        for other in (
            publish_request(ir_v1.ModelRef(id="m", name="n"), request_id="r", etag=""),
            publish_request(ir_v1.ModelRef(id="other"), request_id="r", etag=""),
            publish_request(ir_v1.BackendRef(id="m"), request_id="r", etag=""),
            publish_request(ir_v1.ModelRef(id="m"), request_id="r", etag="other"),
            publish_request(ir_v1.ModelRef(id="m"), request_id="r"),
        ):
            code = await code_of(server.exchange.Publish(other))
            assert code is grpc.StatusCode.FAILED_PRECONDITION
        deletion = v1.DeleteRequest(type="ModelRef", id="m", request_id="r")
        assert await code_of(server.exchange.Delete(deletion)) is (
            grpc.StatusCode.FAILED_PRECONDITION
        )


async def test_a_rejected_or_validated_request_leaves_its_id_unused(address: str) -> None:
    async with serving(await open_store(address)) as server:
        content = ir_v1.ModelRef(id="m")
        rejected = publish_request(content, request_id="r", etag="stale")
        assert await code_of(server.exchange.Publish(rejected)) is (
            grpc.StatusCode.FAILED_PRECONDITION
        )
        validated = publish_request(content, request_id="r", validate_only=True)
        assert (await server.exchange.Publish(validated)).created
        accepted = publish_request(content, request_id="r")
        assert (await server.exchange.Publish(accepted)).record.revision == 1


async def test_no_error_reveals_whether_a_document_outside_the_scope_exists(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.db"
    async with serving(await open_store(path)) as server:
        stored = await server.exchange.Publish(publish_request(ir_v1.ModelRef(id="b/there")))
    scope = Scope(id_prefixes=("a/",))
    async with serving(await open_store(path), caller=Caller("ann", scope)) as server:
        errors = []
        for id_ in ("b/there", "b/not there"):
            key: dict[str, Any] = {"type": "ModelRef", "id": id_}
            content = ir_v1.ModelRef(id=id_)
            calls = [
                server.exchange.Get(v1.GetRequest(**key)),
                server.exchange.Get(v1.GetRequest(**key, revision=1)),
                server.exchange.ListRevisions(v1.ListRevisionsRequest(**key)),
                server.exchange.Delete(v1.DeleteRequest(**key, etag=stored.record.etag)),
                server.exchange.TraceLineage(v1.TraceLineageRequest(**key)),
                server.exchange.Publish(publish_request(content)),
                server.exchange.Publish(publish_request(content, etag="")),
                server.exchange.Publish(publish_request(content, validate_only=True)),
            ]
            errors.append([await failure_of(call) for call in calls])
        assert errors[0] == errors[1]
        assert {code for code, _, _ in errors[0]} == {grpc.StatusCode.PERMISSION_DENIED}


async def failure_of(call: Any) -> tuple[grpc.StatusCode, str | None, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    return error.code(), error.details(), details(error)["ErrorInfo"].reason


def test_the_specification_names_only_codes_and_reasons_that_exist() -> None:
    known = {*grpc.StatusCode.__members__, *reasons_in_code(), "ETAG"}
    assert set(re.findall(r"`([A-Z]{3,}[A-Z_]*)`", EXCHANGE)) <= known
    assert set(re.findall(r"\b[A-Z]{4,}(?:_[A-Z]+)+\b", EXCHANGE)) <= known

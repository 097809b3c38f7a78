"""Programs with a released schema of the IR use the exchange of this version.

They are clients with the messages of the released descriptor set, as protobuf generates them in any
language, and the services of this version, which are in development.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from compat.released import PACKAGE, RELEASES, number_of, released
from exchange.servers import run, serving
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from schema_changes.mutations import current_files

import crucible_ir as ir
from crucible_ir.exchange import v1
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.releases import FIRST_RELEASE, release_number
from crucible_ir.schema.types import document_members
from crucible_ir.schema_changes import SchemaVersion
from release_documents import documents_file

EXCHANGE = "crucible_ir.exchange.v1"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

#: Documents of this version: some that 0.2.0 accepts, with and without fields that it does not
#: know, and some that it rejects.
NEWER = {
    "model_version.json": "ModelVersion",
    "prompt.yaml": "Prompt",
    "fine_tuning_run.yaml": "TrainingRun",
    "conversation.yaml": "Prompt",
    "refusal.yaml": "Completion",
    "evaluation.yaml": "EvaluationResult",
}


@cache
def with_exchange(image: Path) -> SchemaVersion:
    """Return the schema of a release with the services of this version."""
    files = FileDescriptorSet()
    files.CopyFrom(released(image).files)
    present = {file.name for file in files.file}
    files.file.extend(file for file in current_files().file if file.name not in present)
    return SchemaVersion.parse(image.stem, files.SerializeToString())


class OldClient:
    """Calls with requests and responses that contain the messages of a release.

    Args:
        image: The descriptor set of the release.
        channel: The connection.
    """

    def __init__(self, image: Path, channel: Any) -> None:
        self.version = with_exchange(image)
        self.channel = channel

    def new(self, full_name: str, content: bytes = b"") -> Any:
        return self.version.message_class(full_name).FromString(content)

    async def call(self, method: str, request: Any) -> Any:
        service = self.version.pool.FindServiceByName(f"{EXCHANGE}.ExchangeService")
        answer = self.version.message_class(service.methods_by_name[method].output_type.full_name)
        call = self.channel.unary_unary(
            f"/{service.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return await call(request)


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[Any]:
    """Serve the exchange of this version, and connect to it."""
    async with (
        serving(folder) as server,
        grpc.aio.insecure_channel(str(server.address)) as channel,
    ):
        yield channel


def documents(image: Path) -> list[tuple[str, bytes]]:
    """Return the type and content of each document of a release that it can publish."""
    lines = documents_file(image).read_text(encoding="ascii").splitlines()
    found = [json.loads(line) for line in lines]
    old_members = {
        field.message_type.name
        for field in released(image).message(f"{PACKAGE}.Document").oneofs_by_name["content"].fields
        if field.message_type is not None
    }
    return [
        (each["type"], base64.b64decode(each["binary"]))
        for each in found
        if each["type"] in old_members
    ]


@pytest.mark.parametrize("image", RELEASES, ids=lambda image: image.stem)
def test_documents_of_an_old_client_come_back_unchanged(image: Path, tmp_path: Path) -> None:
    async def publish_and_get() -> int:
        async with connected(tmp_path) as channel:
            client = OldClient(image, channel)
            for number, (type_name, content) in enumerate(documents(image)):
                request = client.new(f"{EXCHANGE}.PublishRequest")
                request.document.ir_version = number_of(image)
                sent = getattr(request.document, document_members()[type_name])
                sent.SetInParent()
                sent.MergeFromString(content)
                request.id = identity_of(type_name, content) or f"document_{number}"
                # Some model versions have the same id and other immutable fields.
                override = v1.PublishRequest(override_immutable=True)
                request.MergeFromString(override.SerializeToString())
                answer = await client.call("Publish", request)
                get = client.new(f"{EXCHANGE}.GetRequest")
                get.type, get.id = answer.record.type, answer.record.id
                found = await client.call("Get", get)
                assert found.document == request.document, type_name
                assert not client.version.broken_rules(found)
            return number

    assert run(publish_and_get()) > 50


def identity_of(type_name: str, content: bytes) -> str:
    """Return the identity that a content has; empty if it has none."""
    message: Any = ir.MESSAGE_TYPES[type_name].FromString(content)
    identities = [field.name for field in fields_of(message.DESCRIPTOR).values() if field.identity]
    return next((getattr(message, name) for name in identities if getattr(message, name)), "")


@pytest.mark.parametrize("image", RELEASES, ids=lambda image: image.stem)
def test_an_old_client_reads_what_requires_its_release_or_an_older_one(
    image: Path, tmp_path: Path
) -> None:
    async def publish_and_get() -> dict[str, bool]:
        accepted = {}
        async with connected(tmp_path) as channel:
            client = OldClient(image, channel)
            publish: Any = ExchangeServiceStub(channel).Publish
            for name, type_name in NEWER.items():
                read = ir.from_json if name.endswith(".json") else ir.from_yaml
                message: Any = read((EXAMPLES / name).read_bytes(), type_name)
                document = ir.v1.Document(ir_version=ir.__version__)
                getattr(document, document_members()[type_name]).CopyFrom(message)
                id_ = identity_of(type_name, message.SerializeToString()) or "unnamed"
                answer = await publish(v1.PublishRequest(document=document, id=id_))
                get = client.new(f"{EXCHANGE}.GetRequest")
                get.type, get.id = type_name, answer.record.id
                found = await client.call("Get", get)
                accepted[name] = not client.version.broken_rules(found.document)
                expected = release_number(ir.requires(document, binary=True))
                assert accepted[name] == (expected <= release_number(number_of(image))), name
                # Nothing is lost on the way through the old client.
                assert ir.v1.Document.FromString(found.document.SerializeToString()) == document
        return accepted

    accepted = run(publish_and_get())
    if number_of(image) == FIRST_RELEASE:
        assert set(accepted.values()) == {True, False}

"""Immutable fields keep their values from the first revision on, in both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from exchange.loopback import document

from crucible_ir import v1
from crucible_ir.exchange.content import content_hash, digest_of
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.audit_records import AuditAction, AuditQuery
from crucible_ir.exchange.store.errors import ImmutableFieldsError
from crucible_ir.exchange.store.records import DeleteCommand, PublishCommand
from crucible_ir.exchange.transitions import transition_to
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.types import descriptor_of, document_members, message_type


def publication(version: v1.ModelVersion) -> PublishCommand:
    return PublishCommand(
        type="ModelVersion",
        id=version.id,
        document=document(version).SerializeToString(),
        content_hash=content_hash(version, digest_of(version)),
        digest=digest_of(version),
        transition=transition_to(version),
    )


PRODUCTION = v1.ModelStage.MODEL_STAGE_PRODUCTION


def version(
    model: str = "gpt2",
    stage: v1.ModelStage = v1.ModelStage.MODEL_STAGE_STAGING,
    **fields: object,
) -> v1.ModelVersion:
    content = v1.ModelVersion(id="m1", model_id=model, version="1.0.0", artifact_uri="s3://a")
    content.stage = stage
    for name, value in fields.items():
        setattr(content, name, value)
    return content


async def test_another_value_is_rejected_until_nothing_of_the_document_is_left(
    address: str,
) -> None:
    store = await open_store(address)
    try:
        await store.publish(publication(version()))
        changed = publication(version("llama", training_run_id="run"))
        for call in (store.publish, store.preview):
            with pytest.raises(ImmutableFieldsError) as caught:
                await call(changed)
            assert caught.value.paths == ("model_id", "training_run_id")
        assert (await store.publish(publication(version()))).unchanged
        assert (await store.publish(publication(version(stage=PRODUCTION)))).record.revision == 2
        await store.delete(DeleteCommand("ModelVersion", "m1"))
        with pytest.raises(ImmutableFieldsError):
            await store.publish(changed)
        # The same values may be published again.
        assert (await store.publish(publication(version()))).record.revision == 4
        await store.delete(DeleteCommand("ModelVersion", "m1"))
        await store.compact(await store.position())
        assert (await store.publish(changed)).record.revision == 6
    finally:
        await store.close()


async def test_an_override_is_stored_and_audited_with_the_fields(address: str) -> None:
    store = await open_store(address)
    try:
        await store.publish(publication(version()))
        changed = publication(version("llama", stage=PRODUCTION))
        await store.publish(replace(changed, override_immutable=True))
        entries = (await store.list_audit(AuditQuery())).entries
    finally:
        await store.close()
    assert [entry.action for entry in entries] == [AuditAction.OVERRIDDEN, AuditAction.PUBLISHED]
    assert entries[0].details["fields"] == "model_id"
    assert entries[0].details["stage.from"] != entries[0].details["stage.to"]


def test_every_immutable_field_is_compared_also_as_unset() -> None:
    """Every field with the option is found, in whichever type it is."""
    checked = set()
    for name in document_members():
        descriptor = descriptor_of(message_type(name))
        for field in fields_of(descriptor).values():
            if not field.immutable:
                continue
            empty = message_type(name)()
            content = message_type(name)()
            value = getattr(content, field.name)
            if field.is_list:
                value.add()
            else:
                setattr(content, field.name, "x")
            for before, after, paths in (
                (empty, content, (field.name,)),
                (content, empty, (field.name,)),
                (content, content, ()),
            ):
                transition = transition_to(after)
                assert transition is not None
                assert transition(document(before).SerializeToString()).immutable == paths
            checked.add(f"{name}.{field.name}")
    assert {"ModelVersion.model_id", "ModelVersion.artifacts"} <= checked


def test_values_inside_a_list_count_and_other_types_are_not_compared() -> None:
    one = version()
    one.artifacts.add(uri="s3://a", size_bytes=1)
    two = version()
    two.artifacts.add(uri="s3://a", size_bytes=2)
    compare = transition_to(two)
    assert compare is not None
    assert compare(document(one).SerializeToString()).immutable == ("artifacts",)
    assert compare(document(v1.Prompt()).SerializeToString()).immutable == ()
    assert compare(b"\xff").immutable == ()
    assert transition_to(v1.Experiment()) is None

"""Redaction of single events: which fields are hashed, masked and kept."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from crucible_ir import v1
from crucible_ir.exchange.server.personal_data.patterns import operator_masks
from crucible_ir.exchange.server.personal_data.redaction import Redactor, text_fields
from crucible_ir.exchange.server.services.event_rows import event_rows, redacted_row
from crucible_ir.schema.fields import Kind, fields_of

MAIL = "ann@example.com"


def redacted(event: v1.FeedbackEvent, *patterns: str, key: bytes = b"key") -> v1.FeedbackEvent:
    return Redactor(key, operator_masks(patterns)).redacted(event.SerializeToString())


def test_ids_of_people_and_sessions_are_hashed_by_the_key() -> None:
    event = v1.FeedbackEvent(id="e", user_id="ann", session_id="ann")
    first, again = redacted(event), redacted(event)
    assert first == again
    assert first.user_id.startswith("redacted-")
    assert len(first.user_id) == len("redacted-") + 32
    # The same text in another field, under another key, or another text has another hash.
    others = [
        first.session_id,
        redacted(event, key=b"other").user_id,
        redacted(v1.FeedbackEvent(id="e", user_id="bob")).user_id,
    ]
    assert len({first.user_id, *others}) == 4


def test_an_event_without_personal_data_is_kept_as_it_is() -> None:
    event = v1.FeedbackEvent(
        id="e",
        metadata={"a": [1, None, True, {"b": 4.0, "c": "4 @ 5"}]},
        feedback_value={"number_value": 64.25},
        comment="fine",
        latency_ms=7,
    )
    assert redacted(event) == event
    assert not redacted(event).HasField("user_id")


def test_every_text_is_masked_except_ids_and_references() -> None:
    fields = fields_of(v1.FeedbackEvent.DESCRIPTOR)
    for name, field in fields.items():
        if field.kind is not Kind.STRING:
            continue
        event = v1.FeedbackEvent()
        setattr(event, name, MAIL)
        value = getattr(redacted(event), name)
        if field.identity or field.reference is not None:
            assert value == MAIL, name
        elif name in ("user_id", "session_id"):
            assert value.startswith("redacted-"), name
        else:
            assert value == "[email]", name
    opaque = {name for name, field in fields.items() if field.is_opaque}
    assert opaque <= {field.name for field in text_fields()}
    # The redactor does not know lists and maps of texts: no event has them yet.
    assert all(field.cardinality.value == "singular" for field in text_fields())


def test_row_of_a_redacted_event_has_its_values() -> None:
    for name, field in fields_of(v1.FeedbackEvent.DESCRIPTOR).items():
        if field.kind is not Kind.STRING:
            continue
        event = v1.FeedbackEvent(id="e", latency_ms=7)
        setattr(event, name, MAIL)
        after = redacted(event)
        before, expected = (
            event_rows([each], [each.SerializeToString()], b"ann")[0] for each in (event, after)
        )
        assert redacted_row(before, after) == expected._replace(redacted=1), name


def test_opaque_json_is_masked_in_depth_with_its_keys() -> None:
    value: Any = {
        "text": f"from {MAIL}",
        "list": [MAIL, ["192.0.2.7", 1, None], {"deep": {"deeper": "::1"}}],
        MAIL: 1,
        "bob@example.com": 2,
        "[email]": 3,
    }
    event = v1.FeedbackEvent(id="e", input=value, output=value, metadata=value)
    event.feedback_value.struct_value.update(value)
    found = MessageToDict(redacted(event), preserving_proto_field_name=True)
    for name in ("input", "output", "metadata", "feedback_value"):
        masked = found[name]
        assert masked["text"] == "from [email]"
        assert masked["list"] == ["[email]", ["[ip]", 1, None], {"deep": {"deeper": "[ip]"}}]
        # Keys that become equal are numbered; nothing is lost.
        assert masked["[email]"] == 3
        assert (masked["[email] 2"], masked["[email] 3"]) == (1, 2)


def test_numbers_are_kept_exactly() -> None:
    event = v1.FeedbackEvent(id="e", comment=MAIL)
    event.metadata["nan"] = math.nan
    event.metadata["big"] = 1e308
    fields = redacted(event).metadata.fields
    assert math.isnan(fields["nan"].number_value)
    assert fields["big"].number_value == 1e308


def test_the_operators_patterns_apply_to_texts_without_addresses() -> None:
    event = v1.FeedbackEvent(id="ACC-1", comment="of ACC-1", metadata={"ACC-1": "ACC-2"})
    found = redacted(event, r"ACC-\d")
    assert (found.id, found.comment) == ("ACC-1", "of [redacted]")
    assert dict(found.metadata) == {"[redacted]": "[redacted]"}


@pytest.mark.parametrize("inner", [False, True])
def test_fields_of_a_newer_schema_are_dropped(inner: bool) -> None:
    unknown = b"\xfa\x07\x0fann@example.com"
    data = v1.FeedbackEvent(id="e", metadata={"a": 1}).SerializeToString()
    if inner:
        # Another message of the field `metadata`, which is merged with the first.
        data += b"\x6a" + bytes([len(unknown)]) + unknown
    else:
        data += unknown
    event = Redactor(b"key").redacted(data)
    assert b"ann" not in event.SerializeToString()
    assert event == v1.FeedbackEvent(id="e", metadata={"a": 1})

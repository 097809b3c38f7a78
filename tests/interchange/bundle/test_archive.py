"""A bundle depends on its documents only, and gives them back."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from pathlib import Path
from random import Random

import pytest
from effort import examples
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from interchange.bundle.archives import archive_of, bundle_of, entries_of, problems
from message_strategies import messages

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.errors import EncodeError, FieldError
from crucible_ir.interchange.bundle import (
    Bundle,
    BundleError,
    DocumentKey,
    DocumentSet,
    write_bundle,
)
from crucible_ir.schema.types import document_members

MODEL = v1.ModelRef(id="meta-llama/Llama-3.1-8B", name="Llama")
VERSION = v1.ModelVersion(id="llama_3", model_id="meta-llama/Llama-3.1-8B", version="1.0.0")


def read(data: bytes) -> list[v1.Document]:
    with Bundle(io.BytesIO(data)) as bundle:
        return [document for _, document in bundle.documents()]


def test_a_bundle_has_a_manifest_and_a_file_for_each_document() -> None:
    entries = entries_of(bundle_of(VERSION, MODEL))
    assert list(entries) == [
        "MANIFEST",
        "ModelRef/meta-llama%2FLlama-3.1-8B.json",
        "ModelVersion/llama_3.json",
    ]
    manifest = json.loads(entries["MANIFEST"])
    assert manifest["bundle_version"] == 1
    first, second = manifest["documents"]
    assert first == {
        "type": "ModelRef",
        "id": "meta-llama/Llama-3.1-8B",
        "path": "ModelRef/meta-llama%2FLlama-3.1-8B.json",
        "digest": ir.digest(MODEL),
        "document_digest": ir.digest(v1.Document(ir_version="0.2.0", model_ref=MODEL)),
    }
    assert second["digest"] == ir.digest(VERSION)
    assert ir.from_json(entries[second["path"]], v1.Document).model_version == VERSION


def test_the_bytes_of_a_bundle_never_change() -> None:
    # Another process, or another release of Python, protobuf or orjson, writes the same bytes.
    numbers = {"z": 1e21, "a": 5e-324, "\U0001f600": -0.0, "\ufeff": math.nan, "m": 1 / 3}
    version = v1.ModelVersion(id="é/1", model_id="m", version="1.0.0", metrics=numbers)
    version.options.update({"b": [1.0, {"y": 1e300, "x": None}], "a": "\u2028\x7f\\"})
    data = bundle_of(version, MODEL, v1.EvaluationResult(id="e", task="t"), v1.Hedging())
    expected = "16fcedd91ea2d0e8a46f361fca7d92f894d088646d8bc32af726cbe6a1719190"
    assert hashlib.sha256(data).hexdigest() == expected


def test_entries_have_no_data_of_the_platform() -> None:
    with zipfile.ZipFile(io.BytesIO(bundle_of(VERSION, MODEL))) as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.create_system, info.compress_type) == (3, zipfile.ZIP_STORED)
            assert info.external_attr >> 16 == 0o100644
            assert (info.extra, info.comment) == (b"", b"")
        assert archive.comment == b""


@pytest.mark.parametrize("name", document_members())
def test_every_type_can_be_in_a_bundle(name: str) -> None:
    message = ir.MESSAGE_TYPES[name]()
    [document] = read_unchecked(bundle_of(message))
    assert document.WhichOneof("content") == document_members()[name]


def read_unchecked(data: bytes) -> list[v1.Document]:
    with Bundle(io.BytesIO(data)) as bundle:
        return [each.document for each in bundle.read() if each.document is not None]


@st.composite
def documents(draw: st.DrawFn) -> list[Message]:
    """Valid documents with unusual ids and values."""
    ids = st.text(min_size=1, max_size=20)
    found: list[Message] = []
    for id_ in draw(st.lists(ids, max_size=4, unique=True)):
        message = draw(
            messages(v1.ModelRef, depth=1, named_enums=True)
            | messages(v1.DeploymentStatus, depth=1, named_enums=True)
            | messages(v1.FeedbackEvent, depth=1, named_enums=True)
        )
        message.id = id_
        found.append(message)
    found += [v1.Hedging(delay_ms=number) for number in draw(st.sets(st.integers(0, 9)))]
    return found


@settings(max_examples=examples(60), deadline=None)
@given(documents(), st.randoms())
def test_documents_come_back_in_any_order_with_the_same_bytes(
    found: list[Message], random: Random
) -> None:
    data = bundle_of(*found)
    shuffled = list(found)
    random.shuffle(shuffled)
    assert bundle_of(*shuffled, *found) == data
    back = read_unchecked(data)
    assert bundle_of(*back) == data
    contents = [getattr(each, each.WhichOneof("content") or "") for each in back]
    assert sorted(map(_binary, contents)) == sorted(map(_binary, found))


def _binary(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def test_a_document_keeps_its_version_and_producer() -> None:
    document = v1.Document(ir_version="0.3.0", producer_name="trainer", model_ref=MODEL)
    assert read(bundle_of(document)) == [document]


def test_of_equal_contents_one_is_kept_whatever_the_order() -> None:
    one = v1.Document(ir_version="0.3.0", producer_name="a", model_ref=MODEL)
    other = v1.Document(ir_version="0.3.0", producer_name="b", model_ref=MODEL)
    assert read(bundle_of(one, other)) == read(bundle_of(other, one)) == [one]


def test_two_documents_with_one_id_that_differ_are_an_error() -> None:
    documents = DocumentSet()
    documents.add(v1.ModelRef(id="m"), origin="a.json")
    with pytest.raises(BundleError, match="differ: a\\.json and b\\.json") as caught:
        documents.add(v1.ModelRef(id="m", name="M"), origin="b.json")
    [finding] = caught.value.findings
    assert (finding.rule, finding.document) == ("bundle.unique", "ModelRef/m")
    assert len(documents) == 1


def test_the_last_document_replaces_the_references_of_the_others() -> None:
    documents = DocumentSet()
    for parent, number in (("gone", "1.0.0"), ("v", "1.0.1")):
        version = v1.ModelVersion(id="w", model_id="m", version=number, parent_version=parent)
        documents.add(version, keep_last=True)
    documents.add(v1.ModelVersion(id="v", model_id="m", version="1.0.0"))
    documents.add(v1.ModelRef(id="m"))
    file = io.BytesIO()
    write_bundle(file, documents)
    assert problems(file.getvalue()) == []
    assert len(documents.closure([DocumentKey("ModelVersion", "w")])) == 3


def test_a_document_without_an_id_is_named_by_its_digest_or_gets_one() -> None:
    documents = DocumentSet()
    documents.add(v1.Hedging(delay_ms=1))
    documents.add(v1.Hedging(delay_ms=1))
    documents.add(v1.Prompt(), id="p/1")
    entries = write_bundle(io.BytesIO(), documents)
    assert [(entry.type, entry.id) for entry in entries] == [("Hedging", None), ("Prompt", "p/1")]
    assert entries[0].path == f"Hedging/~{entries[0].digest[7:39]}.json"
    assert entries[1].path == "Prompt/p%2F1.json"


def test_an_id_that_is_not_that_of_the_content_is_an_error() -> None:
    with pytest.raises(FieldError, match="has the id 'm', not 'n'"):
        DocumentSet().add(v1.ModelRef(id="m"), id="n")


def test_what_has_no_digest_cannot_be_in_a_bundle() -> None:
    newer = v1.ModelRef.FromString(v1.ModelRef(id="m").SerializeToString() + b"\xf8\x07\x01")
    with pytest.raises(EncodeError, match="unknown field"):
        DocumentSet().add(newer)
    with pytest.raises(FieldError, match="cannot contain a Message"):
        DocumentSet().add(v1.Message())
    with pytest.raises(FieldError, match="no content"):
        DocumentSet().add(v1.Document(ir_version="0.3.0"))


def test_ids_that_a_file_system_would_confuse_have_different_files() -> None:
    ids = ["a", "A", "con", "nul.x", ".hidden", "..", "a/../b", "x.crucible", "é", "e\u0301"]
    ids += ["\0", " ", "x" * 512, "x" * 511 + "y", "~0", "a b"]
    data = bundle_of(*(v1.ModelRef(id=id_) for id_ in ids))
    names = list(entries_of(data))
    assert len({name.lower() for name in names}) == len(ids) + 1
    assert all(name.isascii() and len(name) < 200 for name in names)
    assert [document.model_ref.id for document in read(data)] == sorted(ids)


def test_an_archive_that_was_compressed_again_is_read() -> None:
    entries = entries_of(bundle_of(VERSION, MODEL))
    data = archive_of([("ModelRef/", b""), *entries.items()], zipfile.ZIP_DEFLATED)
    assert problems(data) == []
    assert [document.WhichOneof("content") for document in read(data)] == [
        "model_ref",
        "model_version",
    ]


def test_an_empty_bundle_is_a_bundle() -> None:
    assert problems(bundle_of()) == []


def test_the_closure_of_files_is_a_bundle_of_its_own() -> None:
    documents = DocumentSet()
    for message in (MODEL, VERSION, v1.ModelRef(id="other")):
        documents.add(message)
    chosen = documents.closure([DocumentKey("ModelVersion", "llama_3")])
    assert [str(key) for key in chosen.keys] == [
        "ModelVersion/llama_3",
        "ModelRef/meta-llama/Llama-3.1-8B",
    ]
    with pytest.raises(FieldError, match='no document ModelVersion/llama_4; did you mean "Model'):
        documents.closure([DocumentKey("ModelVersion", "llama_4")])


def test_a_bundle_in_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "one.crucible.zip"
    path.write_bytes(bundle_of(MODEL))
    with open(path, "rb") as file, Bundle(file) as bundle:
        assert [entry.name for entry in bundle.entries] == ["ModelRef/meta-llama/Llama-3.1-8B"]

"""Archives that are damaged or made to harm: an error with a place, and nothing else."""

from __future__ import annotations

import io
import json
import random
import stat
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from interchange.bundle.archives import (
    Entries,
    archive_of,
    bundle_of,
    changed,
    entries_of,
    patched,
    problems,
    rules,
)

from crucible_ir import v1
from crucible_ir.interchange.bundle.limits import BundleLimits

MODEL = v1.ModelRef(id="m")
VERSION = v1.ModelVersion(id="v", model_id="m", version="1.0.0")
GOOD = bundle_of(MODEL, VERSION)

LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def test_the_archive_that_the_others_are_made_from_is_good() -> None:
    assert problems(GOOD) == []


def entry(name: str, *, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"not a zip",
        GOOD[:-1],
        GOOD[:-30],
        GOOD[: len(GOOD) // 2],
        GOOD[200:],
        b"PK\5\6" * 9,
    ],
    ids=["empty", "two bytes", "text", "one less", "no end", "half", "no start", "ends"],
)
def test_what_is_no_archive_is_an_error(data: bytes) -> None:
    assert set(rules(data)) == {"bundle.archive"}


def test_an_archive_without_a_manifest_is_no_bundle() -> None:
    [problem] = problems(archive_of({"word/document.xml": b"<w/>"}))
    assert problem == "there is no MANIFEST: the file is not a bundle [bundle.archive]"


@pytest.mark.parametrize(
    "name",
    [
        "../m.json",
        "/etc/m.json",
        "ModelRef/../../m.json",
        "ModelRef/..json/m.json",
        "ModelRef\\m.json",
        "C:m.json",
        "ModelRef/m.txt",
        "ModelRef/m.crucible.json.exe",
        "ModelRef/.m.json",
        "ModelRef/con.json",
        "ModelRef/a b.json",
        "ModelRef/é.json",
        "ModelRef/a\u202e.json",
        "ModelRef/" + "x" * 300 + ".json",
        "modelref/n.json",
        "StageDeff/m.json",
        "Message/m.json",
        "m.json",
        "../",
        "other/",
        "MANIFEST/",
        "manifest2",
    ],
)
def test_an_unsafe_name_is_an_error(name: str) -> None:
    data = archive_of([*entries_of(GOOD).items(), (name, b"" if name.endswith("/") else b"{}")])
    [problem] = problems(data)
    assert problem.endswith("[bundle.entry]")


def test_an_empty_name_is_an_error() -> None:
    name = b"ModelRef/n.json"
    data = bytearray(archive_of([*entries_of(GOOD).items(), (name.decode(), b"{}")]))
    # The name becomes the comment of the entry.
    struct.pack_into("<HHH", data, data.rindex(CENTRAL) + 28, 0, 0, len(name))
    assert problems(bytes(data)) == [
        "expected Type/name.json, with letters, digits and ._%~- in the name [bundle.entry]"
    ]


def test_a_name_that_is_not_utf_8_is_an_error() -> None:
    data = archive_of([*entries_of(GOOD).items(), ("ModelRef/\xe9.json", b"{}")])
    data = data.replace("ModelRef/\xe9.json".encode(), b"ModelRef/\xe9\xe9.json")
    assert problems(data) == ["cannot be read: the name of an entry is not UTF-8 [bundle.archive]"]


def test_a_name_with_a_nul_is_an_error() -> None:
    data = GOOD
    for after in (b"{", b"PK"):
        data = data.replace(b"ModelRef/m.json" + after, b"ModelRef/m\0json" + after)
    assert "ModelRef/m: its name contains a NUL [bundle.entry]" in problems(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["ModelRef/m.json", "ModelRef/M.json", "MANIFEST"])
def test_a_name_that_occurs_twice_is_an_error(name: str) -> None:
    entries = entries_of(GOOD)
    data = archive_of([*entries.items(), (name, entries.get(name, b"{}"))])
    assert "bundle.entry" in rules(data)


def test_a_symbolic_link_is_an_error() -> None:
    entries = entries_of(GOOD)
    link = (entry("ModelRef/m.json", mode=stat.S_IFLNK | 0o777), b"/etc/passwd")
    del entries["ModelRef/m.json"]
    assert problems(archive_of([*entries.items(), link]))[0] == (
        "ModelRef/m.json: it is a symbolic link [bundle.entry]"
    )


def test_an_encrypted_entry_is_an_error() -> None:
    data = patched(patched(GOOD, CENTRAL, 8, "<H", 1), LOCAL, 6, "<H", 1)
    encrypted = [f"{name}: it is encrypted [bundle.entry]" for name in entries_of(GOOD)]
    assert problems(data) == encrypted


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 99])
def test_other_compressions_are_errors(method: int) -> None:
    if method == 99:
        data = patched(GOOD, CENTRAL, 10, "<H", 99)
    else:
        data = archive_of(entries_of(GOOD), method)
    reason = "it is compressed in a way other than deflate [bundle.entry]"
    assert problems(data) == [f"{name}: {reason}" for name in entries_of(GOOD)]


def test_a_flipped_bit_of_a_document_is_an_error() -> None:
    at = GOOD.index(b'"1.0.0"') + 1
    data = GOOD[:at] + b"2" + GOOD[at + 1 :]
    [problem] = problems(data)
    assert problem.startswith("ModelVersion/v.json: cannot be read: bad CRC-32")
    assert problem.endswith("[bundle.archive]")


def test_sizes_that_lie_are_errors() -> None:
    for signature, offset in ((CENTRAL, 24), (CENTRAL, 20)):
        for value in (0, 1, 10, 0xFFFFFFF0):
            assert "bundle.archive" in rules(patched(GOOD, signature, offset, "<I", value))


def test_offsets_that_lie_are_errors() -> None:
    for value in (1, len(GOOD), 0x7FFFFFFF, 0xFFFFFFFE):
        assert "bundle.archive" in rules(patched(GOOD, CENTRAL, 42, "<I", value))
        assert "bundle.archive" in rules(patched(GOOD, END, 16, "<I", value))


def test_entries_that_overlap_are_an_error() -> None:
    # Every entry of the directory is the same one in the archive.
    big = archive_of(
        [("MANIFEST", b"x" * 10_000), *((f"ModelRef/{n}.json", b"") for n in range(9))]
    )
    sizes = patched(patched(big, CENTRAL, 20, "<I", 10_000), CENTRAL, 24, "<I", 10_000)
    assert problems(sizes) == ["cannot be read: its entries overlap [bundle.archive]"]


def test_a_large_directory_is_not_read() -> None:
    class Counting(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.most = max(self.most, len(data))
            return data

    from crucible_ir.interchange.bundle import Bundle, BundleError

    names = [(f"{n:060}", b"") for n in range(30_000)]
    file = Counting(archive_of(names))
    with pytest.raises(BundleError, match=r"the directory is too large \(max_documents\)"):
        Bundle(file, BundleLimits(max_documents=10))
    assert file.most <= 1024 * 1024 + 1


def test_too_many_documents_are_an_error() -> None:
    data = bundle_of(*(v1.ModelRef(id=str(n)) for n in range(100)))
    assert problems(data, BundleLimits(max_documents=100)) == []
    [problem] = problems(data, BundleLimits(max_documents=50))
    assert problem == "it has more than 50 documents (max_documents) [bundle.archive]"


def bomb(size: int) -> bytes:
    """Return a bundle with a document that expands a thousand times."""
    entries = entries_of(bundle_of(MODEL))
    entries["ModelRef/m.json"] = b" " * size
    return archive_of(entries, zipfile.ZIP_DEFLATED)


def test_a_document_that_expands_to_more_than_the_limits_is_not_read() -> None:
    data = bomb(100_000_000)
    assert len(data) < 200_000
    [problem] = problems(data)
    assert problem == (
        "ModelRef/m.json: it has 100000000 bytes, over the limit of 67108864 (max_bytes)"
        " [bundle.archive]"
    )
    [problem] = problems(data, BundleLimits(max_bytes=10**9, max_expansion=100))
    assert problem == (
        "ModelRef/m.json: it expands more than 100 times (max_expansion) [bundle.archive]"
    )
    [problem] = problems(data, BundleLimits(max_documents=1, max_total_bytes=10**7))
    assert (
        problem == "the documents have more than 10000000 bytes (max_total_bytes) [bundle.archive]"
    )


def test_a_document_of_white_space_is_an_error() -> None:
    assert rules(bomb(1_000)) == ["decode"]


def test_an_entry_that_has_more_than_it_says_is_not_read_further() -> None:
    data = bomb(50_000_000)
    smaller = patched(data, CENTRAL, 24, "<I", 100)
    assert "bundle.archive" in rules(smaller)


def set_manifest(**changes: Any) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        manifest = json.loads(entries["MANIFEST"]) | changes
        entries["MANIFEST"] = json.dumps(manifest).encode()

    return change


def set_text(text: bytes) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        entries["MANIFEST"] = text

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (set_text(b""), "MANIFEST: "),
        (set_text(b"[]"), 'MANIFEST: expected an object with "bundle_version"'),
        (set_text(b'{"bundle_version": 1}'), "MANIFEST: documents: expected a list"),
        (set_text(b'{"bundle_version": 1, "bundle_version": 1}'), "MANIFEST: 1:23: "),
        (set_text(b"[" * 100_000), "MANIFEST: "),
        (set_text(b"\xff\xfe"), "MANIFEST: "),
        (set_text(b'{"bundle_version": ' + b"9" * 5_000 + b"}"), "MANIFEST: "),
        (
            set_manifest(bundle_version=2),
            "MANIFEST: bundle_version: unknown version 2: this release reads version 1; update it",
        ),
        (set_manifest(bundle_version=True), "MANIFEST: bundle_version: unknown version true"),
        (set_manifest(bundle_version="1"), 'MANIFEST: bundle_version: unknown version "1"'),
        (set_manifest(dokuments=[]), 'MANIFEST: dokuments: unknown key; did you mean "documents"?'),
        (set_manifest(documents={}), "MANIFEST: documents: expected a list"),
        (set_manifest(documents=[3]), "MANIFEST: documents[0]: expected an object with the keys"),
        (set_manifest(documents=[{}]), "MANIFEST: documents[0]: expected an object with the keys"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_an_error(
    change: Callable[[Entries], None], problem: str
) -> None:
    first, *_ = problems(changed(GOOD, change))
    assert first.startswith(problem)
    assert first.endswith("[bundle.manifest]")


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("type", 3, "documents[0]: type: expected a string"),
        ("id", 3, "documents[0]: id: expected a string"),
        ("id", "", "documents[0]: id: expected null or a string that is not empty"),
        ("digest", "md5:0", "documents[0]: digest: expected sha256: and 64 hexadecimal digits"),
        ("path", "../m.json", "documents[0]: path: expected Type/name.json"),
        ("type", "ModelVersion", 'documents[0]: path: expected the folder "ModelVersion"'),
    ],
)
def test_an_item_of_the_manifest_that_is_wrong_is_an_error(
    key: str, value: object, problem: str
) -> None:
    def change(entries: Entries) -> None:
        manifest = json.loads(entries["MANIFEST"])
        manifest["documents"][0][key] = value
        entries["MANIFEST"] = json.dumps(manifest).encode()

    first, second, *_ = problems(changed(GOOD, change))
    assert first.startswith(f"MANIFEST: {problem}")
    assert second.startswith("ModelRef/m.json: the MANIFEST does not have this document")


@pytest.mark.parametrize(
    ("key", "value", "rule", "problem"),
    [
        ("id", "n", "bundle.identity", "the MANIFEST says the id 'n', and the document has 'm'"),
        ("id", None, "bundle.identity", "the MANIFEST says no id, and the document has 'm'"),
        ("digest", f"sha256:{'0' * 64}", "bundle.digest", "and the content has sha256:"),
        ("document_digest", f"sha256:{'0' * 64}", "bundle.digest", "and the document has sha256:"),
    ],
)
def test_a_document_that_differs_from_the_manifest_is_an_error(
    key: str, value: object, rule: str, problem: str
) -> None:
    def change(entries: Entries) -> None:
        manifest = json.loads(entries["MANIFEST"])
        manifest["documents"][0][key] = value
        entries["MANIFEST"] = json.dumps(manifest).encode()

    first, *_ = problems(changed(GOOD, change))
    assert problem in first
    assert first.endswith(f"[{rule}]")


def test_a_changed_document_has_another_digest() -> None:
    def rename(entries: Entries) -> None:
        text = entries["ModelRef/m.json"]
        entries["ModelRef/m.json"] = text.replace(b'"id":"m"', b'"id":"m","name":"x"')

    def claim(entries: Entries) -> None:
        text = entries["ModelRef/m.json"]
        entries["ModelRef/m.json"] = text.replace(b"0.2.0", b"0.2.1")

    assert rules(changed(GOOD, rename)) == ["bundle.digest"]
    assert rules(changed(GOOD, claim)) == ["bundle.digest"]


def test_a_document_of_another_type_is_an_error() -> None:
    def change(entries: Entries) -> None:
        entries["ModelRef/m.json"] = entries["ModelVersion/v.json"]

    first, *_ = problems(changed(GOOD, change))
    assert first == (
        "ModelRef/m: the MANIFEST says ModelRef, and the document is a ModelVersion"
        " [bundle.identity]"
    )


def test_a_document_that_is_missing_or_not_listed_is_an_error() -> None:
    missing = changed(GOOD, lambda entries: entries.pop("ModelRef/m.json"))
    assert problems(missing) == [
        "ModelRef/m: its file ModelRef/m.json is not in the archive [bundle.present]",
        "ModelVersion/v: model_id: no ModelRef 'm' in the bundle [bundle.dangling]",
    ]
    added = changed(GOOD, lambda entries: entries.update({"ModelRef/n.json": b"{}"}))
    assert problems(added) == [
        "ModelRef/n.json: the MANIFEST does not have this document [bundle.listed]"
    ]


@pytest.mark.parametrize("digests", ["different digests", "the same digest"])
def test_one_identity_twice_is_an_error(digests: str) -> None:
    name = "" if digests == "the same digest" else "other"
    other = entries_of(
        bundle_of(v1.ModelVersion(id="v", model_id="m", version="1.0.0", description=name or None))
    )
    entries = entries_of(GOOD)
    manifest = json.loads(entries["MANIFEST"])
    [item] = json.loads(other["MANIFEST"])["documents"]
    manifest["documents"].append(item | {"path": "ModelVersion/v2.json"})
    entries["MANIFEST"] = json.dumps(manifest).encode()
    entries["ModelVersion/v2.json"] = other["ModelVersion/v.json"]
    assert problems(archive_of(entries)) == [
        f"ModelVersion/v: 2 documents have this type and id, with {digests} [bundle.unique]"
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"", "decode"),
        (b"{}", "decode"),
        (b"\xff", "decode"),
        (b"{" * 100_000, "decode"),
        (b'{"irVersion": "9.0.0", "newThing": {"id": "x"}}', "decode"),
        (b'{"irVersion": "0.3.0", "modelRef": {"id": "m", "id": "m"}}', "decode"),
        (b'{"irVersion": "0.3.0", "modelRef": {"id": 1}}', "decode"),
    ],
)
def test_a_document_that_cannot_be_decoded_is_an_error(text: bytes, rule: str) -> None:
    data = changed(bundle_of(MODEL), lambda entries: entries.update({"ModelRef/m.json": text}))
    [problem] = problems(data)
    assert problem.startswith("ModelRef/m: ")
    assert problem.endswith(f"[{rule}]")


def test_a_document_that_breaks_a_rule_is_an_error() -> None:
    data = bundle_of(MODEL, v1.ModelVersion(id="v", model_id="m", version="1"))
    [problem] = problems(data)
    assert problem.startswith("ModelVersion/v: version: must be a semantic version")


@settings(max_examples=examples(400), deadline=None)
@given(st.data())
def test_any_change_of_the_bytes_is_an_error_or_harmless(data: st.DataObject) -> None:
    changed_bytes = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(GOOD) - 1))
        changed_bytes[at] = data.draw(st.integers(0, 255))
    found = problems(bytes(changed_bytes))
    assert all(problem.isprintable() for problem in found)


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(GOOD)))
def test_any_bytes_in_an_archive_are_an_error_or_harmless(noise: bytes, at: int) -> None:
    problems(GOOD[:at] + noise)
    problems(GOOD[:at] + noise + GOOD[at:])


def test_a_zip64_archive_with_sizes_beyond_any_file_is_an_error() -> None:
    info = entry("ModelRef/m.json")
    info.extra = struct.pack("<HHQQQ", 1, 24, 2**63, 2**63, 2**63)
    entries = entries_of(bundle_of(MODEL))
    del entries["ModelRef/m.json"]
    data = archive_of([*entries.items(), (info, b"{}")])
    # Only sizes of 0xffffffff are taken from the extra field.
    for offset in (20, 24, 42):
        at = data.rindex(CENTRAL)
        data = data[: at + offset] + b"\xff" * 4 + data[at + offset + 4 :]
    assert set(rules(data)) <= {"bundle.archive", "bundle.present"}
    assert rules(data)


def test_a_deflated_entry_with_damage_is_an_error() -> None:
    data = bytearray(archive_of(entries_of(GOOD), zipfile.ZIP_DEFLATED))
    start = data.index(b"MANIFEST") + len("MANIFEST")
    source = random.Random(1)
    for _ in range(50):
        damaged = bytearray(data)
        damaged[start + source.randrange(100)] = source.randrange(256)
        if damaged != data:
            assert rules(bytes(damaged))[0] in ("bundle.archive", "bundle.manifest")

"""Croissant metadata of datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_law

from crucible_ir import v1
from crucible_ir.interchange.croissant import CONFORMS_TO, FORMAT
from crucible_ir.interchange.mapping.report import Outcome

DOCUMENTS = Path(__file__).parent / "documents" / "croissant"
REVIEWS: dict[str, Any] = json.loads((DOCUMENTS / "reviews.json").read_text())
TWO_FILES: dict[str, Any] = json.loads((DOCUMENTS / "two_files.json").read_text())


def test_a_dataset_of_one_file() -> None:
    imported = check_law(FORMAT, REVIEWS)
    [dataset] = imported.documents
    assert isinstance(dataset, v1.DatasetRef)
    assert dataset.name == "reviews"
    assert dataset.version == "1.1"
    assert dataset.uri == "https://huggingface.co/datasets/example/reviews"
    assert dataset.provider == v1.DatasetProvider.DATASET_PROVIDER_HUGGINGFACE
    assert dataset.format == v1.DatasetFormat.DATASET_FORMAT_CSV
    sha256 = REVIEWS["distribution"][0]["sha256"].lower()
    assert dataset.digest == f"sha256:{sha256}"
    assert FORMAT.export(dataset).obj == {**REVIEWS, "version": "1.1"}


def test_a_dataset_of_several_files_has_no_digest() -> None:
    [dataset] = check_law(FORMAT, TWO_FILES).documents
    assert isinstance(dataset, v1.DatasetRef)
    assert not dataset.HasField("digest")
    assert dataset.format == v1.DatasetFormat.DATASET_FORMAT_PARQUET


def test_a_changed_name_or_digest_is_not_the_one_that_was_imported() -> None:
    [dataset] = FORMAT.import_(REVIEWS).documents
    assert isinstance(dataset, v1.DatasetRef)
    dataset.name = "others"
    dataset.digest = "sha256:" + "0" * 64
    exported = FORMAT.export(dataset)
    assert exported.obj["name"] == "others"
    [entry] = [entry for entry in exported.report.entries if entry.path == "digest"]
    assert entry.outcome is Outcome.DROPPED


def test_a_dataset_that_was_not_imported() -> None:
    exported = FORMAT.export(v1.DatasetRef(name="wikitext", version="1", custom_split="dev"))
    assert exported.obj["@type"] == "sc:Dataset"
    assert exported.obj["conformsTo"] == CONFORMS_TO
    assert exported.report.counts["dropped"] == 1
    assert FORMAT.import_(exported.obj).documents[0] == v1.DatasetRef(
        name="wikitext",
        version="1",
        options={
            "croissant": {
                "@type": "sc:Dataset",
                "conformsTo": CONFORMS_TO,
                "@context": exported.obj["@context"],
            }
        },
    )


@pytest.mark.parametrize(
    ("record", "path"),
    [
        ({}, ""),
        ({"@type": "sc:WRONG", "name": "x"}, ""),
        ({"@type": "sc:Dataset"}, ""),
        ({"@type": "sc:Dataset", "name": {"en": 3}}, "name"),
    ],
)
def test_what_is_no_dataset_is_an_error(record: dict[str, Any], path: str) -> None:
    imported = FORMAT.import_(record)
    assert not imported.documents
    [error] = imported.report.errors
    assert error.path == path


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
_FILE = st.fixed_dictionaries(
    {},
    optional={
        "encodingFormat": st.sampled_from(["text/csv", "git+https", "application/zip"]) | _ANY,
        "sha256": st.text("0123456789abcdef", min_size=64, max_size=64) | _ANY,
        "md5": st.text("0123456789ABCDEF", min_size=32, max_size=32) | _ANY,
        "contentUrl": _ANY,
    },
)
_DATASETS = st.fixed_dictionaries(
    {
        "@type": st.sampled_from(["sc:Dataset", ["sc:Dataset", "x"]]),
        "name": st.text(min_size=1, max_size=5)
        | st.dictionaries(st.sampled_from(["en", "de"]), st.text(min_size=1), min_size=1),
    },
    optional={
        "@context": st.fixed_dictionaries({"@language": st.sampled_from(["en", "de"]) | _ANY}),
        "version": st.sampled_from(["1.0.0", 1, 1.5]) | _ANY,
        "url": st.sampled_from(["https://huggingface.co/datasets/a", "file:///x"]) | _ANY,
        "distribution": st.lists(_FILE | _ANY, max_size=3) | _ANY,
        "recordSet": st.lists(_ANY, max_size=2) | _ANY,
        "license": _ANY,
    },
)


@given(_DATASETS)
def test_the_law_holds_for_any_dataset(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)

"""The file of expected failures: each line is an entry with a reason, or an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from crucible_ir.conformance.expected_failures import (
    ExpectedFailuresError,
    read_expected_failures,
)


def read(folder: Path, text: str) -> list[tuple[str, str, str, int]]:
    path = folder / "known.txt"
    path.write_text(text, encoding="utf-8")
    entries = read_expected_failures(path)
    return [(each.pattern, each.aspect, each.reason, each.line) for each in entries]


def test_each_line_is_an_entry_a_comment_or_blank(tmp_path: Path) -> None:
    text = """\
# JSON integers are doubles there: https://example.com/issues/1
json_numbers/int64_bare_largest  json   # rounded, see above

wire/bad_utf8_* decode # not checked
\tlimits_nesting/* *  #depth
"""
    assert read(tmp_path, text) == [
        ("json_numbers/int64_bare_largest", "json", "rounded, see above", 2),
        ("wire/bad_utf8_*", "decode", "not checked", 4),
        ("limits_nesting/*", "*", "depth", 5),
    ]
    assert read(tmp_path, "") == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("wire/empty json", "expected `topic/case aspect  # reason`, got 'wire/empty json'"),
        ("wire/empty json #", "expected `topic/case aspect  # reason`"),
        ("wire/empty # why", "expected `topic/case aspect  # reason`"),
        ("wire/empty json binary # why", "expected `topic/case aspect  # reason`"),
        ("wire/empty violation # why", "expected one of decode, binary, json, violations, digest"),
        ("wire/empty violation # why", "got 'violation'; did you mean"),
        ("wire/empty violation # why", 'did you mean "violations"'),
    ],
)
def test_any_other_line_is_an_error_with_its_number(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ExpectedFailuresError) as caught:
        read(tmp_path, f"# known\n{line}\n")
    assert str(caught.value).startswith(f"{tmp_path / 'known.txt'}:2: ")
    assert words in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ExpectedFailuresError, match=r"none\.txt: no such file or directory"):
        read_expected_failures(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff")
    with pytest.raises(ExpectedFailuresError, match=r"binary\.txt: 'utf-8' codec can't decode"):
        read_expected_failures(tmp_path / "binary.txt")

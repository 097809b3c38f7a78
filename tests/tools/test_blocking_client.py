"""The generator of the blocking client fails where its source no longer fits its replacements."""

from __future__ import annotations

import pytest

from generate_blocking_client import DESTINATION, DIFFERENCES, ROOT, SOURCE, blocking

SOURCE_TEXT = (ROOT / "python" / SOURCE).read_text()


def test_the_committed_client_is_the_generated_one() -> None:
    assert blocking(SOURCE_TEXT) == (ROOT / "python" / DESTINATION).read_text()


def test_nothing_asynchronous_remains() -> None:
    code = blocking(SOURCE_TEXT).partition("\n")[2]
    for word in ("async", "await", "Async", "event loop", "task"):
        assert word not in code, word


@pytest.mark.parametrize("passage", [passage for passage, _ in DIFFERENCES])
def test_a_passage_that_is_missing_is_an_error(passage: str) -> None:
    with pytest.raises(ValueError, match="does not contain"):
        blocking(SOURCE_TEXT.replace(passage, ""))

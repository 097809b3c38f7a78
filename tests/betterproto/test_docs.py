"""The programs in the guide run and print the shown output."""

from __future__ import annotations

import re

import pytest
from exchange.client.served import Served
from pages import ROOT, check_links, check_python

pytestmark = pytest.mark.slow

DOCS = ROOT / "docs"
GUIDE = (DOCS / "python-betterproto.md").read_text(encoding="utf-8")


def test_the_python_blocks_run_in_sequence_and_print_the_shown_output() -> None:
    assert check_python(GUIDE, "docs/python-betterproto.md") == 2


def test_every_link_to_a_file_is_valid() -> None:
    check_links(GUIDE, DOCS)


def test_the_program_that_calls_an_exchange_runs(
    exchange: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = re.findall(r"```py\n(.*?)```", GUIDE, re.DOTALL)
    code = code.replace('"exchange.example.com"', '"127.0.0.1"').replace("ssl=True", "ssl=None")
    code = code.replace("7551", str(exchange.port))
    monkeypatch.setenv("CRUCIBLE_IR_TOKEN", "none")
    exec(compile(code, "docs/python-betterproto.md", "exec"), {})
    assert capsys.readouterr().out == "1\ndocument.model_ref.id required\n"

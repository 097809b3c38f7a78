"""The page for Elixir runs, and the test for Elixir has every message."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from interop.guides import follow, version_of_the_guides
from interop.programs import run
from interop.secured import write_certificate
from interop.toolchains import ELIXIR, require
from pages import ROOT, check_commands, check_links, check_page, check_python, files
from web.http_servers import LOOPBACK, http_exchange

import crucible_ir as ir
from crucible_ir.exchange import ExchangeClient
from crucible_ir.exchange.server.listening import TlsFiles
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.types import document_members

DOCS = ROOT / "docs"
PAGE = (DOCS / "elixir.md").read_text(encoding="utf-8")
ELIXIR_TEST = ROOT / "tests" / "vectors" / "crucible_vectors_test.exs"
VECTORS = ROOT / "tests" / "vectors"
#: The programs that call an exchange, and the other blocks of the page.
PROGRAMS = PAGE.partition("\n## Call the exchange\n")[2].partition("\n## ")[0]
REST = PAGE.replace(PROGRAMS, "")


def test_the_python_blocks_run_in_sequence_and_print_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The blocks write files.
    monkeypatch.chdir(tmp_path)
    assert check_python(PAGE, "docs/elixir.md") == 6


def test_the_commands_run_in_sequence_and_print_what_is_shown(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    assert check_commands(REST, tmp_path, {"crucible-ir", "cat"}) == 4


def test_every_link_to_a_file_has_a_target() -> None:
    check_links(PAGE, DOCS)


def test_the_test_for_elixir_has_a_struct_for_every_member_of_a_document() -> None:
    """Messages that are newer than 0.2.0 have no struct in the Elixir package."""
    members = {
        name
        for name in document_members()
        if not all(field.since for field in fields_of(ir.MESSAGE_TYPES[name].DESCRIPTOR).values())
    }
    modules = re.findall(r'"(\w+)" => ([\w.]+)', ELIXIR_TEST.read_text(encoding="utf-8"))
    assert {name for name, _ in modules} == members
    assert len({module for _, module in modules}) == len(modules)


def test_the_figures_of_the_page_are_those_of_the_vectors() -> None:
    text = (VECTORS / "upstream_cases.jsonl").read_text(encoding="utf-8")
    cases = [json.loads(line) for line in text.splitlines()]
    assert f"has {len(cases)} documents" in PAGE
    more = (VECTORS / "upstream_documents.jsonl").read_text(encoding="utf-8").count("\n")
    assert f"has {more:,} more" in PAGE
    assert f"The {sum(case['valid'] for case in cases)} documents that are valid" in PAGE


# Calls of an exchange


@dataclass(frozen=True)
class Guarded:
    """An exchange with TLS and a token, and the certificates to trust."""

    url: str
    token: str
    roots: bytes


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    roots = write_certificate(folder)
    tokens = TokenFile(folder / "tokens.json")
    _, token = tokens.create("trainer", Role.ADMIN)
    tls = TlsFiles(folder / "cert.pem", folder / "key.pem", None)
    with http_exchange(folder, ServerOptions(address=LOOPBACK, tls=tls, tokens=tokens)) as running:
        # Erlang compares names only.
        yield Guarded(running.url.replace("127.0.0.1", "localhost"), token, roots)


@pytest.mark.toolchain
def test_the_programs_of_the_page_call_an_exchange(tmp_path: Path, guarded: Guarded) -> None:
    require(ELIXIR)
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(guarded.roots)
    with http_exchange(tmp_path) as running:
        done = follow(
            PROGRAMS,
            folder,
            lambda command: run(command, folder, CRUCIBLE_IR_TOKEN=guarded.token),
            {
                "http://127.0.0.1:8080": running.url,
                "https://exchange.example.com:8080": guarded.url,
            },
        )
        assert len(done) == 9
        with ExchangeClient(str(running.server.address)) as client:
            version = client.get(ir.v1.ModelVersion, "llama_mmlu_3").content
            events = {event.id: event for event in client.export()}
    assert version == version_of_the_guides()
    assert events.keys() == {"e1", "e2"}
    assert events["e1"].feedback_type == ir.v1.FeedbackType.FEEDBACK_TYPE_THUMBS
    assert (events["e2"].latency_ms, events["e2"].feedback_value.number_value) == (182, 4)
    run("mix format --check-formatted *.ex *.exs", folder)


@pytest.mark.toolchain
def test_the_tutorial_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require(ELIXIR)
    page = (DOCS / "tutorials" / "elixir-beside-python.md").read_text(encoding="utf-8")
    starts: list[str] = []
    with http_exchange(tmp_path) as running:
        monkeypatch.setenv("CRUCIBLE_IR_SERVER", str(running.server.address))
        page = page.replace("127.0.0.1:7551", str(running.server.address))
        page = page.replace("http://127.0.0.1:8080", running.url)
        (tmp_path / "exchange.ex").write_text(files(PAGE)["exchange.ex"], encoding="utf-8")
        ran = check_page(page, "tutorial", tmp_path, {"elixir", "crucible-ir"}, starts.append)
    assert (ran["python"], ran["console"], len(starts)) == (2, 3, 1)
    run("mix format --check-formatted lookup.exs feedback.exs", tmp_path)


@pytest.mark.toolchain
def test_the_module_of_the_page_handles_large_messages_errors_and_certificates(
    tmp_path: Path, guarded: Guarded
) -> None:
    require(ELIXIR)
    (tmp_path / "exchange.ex").write_text(files(PAGE)["exchange.ex"], encoding="utf-8")
    (tmp_path / "ca.pem").write_bytes(guarded.roots)
    (tmp_path / "other.pem").write_bytes(trustme.CA().cert_pem.bytes())
    script = Path(__file__).parent / "elixir" / "edge_cases.exs"
    # Erlang logs the certificate that it rejects.
    command = f"timeout 60 elixir -r exchange.ex {script} {guarded.url} {guarded.token} | tail -1"
    report = json.loads(run(f"set -o pipefail; {command}", tmp_path))
    versions = report.pop("versions")
    assert [version["id"] for version in versions] == ["ünit/1", "ünit/2", "ünit/3"]
    for version in versions:
        assert version["description"] is True
        assert version["metrics"] == {"loss": "NaN", "f1": 1e-7, "steps": 12, "note": [None, True]}
        assert version["created_at"] == "2025-12-26T16:00:00.25Z"
        assert (version["stage"], version["options"]) == ("canary", {"limit": "infinity"})
    exported = report.pop("exported")
    assert exported == [f"e{number}" for number in range(1, 701)]
    invalid, unknown = report.pop("invalid_watch"), report.pop("no_method")
    assert invalid.startswith("invalid_argument: invalid request: types[0]: ")
    assert unknown.startswith("status 404: ")
    assert report == {
        "later": "later",
        "seed": True,
        "too_large": [429, "resource_exhausted"],
        "stale": [400, "failed_precondition"],
        "guessed": [401, "unauthenticated"],
        "rejected": 1,
        "untrusted": True,
        "closed": True,
    }

"""Others accept the OpenAPI document, and the server answers the requests that it describes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web.http_servers import LOOPBACK, RunningExchange, http_exchange

from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.web.api.openapi import openapi

DOCUMENT = openapi()

#: The seconds that schemathesis has.
TIMEOUT = 180

#: Keywords that a generator of data cannot fulfil together with the others.
_CONDITIONS = ("allOf", "dependentSchemas")


def test_a_validator_of_openapi_accepts_the_document() -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningExchange, str]]:
    folder = tmp_path_factory.mktemp("store")
    file = TokenFile(folder / "tokens.json")
    _, token = file.create("schemathesis", Role.ADMIN)
    with http_exchange(folder, ServerOptions(address=LOOPBACK, tokens=file)) as running:
        yield running, token


def test_generated_requests_get_the_answers_of_the_document(
    exchange: tuple[RunningExchange, str], tmp_path: Path
) -> None:
    """Valid and invalid requests to every path whose content the document can describe.

    Answers must have a status, a media type and a content that the document has, and none may be an
    error of the server. A valid request may be rejected: JSON Schema has not every rule.
    """
    running, token = exchange
    described = {path: item for path, item in DOCUMENT["paths"].items() if _is_described(item)}
    assert len(DOCUMENT["paths"]) - len(described) == 4, "streams are not described"
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps({**_without_conditions(DOCUMENT), "paths": described}))
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", str(file), "--url", running.url, "--header", f"Authorization: Bearer {token}"),
        *("--phases", "fuzzing", "--max-examples", "3", "--generation-deterministic"),
        *("--exclude-checks", "positive_data_acceptance"),
        *("--request-timeout", "20", "--continue-on-failure", "--warnings", "off", "--no-color"),
    ]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    operations = sum(len(item) for item in described.values())
    assert f"Tested: {operations}\n" in ran.stdout


def _is_described(item: dict[str, Any]) -> bool:
    """Return whether a path takes and returns more than envelopes."""
    body = item.get("post", {}).get("requestBody", {"content": {"application/json": None}})
    return "application/json" in body["content"]


def _without_conditions(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_conditions(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_conditions(value) for key, value in schema.items() if key not in _CONDITIONS
    }

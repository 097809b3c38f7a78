"""Control characters and literals in ids and names, and malformed or unsafe URIs."""

from __future__ import annotations

import unicodedata

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.linting import lint


def endpoint(uri: str) -> list[str]:
    return [finding.id for finding in lint(v1.BackendRef(id="b", endpoint_url=uri))]


def artifact(uri: str) -> list[str]:
    return [finding.id for finding in lint(v1.ModelRef(id="m", artifact_uri=uri))]


def test_exactly_the_characters_of_unicode_category_cc_are_reported() -> None:
    for code in [*range(0x100), 0x2028, 0xFEFF, 0x1F600]:
        found = [finding.message for finding in lint(v1.StageDef(name=f"ab{chr(code)}c"))]
        expected = [f"character 3 is the control character U+{code:04X}"]
        assert found == (expected if unicodedata.category(chr(code)) == "Cc" else [])


def test_real_ids_are_fine() -> None:
    for name in ("meta-llama/Llama-3.1-8B", "数据集", "Modèle é", "a b", "sl_basic_meta-llama"):
        assert lint(v1.ModelRef(id=name)) == []


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (v1.StageDef(name="nil"), "name"),
        (v1.ModelVersion(id="true", model_id="m"), "id"),
        (v1.ModelVersion(id="v", model_id="false"), "model_id"),
        (v1.ModelVersion(id="v", model_id="m", training_run_id="nil"), "training_run_id"),
        (v1.BackendRef(id="b", deployment_id="nil"), "deployment_id"),
    ],
)
def test_a_literal_of_elixir_is_no_id_or_name(message: Message, path: str) -> None:
    [finding] = lint(message)
    assert (finding.path, finding.id) == (path, "text.elixir_literal")


def test_only_the_exact_literals_are_reported_and_only_in_ids_and_names() -> None:
    for name in ("Nil", "TRUE", "null", "none", "nil_1", "true positive"):
        assert lint(v1.StageDef(name=name)) == []
    assert lint(v1.Message(text="nil")) == lint(v1.ModelVersion(description="true")) == []


def test_an_optional_string_may_contain_any_character() -> None:
    message = v1.Message(text="two\nlines\tand a tab", name="a\tb")
    assert lint(message) == []


@pytest.mark.parametrize(
    "uri",
    [
        "https://api.example.com/v1",
        "http://localhost:4000",
        "https://[2001:db8::1]:8443/",
        "grpcs://models.example.com:443",
        "unix:/run/model.sock",
        "https://example.com/a%20b?c=d#e",
    ],
)
def test_an_encrypted_or_local_uri_is_a_fine_endpoint(uri: str) -> None:
    assert endpoint(uri) == []


@pytest.mark.parametrize(
    "uri",
    [
        "file:///models/gpt2",
        "hf://gpt2",
        "s3://models/gpt2/v1.tar.gz",
        "gs://models/gpt2/v1.tar.gz",
        "http://artifacts.internal/gpt2",
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    ],
)
def test_an_artifact_may_have_any_scheme(uri: str) -> None:
    assert artifact(uri) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "localhost:8080",
        "api.example.com:443/v1",
        "api.example.com/v1",
        "/models/gpt2",
        "models/gpt2",
        "C:/models/gpt2",
        "https://",
        "https:///v1",
        "https://exa mple.com",
        "https://example.com/a%2",
        "https://exämple.com",
        "https://example.com:port",
        "https://example.com:99999",
        "https://[::1",
        "://example.com",
        "https://${HOST}/v1",
    ],
)
def test_a_malformed_uri_is_reported(text: str) -> None:
    assert endpoint(text) == artifact(text) == ["uri.malformed"]


def test_an_empty_string_has_its_own_message() -> None:
    empty = "expected a URI, got an empty string"
    for text, message in (("", empty), ("gpt2", "this is not a URI")):
        [finding] = lint(v1.ModelRef(id="m", artifact_uri=text))
        assert finding.message == message


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("localhost:8080", "write http://localhost:8080"),
        ("127.0.0.1:80/v1", "write http://127.0.0.1:80/v1"),
        ("api.example.com:443", "write https://api.example.com:443"),
    ],
)
def test_the_fix_completes_a_host_and_port(text: str, fix: str) -> None:
    [finding] = lint(v1.BackendRef(id="b", endpoint_url=text))
    assert finding.fix == fix


def test_an_unset_field_is_not_an_empty_uri() -> None:
    assert lint(v1.BackendRef(id="b")) == []
    assert lint(v1.AudioContent()) == []


def test_each_uri_of_a_list_is_checked() -> None:
    run = v1.TrainingRun(checkpoint_uris=["s3://a/b", "checkpoints/2", "file:///c"])
    assert [finding.path for finding in lint(run)] == ["checkpoint_uris[1]"]


def test_an_inline_image_is_a_uri() -> None:
    assert lint(v1.ImageContent(url="data:image/png;base64,iVBORw0KGgo=")) == []


@pytest.mark.parametrize(
    "uri",
    [
        "http://api.example.com",
        "HTTP://api.example.com",
        "ws://api.example.com",
        "http://10.0.0.7:8000",
        "http://localhost.example.com",
        "http://[2001:db8::1]/",
    ],
)
def test_an_unencrypted_endpoint_is_reported(uri: str) -> None:
    assert endpoint(uri) == ["uri.insecure_endpoint"]


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:8000",
        "http://model.localhost",
        "http://127.0.0.1",
        "http://127.8.9.1:80",
        "http://[::1]:8000",
        "ws://LOCALHOST",
    ],
)
def test_an_endpoint_on_a_loopback_address_may_be_unencrypted(uri: str) -> None:
    assert endpoint(uri) == []


def test_the_endpoint_of_a_deployment_is_checked_too() -> None:
    status = {"id": "s", "deployment_id": "d", "endpoint_url": "http://api.example.com"}
    found = lint(ParseDict(status, v1.DeploymentStatus()))
    assert [(finding.path, finding.id) for finding in found] == [
        ("endpoint_url", "uri.insecure_endpoint")
    ]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://user:hunter2@example.com", ["uri.password"]),
        ("http://user:hunter2@example.com", ["uri.insecure_endpoint", "uri.password"]),
        ("https://user@example.com", []),
        ("https://user:@example.com", []),
        ("https://example.com/a:b@c", []),
    ],
)
def test_a_password_in_a_uri_is_reported_and_never_shown(uri: str, expected: list[str]) -> None:
    found = lint(v1.BackendRef(id="b", endpoint_url=uri))
    assert [finding.id for finding in found] == expected
    assert "hunter2" not in "".join(map(str, found))

"""Secrets and merge keys in opaque JSON are reported; names and locations of secrets are not."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.linting import lint

#: Concatenated so that secret scanners do not report this file.
TOKENS = {
    "OpenAI": "sk-" + "proj-" + "a1B2" * 8,
    "Anthropic": "sk-" + "ant-api03-" + "a1B2" * 8 + "-x_Y",
    "Hugging Face": "hf_" + "aB" * 17,
    "GitHub": "ghp_" + "aB1" * 12,
    "GitLab": "glpat-" + "aB1_" * 5,
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "Google": "AIza" + "aB1_-" * 7,
    "Slack": "xoxb-" + "123456789012-abc",
    "web token": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiJhYmMifQ.c2lnbmF0dXJl",
    "header": "Bearer " + "abcdef0123456789",
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
}


def paths(**options: Any) -> list[str]:
    found = lint(ParseDict({"name": "s", "options": options}, v1.StageDef()))
    assert {finding.id for finding in found} <= {"opaque.secret"}
    return [finding.path for finding in found]


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "apiKey",
        "API_KEY",
        "x-api-key",
        "openai_api_key",
        "apikey",
        "password",
        "db_password",
        "passwd",
        "pwd",
        "secret",
        "client_secret",
        "clientSecret",
        "secret_key",
        "private_key",
        "access_key",
        "AccountKey",
        "signing-key",
        "passphrase",
    ],
)
def test_the_value_of_a_key_that_names_a_secret_is_reported(key: str) -> None:
    assert paths(**{key: "correct horse"}) == [f'options["{key}"]']


@pytest.mark.parametrize(
    "key",
    [
        "api_key_env",
        "token_env",
        "secret_key_env",
        "access_key_env",
        "credentials_env",
        "database_url_env",
        "api_key_name",
        "apiKeyFile",
        "password_file",
        "secret_arn",
        "access_key_id",
        "secret_name",
        "key",
        "primary_key",
        "sort_key",
        "keyword",
        "secretary",
        "monkey",
        "compass",
        "author",
        "max_tokens",
        "tokenizer",
    ],
)
def test_a_key_that_names_the_location_of_a_secret_or_something_else_is_fine(key: str) -> None:
    assert paths(**{key: "OpenAI-prod-2024-value"}) == []


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_a_value_in_the_format_of_a_token_is_reported_under_any_key(token: str) -> None:
    assert paths(note=token) == ['options["note"]']
    assert paths(api_key_env=token) == ['options["api_key_env"]']


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "OPENAI_API_KEY",
        "$OPENAI_API_KEY",
        "${OPENAI_API_KEY}",
        "%API_KEY%",
        "{{ api_key }}",
        '{:system, "OPENAI_API_KEY"}',
        "<your key here>",
        "****",
        "xxxxxxxx",
        "[REDACTED]",
        "redacted",
        "vault:secret/data/openai#key",
        "env:OPENAI_API_KEY",
        "string",
        "required",
        "none",
    ],
)
def test_a_placeholder_is_not_a_secret(value: str) -> None:
    assert paths(api_key=value) == []


@pytest.mark.parametrize("value", [None, True, 7, {}, [], {"type": "string"}])
def test_only_a_string_is_a_secret(value: object) -> None:
    assert paths(password=value) == []


@pytest.mark.parametrize("value", ["my_password_1", "$2b$12$abcdefghijk", "hunter2", "Tr0ub4dor&3"])
def test_a_password_that_resembles_a_variable_is_reported(value: str) -> None:
    assert paths(password=value) == ['options["password"]']


@pytest.mark.parametrize("key", ["token", "auth_token", "hf_token", "authorization", "credentials"])
def test_a_key_that_may_name_a_secret_needs_a_value_that_looks_like_one(key: str) -> None:
    assert paths(**{key: "9f86d081884c7d659a2feaa0"}) == [f'options["{key}"]']
    assert paths(**{key: "a1b2c3d4e5f6a7b8"}) == [f'options["{key}"]']
    assert paths(**{key: "a1b2c3d4e5f6a7b"}) == []
    assert paths(**{key: "hello"}) == []
    assert paths(**{key: "two words, 1 number and more"}) == []


@pytest.mark.parametrize("value", ["<|endoftext|>", "[PAD]", "</s>"])
def test_the_special_tokens_of_a_tokenizer_are_fine(value: str) -> None:
    assert paths(eos_token=value, pad_token=value) == []


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("postgres://app:hunter2@db.example.com/feedback", True),
        ("redis://:hunter2@cache:6379/0", True),
        ("postgres://app@db.example.com/feedback", False),
        ("postgres://app:$DB_PASSWORD@db.example.com/feedback", False),
        ("https://example.com/a:b@c", False),
        ("s3://models/gpt2/v1.tar.gz", False),
    ],
)
def test_a_uri_with_a_password_is_reported_under_any_key(uri: str, found: bool) -> None:
    assert bool(paths(url=uri)) == found


@pytest.mark.parametrize("name", ["sk-learn-pipeline-baseline-v2", "hf_trainer", "sk-1", "AKIA"])
def test_a_name_that_starts_like_a_token_is_fine(name: str) -> None:
    assert paths(stage=name) == []


def test_secrets_in_nested_lists_and_maps_are_reported_with_their_path() -> None:
    options = {
        "auth": {"password": "hunter2"},
        "api_keys": ["first one", "", "second one", "third one"],
    }
    assert paths(**options) == [
        'options["api_keys"][0]',
        'options["api_keys"][2]',
        'options["api_keys"][3]',
        'options["auth"]["password"]',
    ]


def test_every_opaque_field_of_a_message_is_searched() -> None:
    secret = {"password": "hunter2"}
    event = v1.FeedbackEvent(id="e")
    ParseDict({"input": secret, "output": secret, "metadata": secret}, event)
    event.feedback_value.list_value.values.add().struct_value.update(secret)
    prompt = ParseDict({"tools": [{}, secret]}, v1.Prompt())
    assert [finding.path for finding in lint(event)] == [
        'input["password"]',
        'output["password"]',
        'feedback_value[0]["password"]',
        'metadata["password"]',
    ]
    assert [finding.path for finding in lint(prompt)] == ['tools[1]["password"]']


def test_a_finding_never_shows_the_secret() -> None:
    secret = "correct-horse-battery"
    options = {"password": secret, "url": f"redis://:{secret}@cache", "auth": f"Bearer {secret}"}
    found = lint(ParseDict({"name": "s", "options": options}, v1.StageDef()))
    assert len(found) == 3
    assert secret not in "".join(map(str, found))


def test_the_parameters_of_a_tool_may_have_any_name() -> None:
    tool = {"name": "login", "parameters": {"properties": {"password": {"type": "string"}}}}
    assert lint(ParseDict({"tools": [tool]}, v1.Prompt())) == []
    columns = {"schema": {"token": "string", "password": "large_string"}, "name": "d"}
    assert lint(ParseDict(columns, v1.DatasetRef())) == []


def test_each_merge_key_is_reported_at_any_depth() -> None:
    merge = {"<<": [{"a": 1}], "b": [{"<<": 2}], "c": "<<", "<< ": 3}
    stage = ParseDict({"name": "s", "options": merge}, v1.StageDef())
    assert [(finding.path, finding.id) for finding in lint(stage)] == [
        ('options["<<"]', "opaque.merge_key"),
        ('options["b"][0]["<<"]', "opaque.merge_key"),
    ]


def test_a_merge_key_of_yaml_is_reported() -> None:
    text = "name: s\noptions:\n  base: &base {x: 1}\n  <<: *base\n"
    [finding] = lint(ir.from_yaml(text, "StageDef"))
    assert finding.id == "opaque.merge_key"


def test_a_merge_key_in_a_value_that_is_not_an_object_is_reported() -> None:
    event = ParseDict({"id": "e", "feedback_value": [{"<<": {}}]}, v1.FeedbackEvent())
    assert [finding.path for finding in lint(event)] == ['feedback_value[0]["<<"]']


def test_a_scalar_as_the_whole_value_has_no_key() -> None:
    assert lint(ParseDict({"id": "e", "feedback_value": "<<"}, v1.FeedbackEvent())) == []

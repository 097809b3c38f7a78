"""The validation service over a real channel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import broken_rules, serving

import crucible_ir as ir
from crucible_ir.exchange import v1
from crucible_ir.exchange.store import open_store

Format = v1.Form


async def test_invalid_message_gets_its_violations_by_path(tmp_path: Path) -> None:
    content = b'{"id": "x", "pipeline": [{"name": ""}]}'
    request = v1.ValidateRequest(content=content, type="Experiment", form=Format.FORM_JSON)
    async with serving(await open_store(tmp_path / "x.db")) as server:
        verdict = await server.validation.Validate(request)
    assert not verdict.valid
    assert {(v.path, v.rule_id) for v in verdict.violations} == {
        ("backend", "required"),
        ("pipeline[0].name", "required"),
    }


async def test_valid_message_can_have_lint_findings(tmp_path: Path) -> None:
    content = b'{"id": "e", "customFeedbackType": "thumbz"}'
    request = v1.ValidateRequest(content=content, type="FeedbackEvent", form=Format.FORM_JSON)
    async with serving(await open_store(tmp_path / "x.db")) as server:
        verdict = await server.validation.Validate(request)
        request.skip_lints = True
        quiet = await server.validation.Validate(request)
    assert verdict.valid
    assert verdict.lints
    assert (quiet.valid, list(quiet.lints)) == (True, [])


async def test_unreadable_content_is_a_result_with_a_position(tmp_path: Path) -> None:
    request = v1.ValidateRequest(
        content=b'{\n "id": "x",\n "nmae": 1}', type="ModelRef", form=Format.FORM_JSON
    )
    async with serving(await open_store(tmp_path / "x.db")) as server:
        verdict = await server.validation.Validate(request)
    assert not verdict.valid
    assert (verdict.failure.line, verdict.failure.path) == (3, "nmae")


async def test_message_is_converted_between_all_formats(tmp_path: Path) -> None:
    message = ir.new("ModelRef", id="gpt2", metadata={"a": [1, None, {"b": "é"}]})
    forms: list[Any] = [form for form in Format.values() if form]
    async with serving(await open_store(tmp_path / "x.db")) as server:
        content = ir.to_binary(message)
        source: Any = Format.FORM_BINARY
        for target in [*forms, Format.FORM_BINARY]:
            response = await server.validation.Convert(
                v1.ConvertRequest(
                    content=content, type="ModelRef", source_form=source, target_form=target
                )
            )
            if target == Format.FORM_CRUCIBLE_JSON:
                assert json.loads(response.content)["provider"] == "local"
            content, source = response.content, target
    assert ir.from_binary(content, "ModelRef") == message


async def test_invalid_message_is_converted_only_with_allow_invalid(tmp_path: Path) -> None:
    request = v1.ConvertRequest(
        content=b"{}",
        type="ModelRef",
        source_form=Format.FORM_JSON,
        target_form=Format.FORM_YAML,
    )
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.validation.Convert(request)
        assert broken_rules(caught.value) == {("id", "required")}
        request.allow_invalid = True
        assert (await server.validation.Convert(request)).content == b"{}\n"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"content": b"{"}, ("content", "content.readable")),
        ({"content": b"\xff"}, ("content", "content.readable")),
        ({"type": "Modelref"}, ("type", "type.known")),
        ({"type": ""}, ("type", "required")),
        ({"source_form": 0}, ("source_form", "required")),
        ({"target_form": 99}, ("target_form", "enum.defined_only")),
    ],
)
async def test_invalid_request_is_rejected(
    tmp_path: Path, fields: dict[str, Any], rule: tuple[str, str]
) -> None:
    request: dict[str, Any] = {
        "content": b'{"id": "x"}',
        "type": "ModelRef",
        "source_form": Format.FORM_JSON,
        "target_form": Format.FORM_YAML,
        **fields,
    }
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.validation.Convert(v1.ConvertRequest(**request))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert broken_rules(caught.value) == {rule}


async def test_response_lists_the_first_violations_and_counts_the_others(tmp_path: Path) -> None:
    stages = [b"{}"] * 1500
    content = b'{"id":"e","backend":{"id":"b"},"pipeline":[' + b",".join(stages) + b"]}"
    request = v1.ValidateRequest(content=content, type="Experiment", form=Format.FORM_JSON)
    conversion = v1.ConvertRequest(
        content=content,
        type="Experiment",
        source_form=Format.FORM_JSON,
        target_form=Format.FORM_YAML,
    )
    async with serving(await open_store(tmp_path / "x.db")) as server:
        verdict = await server.validation.Validate(request)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.validation.Convert(conversion)
        few = await server.validation.Validate(
            v1.ValidateRequest(content=b"{}", type="StageDef", form=Format.FORM_JSON)
        )
    assert not verdict.valid
    assert [each.path for each in verdict.violations] == [
        f"pipeline[{index}].name" for index in range(1000)
    ]
    assert verdict.omitted_violations == 500
    assert verdict.violations[999].column > 0
    assert ", and 1499 more (1480 not listed)" in str(caught.value.details())
    assert (len(few.violations), few.omitted_violations) == (1, 0)


async def test_response_lists_the_first_lints_and_counts_the_others(tmp_path: Path) -> None:
    secrets = {f"k{index}_password": "correct4horse" for index in range(1200)}
    content = json.dumps({"id": "m", "options": secrets}).encode()
    request = v1.ValidateRequest(content=content, type="ModelRef", form=Format.FORM_JSON)
    async with serving(await open_store(tmp_path / "x.db")) as server:
        verdict = await server.validation.Validate(request)
    expected = ir.lint(ir.from_json(content, "ModelRef"))
    assert len(expected) > 1000
    assert [lint.path for lint in verdict.lints] == [lint.path for lint in expected[:1000]]
    assert verdict.omitted_lints == len(expected) - 1000


async def test_long_paths_leave_room_for_fewer_violations(tmp_path: Path) -> None:
    # Each finding has the key in its path.
    content = json.dumps(
        {
            "id": "s",
            "metadata": {f"{'x' * 50_000}{index}_password": "correct4horse" for index in range(40)},
        }
    ).encode()
    request = v1.ValidateRequest(content=content, type="ModelRef", form=Format.FORM_JSON)
    async with serving(await open_store(tmp_path / "x.db")) as server:
        verdict = await server.validation.Validate(request)
    assert 0 < len(verdict.lints) < 40
    assert len(verdict.lints) + verdict.omitted_lints == 40

"""All decode errors of a document are reported together, in their order and with positions."""

from __future__ import annotations

import pytest

import crucible_ir as ir

MISTAKES = """\
{
  "id": 3,
  "modelRef": {"id": "m", "nope": 1},
  "epochs": "three",
  "metrics": ["loss", 1, null],
  "options": {"a": 9007199254740993, "b": [1, 9007199254740995]},
  "device": "DEVICE_GPU",
  "customOptimizer": "lion",
  "optimizer": "OPTIMIZER_ADAM"
}
"""


def listed(error: ir.DecodeError) -> list[str]:
    return [f"{each.position} {each.path}" for each in error.errors]


def test_every_mistake_has_its_path_and_position() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_json(MISTAKES, "TrainingConfig")
    assert listed(caught.value) == [
        "2:9 id",
        "3:27 modelRef.nope",
        "4:13 epochs",
        "5:23 metrics[1]",
        "5:26 metrics[2]",
        '6:20 options["a"]',
        '6:47 options["b"][1]',
        "7:13 device",
        "9:16 optimizer",
    ]
    assert caught.value.errors[0] is caught.value
    lines = str(caught.value).split("\n")
    assert lines[0] == "2:9: id: expected a string, got the number 3; put it in quotes"
    assert lines[1:] == [str(each) for each in caught.value.errors[1:]]


def test_yaml_reports_the_same_mistakes() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_yaml(MISTAKES, "TrainingConfig")
    assert [each.path for each in caught.value.errors][:3] == ["id", "modelRef.nope", "epochs"]
    assert len(caught.value.errors) == 9


def test_crucible_json_reports_all_mistakes() -> None:
    text = (
        '{"role": "nobody", "content": [{"type": "text", "text": 1}, {"type": "txt"}], "name": []}'
    )
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_crucible_json(text, "Message")
    assert [each.path for each in caught.value.errors] == [
        "role",
        "content[0].text",
        "content[1].type",
        "name",
    ]


def test_json_values_report_all_mistakes_without_positions() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_dict({"name": 1, "enabled": 2, "nope": 3}, "StageDef")
    assert listed(caught.value) == ["None name", "None enabled", "None nope"]


def test_a_document_with_one_mistake_has_one_error() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_json('{"name": 1}', "StageDef")
    assert caught.value.errors == (caught.value,)
    assert str(caught.value) == "1:10: name: expected a string, got the number 1; put it in quotes"


@pytest.mark.parametrize("count", [19, 20, 21, 100_000])
def test_at_most_twenty_are_reported(count: int) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_json(f'{{"tags": [{", ".join(["1"] * count)}], "nope": 1}}', "Experiment")
    errors = caught.value.errors
    assert len(errors) == min(count + 1, 20)
    stopped = [error for error in errors if error.reason.endswith("stopped here, after 20 errors")]
    assert stopped == list(errors[19:])

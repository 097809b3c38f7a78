"""Type checking of calls: wrong names fail, right ones pass, and types are precise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

#: Code that must pass; each `reveal_type` is followed by the type that it must reveal.
RIGHT = """\
from collections.abc import Callable
from datetime import UTC, datetime
import numpy as np
import crucible_ir as ir

data = b""
reveal_type(ir.from_json(data, ir.v1.ModelRef))  # -> ModelRef
reveal_type(ir.from_binary(data, ir.v1.ModelRef))  # -> ModelRef
reveal_type(ir.from_yaml("", ir.v1.ModelRef, validate=False))  # -> ModelRef
reveal_type(ir.from_text("", ir.v1.ModelRef))  # -> ModelRef
reveal_type(ir.from_crucible_json("", ir.v1.ModelRef))  # -> ModelRef
reveal_type(ir.from_dict({}, ir.v1.ModelRef))  # -> ModelRef
reveal_type(ir.from_json(data, "ModelRef"))  # -> Message
reveal_type(ir.decoder(ir.v1.ModelRef))  # -> (bytes) -> ModelRef
reveal_type(ir.new("ModelRef", id="m"))  # -> ModelRef
reveal_type(ir.new(ir.v1.ModelRef, id="m"))  # -> ModelRef
reveal_type(ir.new_model_ref(id="m"))  # -> ModelRef
reveal_type(ir.validate(ir.new_stage_def(name="s")))  # -> StageDef
reveal_type(ir.with_defaults(ir.v1.StageDef()))  # -> StageDef
reveal_type(ir.violations(ir.v1.StageDef()))  # -> list[Violation]
reveal_type(ir.is_valid(ir.v1.StageDef()))  # -> bool
reveal_type(ir.to_binary(ir.v1.StageDef()))  # -> bytes
reveal_type(ir.to_yaml(ir.v1.StageDef()))  # -> str
reveal_type(ir.experiment("e").with_owner("o").with_backend("b"))  # -> ExperimentBuilder
reveal_type(ir.experiment("e").build())  # -> Experiment
reveal_type(ir.MESSAGE_TYPES["ModelRef"])  # -> type[Message]
reveal_type(ir.ValidationError("t", []).violations)  # -> list[Violation]
reveal_type(ir.v1.ModelRef().provider)  # -> ModelProvider

ir.new_training_config(
    id="t",
    model_ref={"id": "m", "provider": "huggingface"},
    dataset_ref=ir.v1.DatasetRef(name="d"),
    epochs=np.int64(3),
    learning_rate=np.float32(0.1),
    mixed_precision=np.bool_(True),
    optimizer="lion",
    device=ir.v1.Device.DEVICE_CUDA,
    early_stopping={"patience": 3},
    seed=None,
)
ir.new_training_run(
    id="r",
    config={"id": "t", "model_ref": {"id": "m"}, "dataset_ref": {"name": "d"}},
    status="running",
    started_at=datetime.now(UTC),
    completed_at=None,
)
ir.new("TrainingRun", status="running", partial=True)
ir.new_image_content(url="https://example.com/a.png")
ir.experiment("e").with_ensemble("majority", models=("a", "b"), weights={"a": 1})
ir.experiment("e").with_hedging(ir.v1.Hedging()).with_experiment_type("my_own_type")
ir.experiment("e").with_stats(["ttest"], alpha=0.1).with_stats(("ttest", "mine"))
ir.experiment("e").with_stats([ir.v1.StatisticalTest.STATISTICAL_TEST_ANOVA])
ir.experiment("e").with_stats(ir.v1.Stats()).with_feedback(sampling_rate=0.5)
ir.experiment("e").with_model_version("m", "1.0.0").with_model_version("m", "1.0.0", id="v")
ir.experiment("e").with_model_version("v", model_id="m", version="1.0.0", stage="staging")
ir.experiment("e").with_model_version(model_id="m", version="1.0.0")
ir.experiment("e").with_model_version(ir.v1.ModelVersion())
ir.experiment("e").with_training_config(
    model_ref={"id": "m"}, dataset_ref=ir.v1.DatasetRef(name="d"), epochs=3
)
ir.experiment("e").with_training_config("t", model_ref={"id": "m"}, dataset_ref={"name": "d"})
ir.new("Experiment", pipeline=[{"name": "s"}, ir.v1.StageDef()], tags=iter(["a"]))
"""

#: Code in which every line must fail, with an error that names what follows it.
WRONG = """\
import crucible_ir as ir
ir.new_training_config(epoch=3)  # -> epoch
ir.new_training_config(epochs="3")  # -> epochs
ir.new_model_ref()  # -> id
ir.new_model_version(id="v", model_id="m")  # -> version
ir.new_training_config(id="t", model_ref=None, dataset_ref={"name": "d"})  # -> model_ref
ir.new_model_ref(id="m", partial=True)  # -> partial
ir.new_training_run(status="complete")  # -> status
ir.new_deployment_status(state="actve")  # -> state
ir.new_message(role="robot")  # -> role
ir.new_model_ref(id=3)  # -> id
ir.new_model_ref(provider=3.5)  # -> provider
ir.new_experiment(backend={"identity": "b"})  # -> backend
ir.new_experiment(pipeline=[{"name": "s", "enabled": "yes"}])  # -> StageDefFields
ir.new_experiment(created_at=5)  # -> created_at
ir.new(ir.v1.ModelRef, idd="m")  # -> overload
ir.new("ModelRef", idd="m")  # -> overload
ir.new("ModelReff", id="m")  # -> overload
ir.new(ir.v1.TrainingRun, status="complete")  # -> overload
ir.new_modelref(id="m")  # -> new_modelref
ir.v1.ModelReference()  # -> ModelReference
ir.v1.ModelRef(idd="m")  # -> idd
ir.v1.ModelRef().nam  # -> nam
ir.experiment("e").with_backend("b", profil="p")  # -> profil
ir.experiment("e").with_ensemble("majorty")  # -> with_ensemble
ir.experiment("e").with_hedging(strategy="of")  # -> strategy
ir.experiment("e").with_stats("alpha")  # -> with_stats
ir.experiment("e").with_model_version("v")  # -> with_model_version
ir.experiment("e").with_model_version("v", model_id="m")  # -> with_model_version
ir.experiment("e").with_model_version("v", version="1.0.0")  # -> with_model_version
ir.experiment("e").with_training_config(epoch=3)  # -> epoch
ir.experiment("e").add_stag("s")  # -> add_stag
ir.from_json("{}", ir.v1.ModelRef, strict=True)  # -> from_json
ir.from_json({}, ir.v1.ModelRef)  # -> from_json
ir.from_binary("text", ir.v1.ModelRef)  # -> from_binary
ir.to_json(ir.v1.ModelRef(), indents=2)  # -> indents
ir.violations(ir.v1.ModelRef())[0].rule  # -> rule
"""


@pytest.fixture(scope="module")
def mypy_output(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, str]]:
    """Return the output of mypy for each line of both modules."""
    folder = tmp_path_factory.mktemp("caller")
    for name, source in (("right", RIGHT), ("wrong", WRONG)):
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    config = folder / "mypy.ini"
    config.write_text(f"[mypy]\nmypy_path = {ROOT / 'python'}\n", encoding="utf-8")
    # Two environments may be tested at the same time, and mypy locks its cache.
    cache = ROOT / ".mypy_cache" / f"callers-{Path(sys.prefix).name}"
    # It needs its own process: mypy raises the recursion limit for the whole process.
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict"),
            *("--config-file", str(config)),
            *("--cache-dir", str(cache)),
            *("--follow-imports", "silent"),
            *(str(folder / f"{name}.py") for name in ("right", "wrong")),
        ],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    output = done.stdout
    found: dict[str, dict[int, str]] = {"right": {}, "wrong": {}}
    for name, line, text in re.findall(r"(right|wrong)\.py:(\d+): (.*)", output):
        found[name][int(line)] = found[name].get(int(line), "") + text + "\n"
    return found


def test_code_with_the_right_names_and_types_passes(
    mypy_output: dict[str, dict[int, str]],
) -> None:
    assert [text for text in mypy_output["right"].values() if "error:" in text] == []


@pytest.mark.parametrize(
    ("line", "code", "type_"),
    [
        (number, code.strip(), type_)
        for number, text in enumerate(RIGHT.splitlines(), 1)
        if "# -> " in text
        for code, type_ in [text.split("# -> ")]
    ],
)
def test_a_type_checker_sees_the_precise_type(
    mypy_output: dict[str, dict[int, str]], line: int, code: str, type_: str
) -> None:
    revealed = re.findall(r'Revealed type is "(.*)"', mypy_output["right"][line])
    shown = [re.sub(r"def |[\w.]+\.", "", text).replace("data: ", "") for text in revealed]
    # mypy writes a named tuple as its fields, with its name last.
    assert [re.sub(r"tuple\[[^]]*fallback=(\w+)\]", r"\1", text) for text in shown] == [type_]


@pytest.mark.parametrize(
    ("line", "code", "named"),
    [
        (number, code.strip(), named)
        for number, text in enumerate(WRONG.splitlines(), 1)
        if "# -> " in text
        for code, named in [text.split("# -> ")]
    ],
)
def test_a_wrong_name_or_value_fails_with_an_error_that_names_it(
    mypy_output: dict[str, dict[int, str]], line: int, code: str, named: str
) -> None:
    assert "error:" in mypy_output["wrong"].get(line, "")
    assert named in mypy_output["wrong"][line]

"""Text formats write the keys of maps in order, so every process writes the same text."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from every_feature import EveryFeature
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1

#: Parts of keys in the order of their code points. In UTF-16, the order of the last two differs.
ORDERED = ["10", "9", "B", "a", "b", "é", "\ufb03", "😀"]
KEY = re.compile(f"key-({'|'.join(ORDERED)})-key")


def jsonl(message: Message) -> str:
    stream = io.BytesIO()
    ir.write_jsonl(stream, [message])
    return stream.getvalue().decode()


def yaml(message: Message) -> str:
    # libyaml escapes characters beyond the BMP.
    return ir.to_yaml(message).replace("\\U0001F600", "😀")


GENERIC: dict[str, Callable[[Message], str]] = {
    "json": ir.to_json,
    "json, two spaces": lambda message: ir.to_json(message, indent=2),
    "json, one space": lambda message: ir.to_json(message, indent=1),
    "json, original names": lambda message: ir.to_json(message, original_names=True),
    "jsonl": jsonl,
    "yaml": yaml,
    "text": ir.to_text,
}
WRITERS: dict[str, Callable[[Message], str]] = GENERIC | {
    "crucible": ir.to_crucible_json,
    "crucible, two spaces": lambda message: ir.to_crucible_json(message, indent=2),
    "crucible, one space": lambda message: ir.to_crucible_json(message, indent=1),
}


def with_keys(type_: type[Message], field: str, parts: Sequence[str]) -> Any:
    """Return a message with a map, or with nested opaque JSON, whose keys are set in an order."""
    keys = [f"key-{part}-key" for part in parts]
    message: Any = type_()
    if field == "options":
        message.options.update({key: [dict.fromkeys(keys, 1)] for key in keys})
    else:
        getattr(message, field).update(dict.fromkeys(keys, 0.5))
    return message


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("type_", "field"),
    [(v1.Ensemble, "weights"), (v1.MetricsSnapshot, "values"), (v1.StageDef, "options")],
    ids=["weights", "values", "options"],
)
def test_string_keys_are_in_the_order_of_their_code_points(
    name: str, type_: type[Message], field: str
) -> None:
    write = WRITERS[name]
    nested = [key for part in ORDERED for key in (part, *ORDERED)]
    text = write(with_keys(type_, field, ORDERED))
    assert KEY.findall(text) == (nested if field == "options" else ORDERED)
    for parts in (ORDERED[::-1], ORDERED[3:] + ORDERED[:3]):
        assert write(with_keys(type_, field, parts)) == text


@pytest.mark.parametrize("name", GENERIC)
def test_other_keys_are_in_the_order_of_their_values(name: str) -> None:
    message: Any = EveryFeature()
    message.map_from_int32.update({10: 503, 9: 502, -1: 501})
    message.map_from_uint64.update({2**64 - 1: 603, 9: 602, 0: 601})
    message.map_from_bool.update({True: 702, False: 701})
    for key in ("b", "a"):
        message.map_to_itself[key].one_int32 = 800 + ord(key) - ord("a")
    values = re.findall(r"\b[5-8]0\d\b", GENERIC[name](message))
    for kind, expected in (("5", 3), ("6", 3), ("7", 2), ("8", 2)):
        ours = [value for value in values if value.startswith(kind)]
        assert ours == sorted(ours)
        assert len(ours) == expected


#: Prints the texts of messages whose keys are set in the order of the hashes of strings.
SCRIPT = """
from test_key_order import ORDERED, WRITERS, v1, with_keys

for type_, field in ((v1.Ensemble, "weights"), (v1.StageDef, "options")):
    for write in WRITERS.values():
        print(ascii(write(with_keys(type_, field, [*{*ORDERED}]))))
run = v1.TrainingRun(metrics_history=[with_keys(v1.MetricsSnapshot, "values", [*{*ORDERED}])])
print(ascii(WRITERS["crucible"](run)), ascii(WRITERS["json"](run)))
"""


def test_two_processes_with_different_hash_seeds_write_the_same_text() -> None:
    here = Path(__file__).parent
    texts = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": os.pathsep.join(map(str, (here, here.parent))),
            },
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert texts[0].count(b"\n") == 2 * len(WRITERS) + 1

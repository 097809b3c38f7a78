"""Writing and reading a file of cases preserves the suite and its comments."""

from __future__ import annotations

from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from conformance_cases import layout
from crucible_ir.conformance import v1

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
payloads = st.one_of(texts.map(str.encode), st.binary(max_size=30))
rules = st.builds(v1.BrokenRule, path=texts, rule_id=texts)
evaluations = st.builds(
    v1.Evaluation,
    binary=st.binary(max_size=30),
    json=texts,
    broken_rules=st.builds(v1.BrokenRules, rules=st.lists(rules, max_size=2)),
    digest_error=texts,
)
cases = st.builds(
    v1.Case,
    name=texts,
    reason=texts,
    request=st.one_of(
        st.builds(v1.EvaluateRequest, message_type=texts, json=payloads),
        st.builds(v1.EvaluateRequest, message_type=texts, binary=payloads),
    ),
    expected=st.one_of(
        st.builds(v1.EvaluateResponse, decode_error=texts),
        st.builds(v1.EvaluateResponse, evaluation=evaluations),
    ),
)


@given(st.builds(v1.Suite, topic=texts, cases=st.lists(cases, max_size=3)))
def test_any_suite_survives_writing_and_reading(suite: v1.Suite) -> None:
    text = layout.write(suite, layout.Comments())
    assert text_format.Parse(text, v1.Suite()) == suite


def test_json_is_written_as_text_and_bytes_with_octal_escapes() -> None:
    case = v1.Case(name="c")
    case.request.message_type = "T"
    case.request.json = '{"id":"é\'\\n"}\n'.encode()
    case.expected.evaluation.binary = b'\n\x01s"\\\xff'
    lines = layout.write(v1.Suite(topic="t", cases=[case]), layout.Comments()).splitlines()
    assert r"""    json: '{"id":"é\'\\n"}\n'""" in lines
    assert r"""      binary: "\012\001s\"\\\377" """.rstrip() in lines


def test_comments_are_kept_with_their_cases() -> None:
    text = """\
# About the topic.
topic: "t"

# About the first.
# Two lines.
cases { name: "first" request {} expected {} }
cases { name: "second" request {} expected {} }

# About the third.
cases { name: "third" request {} expected {} }
"""
    suite, comments = layout.read(text)
    assert comments.top == ["# About the topic."]
    assert comments.cases == {
        "first": ["# About the first.", "# Two lines."],
        "third": ["# About the third."],
    }
    written = layout.write(suite, comments)
    again, kept = layout.read(written)
    assert (again, kept) == (suite, comments)
    assert layout.write(again, kept) == written
    at = [written.index(part) for part in ("# Two lines.", '"first"', "# About the th", '"third"')]
    assert at == sorted(at)

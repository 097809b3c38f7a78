"""Reports of a run: text, JSON, and JUnit XML for build servers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree

from crucible_ir.conformance.comparison import ASPECTS, Difference
from crucible_ir.conformance.cross_testing import CrossTest
from crucible_ir.conformance.results import CaseResult, CaseVerdict, Run
from crucible_ir.errors import printable

#: A line of text and its style.
Line = tuple[str, str]

#: The maximum length of a line of a value in the text report, unless it is verbose.
_SHOWN_LENGTH: Final = 300

_STYLES: Final = {
    CaseVerdict.PASSED: "good",
    CaseVerdict.FAILED: "bad",
    CaseVerdict.EXPECTED_FAILURE: "warn",
    CaseVerdict.NOT_OFFERED: "aside",
    CaseVerdict.NOT_REACHED: "aside",
}


def case_lines(result: CaseResult, *, verbose: bool = False) -> Iterator[Line]:
    """Yield the lines for one case; none unless it failed or the report is verbose."""
    if not verbose and result.verdict is not CaseVerdict.FAILED:
        return
    yield f"{result.name}: {result.verdict}", _STYLES[result.verdict]
    shown = [
        each
        for each in result.differences
        if verbose or result.verdicts[each.aspect] is CaseVerdict.FAILED
    ]
    for difference in shown:
        yield from _difference_lines(
            difference, verbose=verbose, excuse=result.excuses.get(difference.aspect)
        )
    if shown and result.reason:
        yield f"  {result.reason}", "aside"


def _difference_lines(
    difference: Difference, *, verbose: bool, excuse: str | None = None
) -> Iterator[Line]:
    yield f"  {difference.aspect}{f' (expected: {excuse})' if excuse else ''}", "where"
    yield f"    expected {_cut(difference.expected, verbose)}", ""
    yield f"    got      {_cut(difference.got, verbose)}", ""


def summary_lines(run: Run) -> Iterator[Line]:
    """Yield the summary lines of a run."""
    for problem in run.problems:
        yield f"executor: {problem}", "bad"
    for stale in run.stale:
        yield f"expected failures, {stale}: remove or narrow the line", "bad"
    yield f"{run.implementation}", "name"
    columns = [verdict for verdict in CaseVerdict if any(run.aspects[a][verdict] for a in ASPECTS)]
    yield f"{'':12}" + "".join(f"{verdict:>18}" for verdict in columns), "aside"
    for aspect, counts in run.aspects.items():
        cells = "".join(f"{counts[verdict]:>18,}" for verdict in columns)
        offered = aspect == ASPECTS[0] or aspect in run.offered
        yield f"{aspect:12}{cells}", "" if offered else "aside"
    if run.unknown_aspects:
        numbers = ", ".join(map(str, run.unknown_aspects))
        yield f"It offers aspects unknown to this harness: {numbers}", "aside"
    yield from _failing_topics(run)
    parts = [f"{count:,} {verdict}" for verdict in CaseVerdict if (count := run.cases[verdict])]
    total = len(run.results)
    verdict = "conforms" if run.passed else "does not conform"
    yield (
        f"{total:,} case{'' if total == 1 else 's'}: {', '.join(parts)}: {verdict}",
        "good" if run.passed else "bad",
    )


def _failing_topics(run: Run) -> Iterator[Line]:
    """Yield a line for each topic with failures, if there are several."""
    failed = [each.name for each in run.results if each.verdict is CaseVerdict.FAILED]
    counts = Counter(name.partition("/")[0] for name in failed)
    if len(counts) > 1:
        yield from ((f"{topic}: {count:,} failed", "bad") for topic, count in counts.items())


def cross_test_lines(test: CrossTest) -> Iterator[Line]:
    """Yield the lines of the report on a cross-implementation test."""
    names = [f"{chr(ord('A') + index)}" for index in range(len(test.commands))]
    counts = Counter((each.writer, each.reader) for each in test.disagreements)
    for each in test.disagreements:
        yield (
            f"{each.case}: {names[each.reader]} misreads the message of {names[each.writer]}",
            "bad",
        )
        for difference in each.differences:
            yield from _difference_lines(difference, verbose=False)
    for problem in test.problems:
        yield f"executor: {problem}", "bad"
    for name, run in zip(names, test.own, strict=True):
        yield f"{name}  {run.implementation}", "name"
    yield f"{'written by':12}" + "".join(f"{f'read by {name}':>18}" for name in names), "aside"
    for writer, name in enumerate(names):
        cells = []
        for reader in range(len(names)):
            wrong, asked = counts[writer, reader], test.read.get((writer, reader), 0)
            cells.append(f"{wrong:,} of {asked:,} differ" if wrong else f"{asked:,}")
        yield f"{name:12}" + "".join(f"{cell:>18}" for cell in cells), ""
    verdict = "all executors agree" if test.passed else "the executors disagree"
    total = sum(test.read.values())
    yield f"{total:,} messages read: {verdict}", "good" if test.passed else "bad"


def to_text(run: Run, verbose: bool) -> str:
    """Return a run as text."""
    lines = [line for result in run.results for line in case_lines(result, verbose=verbose)]
    return "\n".join(_printable(text) for text, _ in (*lines, *summary_lines(run)))


def to_json(run: Run, verbose: bool) -> str:
    """Return a run as a JSON document, which always has every case in full."""
    document = {
        "command": list(run.command),
        "implementation": run.implementation,
        "offered": [aspect for aspect in ASPECTS if aspect in run.offered],
        "passed": run.passed,
        "cases": {verdict.value: count for verdict, count in run.cases.items()},
        "aspects": {
            aspect: {verdict.value: count for verdict, count in counts.items()}
            for aspect, counts in run.aspects.items()
        },
        "stale_expected_failures": run.stale,
        "problems": run.problems,
        "results": [_to_dict(result) for result in run.results],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _to_dict(result: CaseResult) -> dict[str, object]:
    return {
        "name": result.name,
        "message_type": result.message_type,
        "reason": result.reason,
        "verdict": result.verdict.value,
        "aspects": {aspect: verdict.value for aspect, verdict in result.verdicts.items()},
        "differences": [
            {
                "aspect": each.aspect,
                "expected": each.expected,
                "got": each.got,
                "expected_failure": result.excuses.get(each.aspect),
            }
            for each in result.differences
        ],
        "seconds": round(result.seconds, 6),
    }


def to_junit(run: Run, verbose: bool) -> str:
    """Return a run as JUnit XML: a test suite per topic, a test case per case."""
    root = ElementTree.Element("testsuites", {"name": run.implementation})
    topics: dict[str, list[CaseResult]] = {}
    for result in run.results:
        topics.setdefault(result.name.partition("/")[0], []).append(result)
    for topic, results in topics.items():
        verdicts = [result.verdict for result in results]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            {
                "name": topic,
                "tests": str(len(results)),
                "failures": str(verdicts.count(CaseVerdict.FAILED)),
                "skipped": str(len(results) - _counted(verdicts)),
                "time": f"{sum(result.seconds for result in results):.3f}",
            },
        )
        for result in results:
            _add_case(suite, topic, result)
    _add_problems(root, run)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _counted(verdicts: list[CaseVerdict]) -> int:
    return verdicts.count(CaseVerdict.PASSED) + verdicts.count(CaseVerdict.FAILED)


def _add_case(suite: ElementTree.Element, topic: str, result: CaseResult) -> None:
    name = result.name.partition("/")[2]
    attributes = {"classname": topic, "name": name, "time": f"{result.seconds:.3f}"}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    text = "\n".join(line for line, _ in case_lines(result, verbose=True))
    if result.verdict is CaseVerdict.FAILED:
        failed = [each for each in ASPECTS if result.verdicts.get(each) is CaseVerdict.FAILED]
        element = ElementTree.SubElement(case, "failure", {"message": ", ".join(failed)})
        element.text = _printable(text)
    elif result.verdict is CaseVerdict.EXPECTED_FAILURE:
        reasons = "; ".join(sorted(set(result.excuses.values())))
        message = _printable(f"expected failure: {reasons}")
        ElementTree.SubElement(case, "skipped", {"message": message})
    elif result.verdict is CaseVerdict.NOT_OFFERED:
        ElementTree.SubElement(case, "skipped", {"message": "not offered"})


def _add_problems(root: ElementTree.Element, run: Run) -> None:
    """Add the failures that belong to no case as cases of a separate suite."""
    problems = [("expected failures", stale) for stale in run.stale]
    problems += [("executor", problem) for problem in run.problems]
    if not problems:
        return
    count = str(len(problems))
    attributes = {"name": "the run as a whole", "tests": count, "failures": count}
    suite = ElementTree.SubElement(root, "testsuite", attributes)
    for number, (about, text) in enumerate(problems, start=1):
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": about, "name": f"{about} {number}"}
        )
        ElementTree.SubElement(case, "failure", {"message": _printable(text)})


def _printable(text: str) -> str:
    """Escape control characters, which XML cannot contain and terminals interpret."""
    return "\n".join(map(printable, text.split("\n")))


def _cut(text: str, verbose: bool) -> str:
    return "\n    ".join(line if verbose else _cut_line(line) for line in text.split("\n"))


def _cut_line(line: str) -> str:
    if len(line) <= _SHOWN_LENGTH:
        return line
    return f"{line[:_SHOWN_LENGTH]}… ({len(line):,} characters; --verbose shows all)"


#: The function that writes a report, by the name of its format.
REPORTS: Final = {"text": to_text, "json": to_json, "junit": to_junit}

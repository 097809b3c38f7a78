"""Settings are read from the nearest folder that has some, and errors name the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from crucible_ir.linting import Selection, SelectionError, Severity, load_settings

OWN = "crucible-ir.toml"
SHARED = "pyproject.toml"


def error_for(folder: Path) -> str:
    with pytest.raises(SelectionError) as caught:
        load_settings(folder)
    text = str(caught.value)
    assert text.startswith(str(folder))
    return text.removeprefix(f"{folder}/")


def test_without_a_file_every_lint_is_selected(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Selection()


def test_all_keys_are_read_from_crucible_ir_toml(tmp_path: Path) -> None:
    (tmp_path / OWN).write_text(
        '[lint]\nselect = ["ensemble", "uri.malformed"]\nignore = ["stats"]\nfail-on = "info"\n'
    )
    assert load_settings(tmp_path) == Selection(
        select=("ensemble", "uri.malformed"), ignore=("stats",), fail_on=Severity.INFO
    )


def test_all_keys_are_read_from_pyproject(tmp_path: Path) -> None:
    (tmp_path / SHARED).write_text(
        '[tool.crucible-ir.lint]\nselect = ["hedging"]\nignore = []\nfail-on = "never"\n'
    )
    assert load_settings(tmp_path) == Selection(select=("hedging",), fail_on=None)


def test_only_the_settings_of_the_nearest_folder_apply(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / OWN).write_text('[lint]\nselect = ["stats"]\nfail-on = "info"\n')
    assert load_settings(inner) == Selection(select=("stats",), fail_on=Severity.INFO)
    (tmp_path / "a" / SHARED).write_text('[tool.crucible-ir.lint]\nignore = ["uri"]\n')
    assert load_settings(inner) == Selection(ignore=("uri",))


def test_crucible_ir_toml_takes_precedence_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / OWN).write_text('[lint]\nselect = ["stats"]\n')
    (tmp_path / SHARED).write_text('[tool.crucible-ir.lint]\nselect = ["uri"]\n')
    assert load_settings(tmp_path) == Selection(select=("stats",))


@pytest.mark.parametrize(
    "text",
    ["", '[project]\nname = "x"\n', '[tool.ruff.lint]\nselect = ["E"]\n', "[tool.crucible]\n"],
)
def test_a_pyproject_without_the_table_is_skipped(tmp_path: Path, text: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / SHARED).write_text(text)
    (tmp_path / OWN).write_text('[lint]\nselect = ["stats"]\n')
    assert load_settings(inner) == Selection(select=("stats",))


def test_an_empty_table_gives_the_defaults(tmp_path: Path) -> None:
    (tmp_path / OWN).write_text("[lint]\n")
    assert load_settings(tmp_path) == Selection()


def test_a_relative_folder_is_resolved_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / OWN).write_text('[lint]\nselect = ["stats"]\n')
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert load_settings(Path()) == Selection(select=("stats",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[lint]\nselct = ["uri"]\n', '[lint]: unknown key "selct"; did you mean "select"?'),
        ('[lint]\nfail_on = "info"\n', '[lint]: unknown key "fail_on"; did you mean "fail-on"?'),
        ("[lint]\ncolour = 1\n", '[lint]: unknown key "colour"'),
        (
            '[lint]\nselect = "uri"\n',
            "[lint]: select must be a list of lint ids, got 'uri'",
        ),
        ("[lint]\nignore = [1]\n", "[lint]: ignore must be a list of lint ids, got [1]"),
        (
            '[lint]\nfail-on = "warn"\n',
            '[lint]: fail-on must be "info", "warning" or "never", got \'warn\'; '
            'did you mean "warning"?',
        ),
        (
            "[lint]\nfail-on = true\n",
            '[lint]: fail-on must be "info", "warning" or "never", got True',
        ),
        (
            '[lint]\nselect = ["uri.malformd"]\n',
            "[lint]: select: unknown lint 'uri.malformd'; did you mean \"uri.malformed\"?",
        ),
        ("lint = 3\n", "lint must be a table"),
        ('[lnt]\nselect = ["uri"]\n', 'unknown table "lnt"; did you mean "lint"?'),
    ],
)
def test_an_error_names_the_mistake_in_its_own_file(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / OWN).write_text(text)
    assert error_for(tmp_path) == f"{OWN}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[tool.crucible-ir.lint]\nignored = []\n",
            '[tool.crucible-ir.lint]: unknown key "ignored"; did you mean "ignore"?',
        ),
        (
            "[tool.crucible_ir.linting]\nignore = []\n",
            'unknown table "tool.crucible_ir"; did you mean "crucible-ir"?',
        ),
        (
            "[tool.crucible-ir.lints]\nignore = []\n",
            'unknown table "tool.crucible-ir.lints"; did you mean "lint"?',
        ),
        ("[tool]\ncrucible-ir = 1\n", "tool.crucible-ir must be a table"),
    ],
)
def test_an_error_names_the_mistake_in_pyproject(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / SHARED).write_text(text)
    assert error_for(tmp_path) == f"{SHARED}: {message}"


@pytest.mark.parametrize("content", [b"[lint", b"\xff\xfe", b"a = " + b"[" * 5000])
def test_an_error_names_a_file_that_is_not_toml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / OWN).write_bytes(content)
    assert error_for(tmp_path).startswith(f"{OWN}: invalid or unreadable TOML: ")

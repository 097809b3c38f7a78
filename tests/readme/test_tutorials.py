"""The tutorials: every block runs in order and prints the output shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import ROOT, blocks, check_links, check_page
from web.http_servers import http_exchange

FOLDER = ROOT / "docs" / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.md"))
#: What the tutorials call besides the package's own command.
PROGRAMS = {"crucible-ir", "sed", "printf", "curl"}
GRPC = "127.0.0.1:7551"
HTTP = "http://127.0.0.1:8080"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["feedback-to-parquet.md", "first-experiment.md", "mlflow.md"])
def test_every_block_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    page = (FOLDER / name).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for text in blocks(page, "json"):
        # JSON has no comments that could name the file.
        (tmp_path / "mlflow.json").write_text(text, encoding="utf-8")
        page = page.replace(f"```json\n{text}```\n", "")
    with http_exchange(tmp_path) as running:
        monkeypatch.setenv("CRUCIBLE_IR_SERVER", str(running.server.address))
        page = page.replace(GRPC, str(running.server.address)).replace(HTTP, running.url)
        ran = check_page(page, name, tmp_path, PROGRAMS, _serve)
    assert ran["console"] >= 3
    assert ran["python"] + ran["py"] >= 2


def _serve(text: str) -> None:
    """Accept the commands that start the exchange, which the test has done."""
    assert text.startswith("crucible-ir serve ")
    assert text.count("\n") == 1


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.name)
def test_every_link_has_a_target(path: Path) -> None:
    check_links(path.read_text(encoding="utf-8"), FOLDER)

"""Both clients and the command line configure the redaction and the retention of feedback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.command_line import run
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.exchange import (
    AsyncExchangeClient,
    ExchangeClient,
    ExportedEvent,
    FeedbackPolicy,
    PermissionDeniedError,
)
from crucible_ir.exchange.server.security.tokens import Role, TokenFile


def feedback(id_: str, deployment: str | None = None) -> v1.FeedbackEvent:
    return v1.FeedbackEvent(id=id_, deployment_id=deployment, comment="to ann@example.com")


def test_the_client_sets_configurations_and_exports_what_was_redacted(served: Served) -> None:
    with ExchangeClient(served.address) as client:
        assert client.feedback_policy() == FeedbackPolicy(False, None, None)
        assert client.set_feedback_config(v1.FeedbackConfig(retention_days=30))
        assert client.set_feedback_config(v1.FeedbackConfig(anonymize_pii=False), "d")
        assert not client.set_feedback_config(None, "other")
        policy = client.feedback_policy("other")
        assert (policy.redacts, policy.retention_days) == (True, 30)
        assert policy.stored is not None
        assert policy.stored.deployment_id is None
        client.ingest([feedback("a"), feedback("b", "d")])
        masked = v1.FeedbackEvent(id="a", comment="to [email]")
        stored = [ExportedEvent(masked, None, True), ExportedEvent(feedback("b", "d"), None)]
        assert list(client.export_with_publishers(batch_size=1)) == stored
        assert list(client.export()) == [each.event for each in stored]
        listed = client.list_feedback_configs(page_size=1)
        assert [each.deployment_id for each in listed] == [None, "d"]


async def test_the_asyncio_client_does_the_same(served: Served) -> None:
    async with AsyncExchangeClient(served.address) as client:
        assert await client.set_feedback_config(v1.FeedbackConfig())
        await client.ingest([feedback("a")])
        assert [each.redacted async for each in client.export_with_publishers()] == [True]
        assert [each.config async for each in client.list_feedback_configs()] == [
            v1.FeedbackConfig()
        ]
        assert (await client.feedback_policy("x")).redacts


def test_the_command_sets_lists_and_removes_configurations(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", served.address)
    done = run("feedback-config", "set", "--retention-days", 90)
    assert (done.status, done.out) == (
        0,
        "all deployments: events are stored redacted, for 90 days\n",
    )
    file = tmp_path / "config.yaml"
    file.write_text("sampling_rate: 0.5\nretention_days: 1\n")
    done = run("feedback-config", "set", file, "--deployment", "d", "--no-anonymize-pii")
    assert done.out == "d: events are stored as they are, for 1 day\n"
    lines = [line.split("\t") for line in run("feedback-config", "list").lines]
    assert [name for name, _ in lines] == ["all deployments", "d"]
    assert json.loads(lines[1][1]) == {
        "sampling_rate": 0.5,
        "retention_days": 1,
        "anonymize_pii": False,
    }
    listed = json.loads(run("feedback-config", "list", "--format", "json").out)
    assert listed["command"] == "feedback-config list"
    assert [each["deployment_id"] for each in listed["configs"]] == [None, "d"]
    assert listed["configs"][0]["config"] == {"retentionDays": 90}
    assert run("feedback-config", "unset", "--deployment", "d").out == "d: removed\n"
    assert run("feedback-config", "unset", "--deployment", "d").out == "d: there was none\n"
    assert run("feedback-config", "unset", "--quiet").out == ""
    done = run("feedback-config", "set")
    assert done.out == "all deployments: events are stored redacted, for ever\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("retention_days: 0\n", "retention_days"),
        ("retention: 1\n", "retention"),
    ],
)
def test_the_command_reports_files_that_are_no_configurations(
    tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "config.yaml"
    if content is not None:
        file.write_text(content)
    done = run("feedback-config", "set", file)
    assert (done.status, done.out) == (2, "")
    assert words in done.err
    assert "bug" not in done.err


def test_only_an_admin_may_set_a_configuration(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    texts = {role: tokens.create(f"{role}", role)[1] for role in Role}
    served = Served(tmp_path, "--tokens", "tokens.json")
    try:
        for role, text in texts.items():
            with ExchangeClient(served.address, token=text) as client:
                if role is not Role.INGEST:
                    assert not client.feedback_policy().redacts
                if role is Role.ADMIN:
                    assert client.set_feedback_config(v1.FeedbackConfig(anonymize_pii=False))
                    continue
                with pytest.raises(PermissionDeniedError, match=r"the role admin|the role ingest"):
                    client.set_feedback_config(None)
    finally:
        served.kill()


def test_the_server_masks_the_operators_patterns(tmp_path: Path) -> None:
    served = Served(tmp_path, "--redact-pattern", "ACC-[0-9]+", "--redact-pattern", "(?i)secret")
    try:
        with ExchangeClient(served.address) as client:
            client.set_feedback_config(v1.FeedbackConfig())
            client.ingest([v1.FeedbackEvent(id="a", comment="ACC-7 is SECRET, B-7 is not")])
            [event] = client.export()
            assert event.comment == "[redacted] is [redacted], B-7 is not"
    finally:
        served.kill()


def test_serve_rejects_a_pattern_that_it_cannot_use(tmp_path: Path) -> None:
    done = run("serve", "--store", tmp_path / "x.db", "--redact-pattern", "(?=a)")
    assert done.status == 2
    assert "invalid pattern to redact '(?=a)'" in done.err

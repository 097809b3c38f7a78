"""``POST /v1/feedback``: web backends hand in feedback without protobuf."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from web.http_servers import LOOPBACK, http_exchange

import crucible_ir as ir
from crucible_ir.exchange import ExchangeClient
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.store.records import Scope
from crucible_ir.web.api.feedback_events import read_feedback
from crucible_ir.web.api.media_types import FEEDBACK_FORMATS

JSON, LINES = "application/json", "application/jsonl"
CRUCIBLE, CRUCIBLE_LINES = "application/crucible-json", "application/crucible-jsonl"


@dataclass
class Site:
    """An exchange that requires tokens, with a client of its HTTP API and one of gRPC."""

    http: httpx.Client
    admin: ExchangeClient
    tokens: dict[str, str]

    def post(
        self, body: str | bytes, media_type: str, status: int = 200, token: str = "ingest"
    ) -> Any:
        """Send feedback and return the JSON of the answer."""
        headers = {"content-type": media_type, "authorization": f"Bearer {self.tokens[token]}"}
        answer = self.http.post("/v1/feedback", content=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def stored(self, prefix: str) -> dict[str, ir.v1.FeedbackEvent]:
        """Return the stored events whose ids begin with a prefix."""
        return {each.id: each for each in self.admin.export() if each.id.startswith(prefix)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("store")
    file = TokenFile(folder / "tokens.json")
    tokens = {str(role): file.create(str(role), role)[1] for role in Role}
    scope = Scope(id_prefixes=("own_",))
    tokens["scoped"] = file.create("scoped", Role.INGEST, scope=scope)[1]
    options = ServerOptions(address=LOOPBACK, tokens=file)
    with (
        http_exchange(folder, options) as running,
        httpx.Client(base_url=running.url, timeout=20) as http,
        ExchangeClient(str(running.server.address), token=tokens["admin"]) as admin,
    ):
        yield Site(http, admin, tokens)


def report(accepted: int = 0, duplicates: int = 0) -> dict[str, Any]:
    """Return a report without errors."""
    counts = {"accepted": accepted, "duplicates": duplicates, "rejected": 0}
    return {**counts, "errors": [], "omitted": 0}


def test_events_of_each_format_are_stored_before_the_answer(site: Site) -> None:
    proto = '{"id": "f_1", "feedbackType": "FEEDBACK_TYPE_THUMBS", "latencyMs": 9}'
    crucible = proto.replace("FEEDBACK_TYPE_THUMBS", "thumbs").replace(
        "feedbackType", "feedback_type"
    )
    crucible = crucible.replace("latencyMs", "latency_ms")
    for number, (body, media_type) in enumerate(
        [
            (proto, JSON),
            (proto, "application/json; charset=utf-8"),
            (f"\n{proto}\n\n", LINES),
            (proto, "application/x-ndjson"),
            (crucible, CRUCIBLE),
            (f"{crucible}\n", CRUCIBLE_LINES),
        ]
    ):
        id_ = f"f_{number}"
        assert site.post(body.replace("f_1", id_), media_type) == report(accepted=1)
        assert site.stored("f_")[id_] == ir.v1.FeedbackEvent(
            id=id_, feedback_type=ir.v1.FeedbackType.FEEDBACK_TYPE_THUMBS, latency_ms=9
        )
    assert list(site.admin.export_with_publishers())[-1].publisher == "ingest"


def test_a_request_can_be_repeated(site: Site) -> None:
    lines = '{"id": "again_1"}\n{"id": "again_2"}\n{"id": "again_1"}'
    assert site.post(lines, LINES) == report(accepted=2, duplicates=1)
    assert site.post(lines, LINES) == report(duplicates=3)
    assert len(site.stored("again_")) == 2


def test_the_errors_of_lines_say_where_and_why(site: Site) -> None:
    lines = (
        '{"id": "e_1"}\n'
        '{"id": "e_2", "latencyMs": -5}\r\n'
        "\n"
        '{"id": "e_3", "latency": 5, "timestamp": "yesterday"}\n'
        '{"id": "e_4", "feedbackType": "thumbs"}\n'
        '{"id": "e_5"\n'
    )
    answer = site.post(lines, LINES)
    errors = answer.pop("errors")
    assert answer == {"accepted": 1, "duplicates": 0, "rejected": 4, "omitted": 0}
    assert set(site.stored("e_")) == {"e_1"}
    keys = ("line", "column", "path", "rule", "value", "suggestion")
    assert [tuple(error[key] for key in keys) for error in errors] == [
        (2, 28, "latency_ms", "int32.gte", "-5", None),
        (4, 15, "latency", "decode", None, "latencyMs"),
        (4, 42, "timestamp", "decode", None, None),
        (5, 31, "feedbackType", "decode", None, None),
        (6, 13, "", "decode", None, None),
    ]
    assert errors[0]["message"] == "must be greater than or equal to 0"
    assert "application/crucible-json" in errors[3]["message"]


def test_a_list_of_events_is_rejected_with_the_way_to_send_them(site: Site) -> None:
    [error] = site.post('[{"id": "l_1"}, {"id": "l_2"}]', JSON, 422)["errors"]
    assert "one event a line, with Content-Type: application/jsonl" in error["message"]


def test_a_single_event_that_is_invalid_has_its_position_in_the_text(site: Site) -> None:
    answer = site.post('{"id": "s_1",\n "latencyMs": "soon"}', JSON, 422)
    assert (answer["accepted"], answer["rejected"]) == (0, 1)
    assert [(each["line"], each["column"]) for each in answer["errors"]] == [(2, 15)]
    for body, media_type in (("", JSON), ("[]", JSON), ('{"id": "s", "id": "t"}', CRUCIBLE)):
        assert site.post(body, media_type, 422)["rejected"] == 1


def test_the_first_errors_of_many_are_listed(site: Site) -> None:
    lines = "".join(f'{{"id": "m_{number}", "latency": 1}}\n' for number in range(250))
    answer = site.post(lines + '{"id": "m_valid"}', LINES)
    assert (answer["accepted"], answer["rejected"], answer["omitted"]) == (1, 250, 150)
    assert [error["line"] for error in answer["errors"]] == list(range(1, 101))


def test_a_token_needs_the_role_ingest_or_more_and_the_scope(site: Site) -> None:
    for name in ("ingest", "publisher", "admin"):
        assert site.post(f'{{"id": "r_{name}"}}', JSON, token=name) == report(accepted=1)
    assert site.post('{"id": "r"}', JSON, 403, token="reader")["code"] == "permission_denied"
    answer = site.http.post("/v1/feedback", content="{}", headers={"content-type": JSON})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"

    answer = site.post('{"id": "own_1"}\n\n{"id": "other"}\n{"id": ""}', LINES, token="scoped")
    assert (answer["accepted"], answer["rejected"]) == (1, 2)
    assert [(each["line"], each["rule"]) for each in answer["errors"]] == [
        (3, "rejected"),
        (4, "required"),
    ]
    assert "do not cover" in answer["errors"][0]["message"]


def test_events_are_redacted_as_configured(site: Site) -> None:
    site.admin.set_feedback_config(ir.v1.FeedbackConfig(anonymize_pii=True), "private")
    event = {"id": "p_1", "deploymentId": "private", "comment": "mail me at ann@example.com"}
    assert site.post(json.dumps(event), JSON) == report(accepted=1)
    assert "ann@example.com" not in site.stored("p_")["p_1"].comment


@pytest.mark.parametrize(
    ("body", "media_type", "encoding", "status"),
    [
        (b" " * (4 * 1024 * 1024 + 1), JSON, "identity", 413),
        (gzip.compress(b"\n" * 50_000_000, 1, mtime=0), LINES, "gzip", 413),
        (b"{}\n" * 10_001, LINES, "identity", 413),
        (b"{", JSON, "br", 415),
        (b"{}", "text/plain", "identity", 415),
        (b"{}", "", "identity", 415),
        (gzip.compress(b'{"id": "g"}', mtime=0)[:-9], JSON, "gzip", 400),
        (b"\n\n", LINES, "identity", 400),
        (b'{"id":"d","feedbackValue":' + b"[" * 100_000, JSON, "identity", 422),
        (b'{"id":"d","feedbackValue":' + b"[" * 200 + b"]" * 200 + b"}", LINES, "identity", 422),
        (b"\xff\xfe", CRUCIBLE_LINES, "identity", 422),
    ],
)
def test_requests_beyond_the_limits_are_rejected(
    site: Site, body: bytes, media_type: str, encoding: str, status: int
) -> None:
    headers = {
        "content-type": media_type,
        "content-encoding": encoding,
        "authorization": f"Bearer {site.tokens['ingest']}",
    }
    answer = site.http.post("/v1/feedback", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert {"code", "message"} <= answer.json().keys() or answer.json()["rejected"] == 1


def test_compressed_requests_are_read(site: Site) -> None:
    lines = b"".join(b'{"id": "z_%d", "comment": "%s"}\n' % (n, b"long " * 99) for n in range(4000))
    headers = {
        "content-type": LINES,
        "content-encoding": "gzip",
        "authorization": f"Bearer {site.tokens['ingest']}",
    }
    # It is stored in several batches.
    answer = site.http.post("/v1/feedback", content=gzip.compress(lines), headers=headers)
    assert answer.json() == report(accepted=4000)


def test_only_post_is_permitted(site: Site) -> None:
    answer = site.http.get("/v1/feedback")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_the_server_describes_itself(site: Site, tmp_path: Path) -> None:
    answer = site.http.get("/openapi.json")
    document = answer.json()
    assert document["security"] == [{"bearer": []}]
    assert "/v1/feedback" in document["paths"]
    assert answer.headers["content-encoding"] == "gzip"
    assert site.http.post("/openapi.json").status_code == 405


#: Valid lines, blank ones, and anything.
LINE = st.one_of(
    st.sampled_from(
        [b'{"id": "h"}', b"", b" \t\r", b'{"id": 1}', b'{"latency": [1, {}]}', b"null"]
    ),
    st.binary(max_size=40),
)


@given(lines=st.lists(LINE, max_size=8), media_type=st.sampled_from([LINES, CRUCIBLE_LINES]))
def test_every_line_that_is_not_blank_is_an_event_or_an_error(
    lines: list[bytes], media_type: str
) -> None:
    body = b"\n".join(lines)
    numbers = [number for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    feedback = read_feedback(body, FEEDBACK_FORMATS[media_type])
    report = feedback.report.json()
    assert len(feedback.events) + report["rejected"] == len(numbers)
    wrong = {error["line"] for error in report["errors"]}
    assert sorted([*feedback.lines, *wrong]) == numbers
    json.dumps(report)

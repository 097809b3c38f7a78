"""Unary calls of the Connect protocol, by plain HTTP."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import httpx
import pytest
from google.rpc import error_details_pb2
from web.api.connect_client import (
    EXCHANGE,
    FEEDBACK,
    details_of,
    error_of,
    model,
    post,
    publish,
    reason_of,
)
from web.http_servers import RunningExchange

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.services.registration import service_descriptors

GET = f"{EXCHANGE}/Get"


def test_a_document_is_published_and_read_as_json(client: httpx.Client) -> None:
    published = post(client, f"{EXCHANGE}/Publish", {"document": model("json")})
    assert published.status_code == 200
    assert published.json()["created"] is True
    found = post(client, GET, {"type": "ModelRef", "id": "json"})
    assert found.headers["content-type"] == "application/json"
    assert found.headers["cache-control"] == "no-store"
    assert found.json()["document"] == model("json")


def test_a_document_is_published_and_read_in_the_binary_format(client: httpx.Client) -> None:
    headers = {"content-type": "application/proto"}
    document = ir_v1.Document(ir_version="1", model_ref=ir_v1.ModelRef(id="binary"))
    request = v1.PublishRequest(document=document).SerializeToString()
    response = client.post(f"{EXCHANGE}/Publish", content=request, headers=headers)
    assert response.headers["content-type"] == "application/proto"
    assert v1.PublishResponse.FromString(response.content).record.id == "binary"
    request = v1.GetRequest(type="ModelRef", id="binary").SerializeToString()
    response = client.post(GET, content=request, headers=headers)
    assert v1.GetResponse.FromString(response.content).document == document


def test_a_document_is_published_and_read_as_crucible_json(client: httpx.Client) -> None:
    headers = {"content-type": "application/crucible-json; charset=utf-8"}
    request: Any = {
        "document": {"ir_version": "1", "dataset_ref": {"name": "d", "provider": "local"}}
    }
    response = client.post(f"{EXCHANGE}/Publish", json=request, headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/crucible-json"
    record = response.json()["record"]
    request = {"type": "DatasetRef", "id": record["id"]}
    response = client.post(GET, json=request, headers=headers)
    assert response.json()["document"]["dataset_ref"]["provider"] == "local"


def test_a_short_name_in_protojson_is_rejected_with_the_type_that_has_them(
    client: httpx.Client,
) -> None:
    dataset = {"name": "d", "provider": "huggingface"}
    request = {"document": {"irVersion": "1", "datasetRef": dataset}}
    message = client.post(f"{EXCHANGE}/Publish", json=request).json()["message"]
    assert "short names are read with Content-Type: application/crucible-json" in message
    assert "from_crucible_json" not in message


@pytest.mark.parametrize("is_base64", [False, True])
def test_methods_without_side_effects_can_be_called_by_get(
    client: httpx.Client, is_base64: bool
) -> None:
    publish(client, "by get?+ü")
    message = json.dumps({"type": "ModelRef", "id": "by get?+ü"}, ensure_ascii=False).encode()
    parameters: dict[str, Any] = {"encoding": "json", "connect": "v1", "message": message.decode()}
    if is_base64:
        text = base64.urlsafe_b64encode(gzip.compress(message)).rstrip(b"=").decode()
        parameters |= {"message": text, "base64": "1", "compression": "gzip"}
    response = client.get(GET, params=parameters)
    assert response.status_code == 200, response.text
    assert response.json()["record"]["id"] == "by get?+ü"


def test_exactly_the_unary_methods_without_side_effects_can_be_called_by_get(
    client: httpx.Client,
) -> None:
    for service in service_descriptors():
        for method in service.methods:
            response = client.get(f"/{service.full_name}/{method.name}", params={"message": "{}"})
            options = method.GetOptions()
            is_unary = not (method.client_streaming or method.server_streaming)
            if is_unary and options.idempotency_level == options.NO_SIDE_EFFECTS:
                # The encoding is missing.
                assert response.status_code == 415, method.name
            else:
                assert response.status_code == 405, method.name
                assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"encoding": "json"}, "message is missing"),
        ({"encoding": "json", "message": "{}", "connect": "v2"}, "connect=v2"),
        ({"encoding": "json", "message": "~", "base64": "1"}, "base64"),
        ({"encoding": "json", "message": "ab", "base64": "1", "compression": "gzip"}, "gzip"),
        ({"encoding": "json", "message": "{"}, "JSON"),
    ],
)
def test_bad_parameters_of_get_are_invalid(
    client: httpx.Client, parameters: dict[str, str], problem: str
) -> None:
    response = client.get(GET, params=parameters)
    assert error_of(response) == (400, "invalid_argument")
    assert problem in response.json()["message"]


def test_an_error_has_its_http_status_and_typed_details(client: httpx.Client) -> None:
    response = post(client, GET, {"type": "ModelRef", "id": "absent"})
    assert error_of(response) == (404, "not_found")
    (detail,) = details_of(response.json())
    assert isinstance(detail, error_details_pb2.ResourceInfo)
    assert (detail.resource_type, detail.resource_name) == ("ModelRef", "absent")
    assert response.json()["details"][0]["debug"]["resourceName"] == "absent"


def test_an_etag_conflict_is_a_failed_precondition(client: httpx.Client) -> None:
    record = publish(client, "etag")
    assert publish(client, "etag", name="second")["revision"] == 2
    stale = {"document": model("etag", name="third"), "etag": record["etag"]}
    response = post(client, f"{EXCHANGE}/Publish", stale)
    assert error_of(response) == (400, "failed_precondition")
    assert reason_of(response.json()) == "ETAG_MISMATCH"


def test_rules_are_checked_with_the_paths_and_ids_of_the_rules(client: httpx.Client) -> None:
    message = {"document": {"irVersion": "1", "modelRef": {}}}
    response = post(client, f"{EXCHANGE}/Publish", message)
    assert error_of(response) == (400, "invalid_argument")
    (detail,) = details_of(response.json())
    assert [each.field for each in detail.field_violations] == ["document.model_ref.id"]


def test_unknown_fields_are_errors_with_their_path(client: httpx.Client) -> None:
    message = {"document": {"irVersion": "1", "modelRef": {"id": "m", "vendor": "x"}}}
    response = post(client, f"{EXCHANGE}/Publish", message)
    assert error_of(response) == (400, "invalid_argument")
    (detail,) = details_of(response.json())
    assert [each.field for each in detail.field_violations] == ["document.modelRef.vendor"]


def test_large_responses_are_compressed_for_those_who_accept_it(client: httpx.Client) -> None:
    publish(client, "large", metadata={"text": "abc " * 30_000})
    request = {"type": "ModelRef", "id": "large"}
    plain = post(client, GET, request, accept_encoding="br, gzip;q=0")
    assert "content-encoding" not in plain.headers
    packed = post(client, GET, request, accept_encoding="br, gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "accept-encoding"
    assert int(packed.headers["content-length"]) < 5000
    assert packed.json() == plain.json()
    small = post(client, GET, {"type": "ModelRef", "id": "absent"}, accept_encoding="gzip")
    assert "content-encoding" not in small.headers


def test_compressed_requests_are_read(client: httpx.Client) -> None:
    publish(client, "packed")
    body = gzip.compress(b'{"type": "ModelRef",') + gzip.compress(b' "id": "packed"}')
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert client.post(GET, content=body, headers=headers).json()["record"]["id"] == "packed"


def test_the_timeout_of_the_client_ends_the_call(client: httpx.Client) -> None:
    response = post(client, GET, {"type": "ModelRef", "id": "x"}, connect_timeout_ms="0")
    assert error_of(response) == (504, "deadline_exceeded")
    for text in ("1e3", "12345678901", "-1", "\uff11"):
        response = client.post(GET, json={}, headers=[(b"connect-timeout-ms", text.encode())])
        assert error_of(response) == (400, "invalid_argument"), text


def test_another_version_of_the_protocol_is_rejected(client: httpx.Client) -> None:
    request = {"type": "ModelRef", "id": "absent"}
    assert post(client, GET, request, connect_protocol_version="1").status_code == 404
    response = post(client, GET, request, connect_protocol_version="2")
    assert error_of(response) == (400, "invalid_argument")


def test_the_request_id_is_that_of_the_client_if_it_has_one(client: httpx.Client) -> None:
    request = {"type": "ModelRef", "id": "absent"}
    assert post(client, GET, request, x_request_id="r-1").headers["x-request-id"] == "r-1"
    first, second = (post(client, GET, request).headers["x-request-id"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("type_", ["text/plain", "application/x-www-form-urlencoded", "", "a/json"])
def test_other_content_types_are_unsupported(client: httpx.Client, type_: str) -> None:
    # Browsers send some of them to any server without asking it.
    response = client.post(GET, content=b"{}", headers={"content-type": type_})
    assert response.status_code == 415
    assert response.headers["accept-post"] == (
        "application/json, application/proto, application/crucible-json"
    )


def test_unknown_methods_and_services_are_not_found(client: httpx.Client) -> None:
    response = post(client, f"{EXCHANGE}/Gett")
    assert error_of(response) == (404, "unimplemented")
    assert post(client, "/crucible_ir.exchange.v1.NoService/Get").status_code == 404
    assert post(client, f"{EXCHANGE}/Get/more").status_code == 404


def test_summaries_are_the_same_as_over_grpc(
    client: httpx.Client, exchange: RunningExchange
) -> None:
    async def over_grpc() -> bytes:
        import grpc.aio

        async with grpc.aio.insecure_channel(str(exchange.server.address)) as channel:
            call: Any = channel.unary_unary(f"{FEEDBACK}/Summarize")
            response: bytes = await call(b"", timeout=10)
            return response

    response = client.post(f"{FEEDBACK}/Summarize", headers={"content-type": "application/proto"})
    assert response.content == exchange.run(over_grpc())


def test_health_needs_no_credentials(client: httpx.Client) -> None:
    assert (client.get("/healthz").text, client.get("/readyz").text) == ("ok\n", "ready\n")

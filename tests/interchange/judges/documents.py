"""Judges of documents in a format with a schema or a reader of its own."""

from __future__ import annotations

import base64
import json
from typing import Any


def as_text(body: object) -> str:
    """Return a document as JSON text; text stays as it is."""
    return body if isinstance(body, str) else json.dumps(body, allow_nan=False)


def cyclonedx(bom: object, version: str = "1.7") -> None:
    """Check a CycloneDX document against the schema of a version, such as 1.6."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = as_text(bom)
    stated = json.loads(text).get("specVersion")
    assert stated == version, f"specVersion is {stated}"
    error = JsonStrictValidator(SchemaVersion.from_version(version)).validate_str(text)
    assert error is None, f"CycloneDX {version}: {error}"


def kubernetes(resource: object, version: str = "1.37") -> None:
    """Check a resource, such as a Deployment, against the schemas of a Kubernetes version.

    Unknown keys are errors.
    """
    import kubernetes_validate

    try:
        kubernetes_validate.validate(json.loads(as_text(resource)), version, strict=True)
    except kubernetes_validate.ValidationError as error:
        raise AssertionError(f"{list(error.path)}: {error.message}") from None


def model_card(text: str) -> Any:
    """Read a model card as `huggingface_hub` does, and return it. Bad metadata is an error."""
    from huggingface_hub import ModelCard

    assert text.startswith("---\n"), "the card has no metadata"
    return ModelCard(text, ignore_metadata_errors=False)


def otlp_traces(body: object) -> Any:
    """Parse the traces of an OTLP request in JSON, and return them as `TracesData`.

    OTLP writes the ids of traces and spans in hexadecimal, not in base64 as ProtoJSON does.
    """
    from google.protobuf import json_format
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    data = json_format.ParseDict(_with_base64_ids(json.loads(as_text(body))), TracesData())
    for resource in data.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                _check_span(span)
    return data


def otlp_logs(body: object) -> Any:
    """Parse the logs of an OTLP request in JSON, and return them as `LogsData`."""
    from google.protobuf import json_format
    from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

    return json_format.ParseDict(_with_base64_ids(json.loads(as_text(body))), LogsData())


_IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
_ENUMS = ("kind", "code", "severityNumber")


def _with_base64_ids(value: Any) -> Any:
    """Copy an OTLP document with its ids in base64.

    An id that is not hexadecimal is an error, and so is the name of an enum's value: OTLP has
    numbers only.
    """
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    copied = {}
    for key, item in value.items():
        # The names of attributes are values, of the key `key`.
        assert key not in _ENUMS or isinstance(item, int), f"{key} is {item!r}"
        if key in _IDS:
            data = bytes.fromhex(item)
            assert len(data) in (0, _IDS[key]), f"{key} has {len(data)} bytes"
            copied[key] = base64.b64encode(data).decode()
        else:
            copied[key] = _with_base64_ids(item)
    return copied


def _check_span(span: Any) -> None:
    """Check what the comments of the .proto file demand of a span."""
    assert len(span.trace_id) == 16 and any(span.trace_id), "the trace id is invalid"
    assert len(span.span_id) == 8 and any(span.span_id), "the span id is invalid"
    assert span.name, "the span has no name"
    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, "it ends before it starts"
    for owner in (span, *span.events):
        names = [attribute.key for attribute in owner.attributes]
        assert len(names) == len(set(names)), f"attributes repeat: {sorted(names)}"
        for attribute in owner.attributes:
            assert attribute.key, "an attribute has no key"
            assert attribute.value.WhichOneof("value"), f"{attribute.key} has no value"

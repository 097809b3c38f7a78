"""The judges of other documents accept good ones and reject bad ones."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from interchange.judges import documents


def bom(version: str) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "components": [
            {
                "type": "machine-learning-model",
                "bom-ref": "model",
                "name": "sentiment",
                "version": "1.0.0",
                "modelCard": {
                    "modelParameters": {"task": "classification"},
                    "quantitativeAnalysis": {
                        "performanceMetrics": [{"type": "accuracy", "value": "0.91"}]
                    },
                },
            }
        ],
    }


@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_cyclonedx(version: str) -> None:
    good = bom(version)
    documents.cyclonedx(good, version)
    bad = bom(version)
    bad["components"][0]["type"] = "model"
    with pytest.raises(AssertionError, match="model"):
        documents.cyclonedx(bad, version)
    with pytest.raises(AssertionError, match="specVersion"):
        documents.cyclonedx(good, "1.5")


def test_kubernetes() -> None:
    template = {
        "metadata": {"labels": {"app": "model"}},
        "spec": {"containers": [{"name": "server", "image": "server:1"}]},
    }
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "model"}},
        "template": template,
    }
    good = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "model"},
        "spec": spec,
    }
    documents.kubernetes(good)
    with pytest.raises(AssertionError, match="'2' is not of type"):
        documents.kubernetes({**good, "spec": {**spec, "replicas": "2"}})
    with pytest.raises(AssertionError, match="'replica' was unexpected"):
        documents.kubernetes({**good, "spec": {**spec, "replica": 2}})


CARD = """---
license: apache-2.0
tags: [text-classification]
model-index:
- name: sentiment
  results:
  - task: {type: text-classification}
    dataset: {name: IMDB, type: imdb}
    metrics:
    - {type: accuracy, value: 0.91}
---
# Sentiment
"""


def test_model_card() -> None:
    card = documents.model_card(CARD)
    assert card.data.license == "apache-2.0"
    [result] = card.data.eval_results
    assert (result.dataset_type, result.metric_type) == ("imdb", "accuracy")
    assert result.metric_value == 0.91
    with pytest.raises((KeyError, ValueError)):
        documents.model_card(CARD.replace("task: {type: text-classification}", "task: {}"))
    with pytest.raises(AssertionError, match="no metadata"):
        documents.model_card("# Sentiment\n")


def traces(**change: object) -> dict[str, Any]:
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "chat gpt-5",
        "kind": 3,
        "startTimeUnixNano": "1764000000000000000",
        "endTimeUnixNano": "1764000001000000000",
        "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}],
        "status": {"code": 1},
        **change,
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def test_traces_of_otlp() -> None:
    data = documents.otlp_traces(traces())
    [span] = data.resource_spans[0].scope_spans[0].spans
    assert span.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert span.attributes[0].value.string_value == "chat"


@pytest.mark.parametrize(
    "change",
    [
        {"traceId": "W47/95gDgQPSabYzgT/GDA=="},
        {"spanId": "eee19b7ec3c1"},
        {"kind": "SPAN_KIND_CLIENT"},
        {"endTimeUnixNano": "1"},
        {"duration": 1},
        {"attributes": [{"key": "gen_ai.operation.name"}]},
        {"attributes": [{"key": "a", "value": {"intValue": "x"}}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_bad_traces_of_otlp(change: dict[str, object]) -> None:
    with pytest.raises((AssertionError, ValueError, json_format.ParseError)):
        documents.otlp_traces(traces(**change))


def test_logs_of_otlp() -> None:
    record = {
        "timeUnixNano": "1764000000000000000",
        "severityNumber": 9,
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "eventName": "gen_ai.evaluation.result",
        "body": {"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}},
    }

    def logs(record: dict[str, object]) -> dict[str, object]:
        return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}

    [parsed] = documents.otlp_logs(logs(record)).resource_logs[0].scope_logs[0].log_records
    assert parsed.event_name == "gen_ai.evaluation.result"
    with pytest.raises(json_format.ParseError):
        documents.otlp_logs(logs({**record, "event_name_": "x"}))

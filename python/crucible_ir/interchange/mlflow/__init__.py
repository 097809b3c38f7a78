"""MLflow: runs, registered models and their versions, logged models, and assessments of traces.

Records have the shape of the answers of MLflow's REST API: ``{"run": ...}``,
``{"registered_model": ...}``, ``{"model_version": ...}``, ``{"model": ...}`` for a logged model,
``{"trace": ...}`` and ``{"assessment": ...}``; an MLmodel file is a record too. The history of a
run's metrics, which is another answer, is in ``run["data"]["metric_history"]``: the list of points
of each metric. The answer to a search is a list of records.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mlflow.assessments import (
    keep_trace,
    read_assessment,
    read_trace,
    write_assessment,
)
from crucible_ir.interchange.mlflow.models import (
    read_logged_model,
    read_mlmodel,
    read_registered_model,
    read_version,
    write_model,
    write_version,
)
from crucible_ir.interchange.mlflow.publishing import send
from crucible_ir.interchange.mlflow.reading import read, unfold
from crucible_ir.interchange.mlflow.runs import read_run, write_run
from crucible_ir.serialization import yaml


def _read_assessment(conversion: Import, assessment: Source) -> None:
    event = read_assessment(conversion, assessment)
    trace = conversion.source.get("trace", dict)
    if trace is not None:
        keep_trace(trace, event)


_READERS: Final[dict[str, Callable[[Import, Source], None]]] = {
    "run": read_run,
    "registered_model": read_registered_model,
    "model_version": read_version,
    "model": read_logged_model,
    "assessment": _read_assessment,
    "trace": read_trace,
}


def _import_record(conversion: Import) -> None:
    source = conversion.source
    for key, read_record in _READERS.items():
        found = source.get(key, dict)
        if found is not None:
            read_record(conversion, found)
            return
    if source.get("flavors", dict) is not None:
        read_mlmodel(conversion)
        return
    code, message = source.text("error_code"), source.text("message")
    if code is not None:
        raise source.fail(f"an error of MLflow, not a record: {code}: {message}")
    bodies = [source.value, *source.value.values()]
    if any(isinstance(body, dict) and isinstance(body.get("metrics"), list) for body in bodies):
        place = 'run["data"]["metric_history"]'
        raise source.fail(f"a history of metrics without its run: put its points into {place}")
    keys = ", ".join(_READERS)
    raise source.fail(f"expected one of the keys {keys}, or flavors (an MLmodel file)")


def _write(value: Any) -> bytes:
    """Write an MLmodel file as YAML, and any other record as JSON."""
    if isinstance(value, dict) and "flavors" in value:
        return yaml.write(value).encode()
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


FORMAT = Format(
    "mlflow",
    "MLflow",
    "Runs with their configuration, dataset and metrics; registered models, versions, aliases and"
    " logged models; assessments of traces; MLmodel files.",
    _import_record,
    {
        "TrainingRun": write_run,
        "ModelRef": write_model,
        "ModelVersion": write_version,
        "FeedbackEvent": write_assessment,
    },
    read=read,
    write=_write,
    join=list,
    send=send,
    unfold=unfold,
)
import_ = FORMAT.import_
export = FORMAT.export

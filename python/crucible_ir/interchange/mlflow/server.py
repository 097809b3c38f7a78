"""Tracking servers of MLflow: the records that their REST API gives."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from crucible_ir.errors import DecodeError
from crucible_ir.interchange.mapping.converters import NoConversionError, read_time
from crucible_ir.interchange.mapping.http import HttpError, JsonService, basic_authorization
from crucible_ir.interchange.mapping.reading import Record

API: Final = "api/2.0/mlflow"
API_3: Final = "api/3.0/mlflow"

_HINT: Final = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"

#: How many of each are in one answer.
_RUNS: Final = 100
_POINTS: Final = 25_000
_OTHERS: Final = 100


def connect(address: str, environment: Mapping[str, str] = os.environ) -> JsonService:
    """Return the service of a tracking server, with the credentials of MLflow's own variables."""
    headers: dict[str, str] = {}
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    user = environment.get("MLFLOW_TRACKING_USERNAME")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    elif user:
        password = environment.get("MLFLOW_TRACKING_PASSWORD", "")
        headers = basic_authorization(user, password)
    ca_file = environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    return JsonService(address.partition("#")[0], headers=headers, hint=_HINT, ca_file=ca_file)


def read_server(address: str, since: datetime | None) -> Iterator[Record]:
    """Yield the records of a tracking server.

    Args:
        address: Its address; one of a page about an experiment or a run (``/#/experiments/1``)
            gives only those records.
        since: Leave out what ended or changed before this time.
    """
    reader = _Reader(connect(address), None if since is None else since.timestamp() * 1000)
    for number, (name, value, error) in enumerate(reader.read(address.partition("#")[2])):
        yield Record(value, name, number, error)


#: The name of a record, its value, and why it could not be read.
_Found = tuple[str, Any, DecodeError | None]


class _Reader:
    """Reads the records of a server that are not older than a time, in milliseconds since 1970."""

    def __init__(self, service: JsonService, oldest: float | None) -> None:
        self._service = service
        self._oldest = oldest

    def read(self, page: str) -> Iterator[_Found]:
        """Yield the records of a page of the server, or of all."""
        run = re.search(r"runs/([0-9A-Za-z-]+)", page)
        experiment = re.search(r"experiments/([0-9A-Za-z-]+)", page)
        if run is not None:
            yield self._run(self._service.get(f"{API}/runs/get", [("run_id", run[1])])["run"])
            return
        for each in self._experiments(experiment[1] if experiment is not None else None):
            yield from self._runs(each)
            yield from self._logged_models(str(each["experiment_id"]))
            yield from self._traces(str(each["experiment_id"]))
        if experiment is None:
            yield from self._registry()

    def _experiments(self, experiment: str | None) -> list[Any]:
        if experiment is not None:
            query = [("experiment_id", experiment)]
            return [self._service.get(f"{API}/experiments/get", query)["experiment"]]
        query_all = {"view_type": "ALL"}
        return list(pages(self._service, f"{API}/experiments/search", "experiments", query_all))

    def _runs(self, experiment: Any) -> Iterator[_Found]:
        query = {"experiment_ids": [str(experiment["experiment_id"])], "run_view_type": "ALL"}
        for run in pages(self._service, f"{API}/runs/search", "runs", query, size=_RUNS):
            if not self._is_old(_value(run, "info", "end_time")):
                run["experiment_name"] = experiment["name"]
                yield self._run(run)

    def _run(self, run: Any) -> _Found:
        """Read the histories of a run's metrics."""
        run_id = str(_value(run, "info", "run_id") or _value(run, "info", "run_uuid"))
        name = f"{self._service.address}, run {run_id}"
        histories: dict[str, list[Any]] = {}
        try:
            for metric in _value(run, "data", "metrics") or ():
                key = metric["key"]
                histories[key] = list(points(self._service, run_id, key))
        except HttpError as error:
            return name, None, DecodeError(str(error))
        if histories:
            run["data"]["metric_history"] = histories
        return name, {"run": run}, None

    def _logged_models(self, experiment: str) -> Iterator[_Found]:
        query = {"experiment_ids": [experiment]}
        for model in self._optional("logged-models/search", "models", query):
            if not self._is_old(_value(model, "info", "last_updated_timestamp_ms")):
                yield self._found("model", model, _value(model, "info", "model_id"))

    def _traces(self, experiment: str) -> Iterator[_Found]:
        place = {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": experiment},
        }
        query = {"locations": [place]}
        for trace in self._optional("traces/search", "traces", query, api=API_3):
            times = [trace.get("request_time")]
            times += [each.get("last_update_time") for each in trace.get("assessments", ())]
            if not self._is_old(max(map(_milliseconds, times), default=None)):
                yield self._found("trace", {"trace_info": trace}, trace.get("trace_id"))

    def _registry(self) -> Iterator[_Found]:
        for kind in ("registered-model", "model-version"):
            key = kind.replace("-", "_")
            for found in pages(self._service, f"{API}/{kind}s/search", f"{key}s", {}, method="GET"):
                # They are records of their own.
                found.pop("latest_versions", None)
                if not self._is_old(found.get("last_updated_timestamp")):
                    place = "/".join(str(found.get(part, "")) for part in ("name", "version"))
                    yield self._found(key, found, place.rstrip("/"))

    def _found(self, key: str, value: Any, name: object) -> _Found:
        return f"{self._service.address}, {key.replace('_', ' ')} {name}", {key: value}, None

    def _is_old(self, changed: Any) -> bool:
        """Return whether something ended or changed before the time that is wanted."""
        if self._oldest is None or not isinstance(changed, (int, float)) or not changed:
            return False
        return changed < self._oldest

    def _optional(
        self, path: str, key: str, query: dict[str, Any], *, api: str = API
    ) -> Iterator[Any]:
        """Yield the items of a search that older servers do not have."""
        try:
            yield from pages(self._service, f"{api}/{path}", key, query)
        except HttpError as error:
            if error.status not in (404, 405):
                raise


def points(service: JsonService, run_id: str, metric: str) -> Iterator[Any]:
    """Yield the history of a metric."""
    query = {"run_id": run_id, "metric_key": metric}
    path = f"{API}/metrics/get-history"
    return pages(service, path, "metrics", query, size=_POINTS, method="GET")


def pages(
    service: JsonService,
    path: str,
    key: str,
    query: dict[str, Any],
    *,
    size: int = _OTHERS,
    method: str = "POST",
) -> Iterator[Any]:
    """Yield the items of all pages of an answer."""
    query = {**query, "max_results": size}
    while True:
        if method == "GET":
            answer = service.get(path, query.items())
        else:
            answer = service.post(path, query, repeatable=True)
        yield from answer.get(key, ())
        token = answer.get("next_page_token")
        if not token or token == query.get("page_token"):
            return
        query["page_token"] = token


def _value(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _milliseconds(text: object) -> float:
    """Return a time in milliseconds since 1970; 0 if it is none."""
    try:
        return read_time(text) / 1e6
    except NoConversionError:
        return 0.0

"""A small tracking server: what the tests need of MLflow's REST API, in memory.

The judges run the same requests against a real one.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class NotFoundError(Exception):
    """The server does not have something."""


class FakeMlflow:
    """A running server; its data are plain attributes."""

    def __init__(self, *, page: int = 2) -> None:
        self.page = page
        self.experiments: list[dict[str, Any]] = [{"experiment_id": "0", "name": "Default"}]
        self.runs: list[dict[str, Any]] = []
        self.history: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.models: list[dict[str, Any]] = []
        self.versions: list[dict[str, Any]] = []
        self.logged_models: list[dict[str, Any]] = []
        self.traces: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}
        self.missing: set[str] = set()
        self.broken: set[str] = set()
        self._numbers = itertools.count(1)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                parts = urlsplit(self.path)
                query = {**dict(parse_qsl(parts.query)), **body}
                path = re.sub(r"^/api/[23]\.0/mlflow/", "", parts.path)
                owner.requests.append((self.command, path))
                owner.headers = {key.lower(): value for key, value in self.headers.items()}
                try:
                    status, value = 200, owner.answer(self.command, path, query)
                except NotFoundError as error:
                    status = 404
                    value = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": str(error)}
                if path in owner.broken:
                    status, value = 500, {"error_code": "INTERNAL_ERROR", "message": "broken"}
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = _answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def writes(self) -> list[tuple[str, str]]:
        """Return the requests that change something."""
        return [
            (method, path)
            for method, path in self.requests
            if method != "GET" and not path.endswith("/search")
        ]

    def answer(self, method: str, path: str, query: dict[str, Any]) -> Any:
        if path in self.missing:
            raise NotFoundError(path)
        trace = re.fullmatch(r"traces/(tr-[^/]+)(/assessments(/.*)?)?", path)
        if trace is not None:
            return self._assessment(method, trace[1], trace[3], query)
        name = path.replace("/", "_").replace("-", "_")
        if path == "registered-models/update" or path == "model-versions/update":
            name = path.partition("/")[0].replace("-", "_") + "_update"
        handler = getattr(self, f"_{name}", None)
        if handler is None:
            raise NotFoundError(path)
        return handler(query)

    def _paged(self, key: str, items: list[Any], query: dict[str, Any]) -> Any:
        first = int(query.get("page_token") or 0)
        size = min(self.page, int(query.get("max_results", self.page)))
        answer = {key: items[first : first + size]} if items[first:] else {}
        if items[first + size :]:
            answer["next_page_token"] = str(first + size)  # type: ignore[assignment]
        return answer

    def _experiments_search(self, query: dict[str, Any]) -> Any:
        return self._paged("experiments", self.experiments, query)

    def _experiments_get(self, query: dict[str, Any]) -> Any:
        return {"experiment": _one(self.experiments, experiment_id=query["experiment_id"])}

    def _experiments_get_by_name(self, query: dict[str, Any]) -> Any:
        return {"experiment": _one(self.experiments, name=query["experiment_name"])}

    def _experiments_create(self, query: dict[str, Any]) -> Any:
        made = {"experiment_id": str(next(self._numbers)), "name": query["name"]}
        self.experiments.append(made)
        return {"experiment_id": made["experiment_id"]}

    def _runs_search(self, query: dict[str, Any]) -> Any:
        found = [
            run for run in self.runs if run["info"]["experiment_id"] in query["experiment_ids"]
        ]
        if "filter" in query:
            key, pattern = re.fullmatch(r"tags\.`(.*)` LIKE '(.*)'", query["filter"]).groups()  # type: ignore[union-attr]
            regex = ".".join(map(re.escape, pattern.split("_")))
            found = [
                run
                for run in found
                if re.fullmatch(regex, _texts(run["data"]["tags"]).get(key, ""))
            ]
        return self._paged("runs", found, query)

    def _run(self, run_id: str) -> dict[str, Any]:
        for run in self.runs:
            if run["info"]["run_id"] == run_id:
                return run
        raise NotFoundError(f"Run with id={run_id} not found")

    def _runs_get(self, query: dict[str, Any]) -> Any:
        return {"run": self._run(query["run_id"])}

    def _runs_create(self, query: dict[str, Any]) -> Any:
        tags = query.pop("tags", [])
        run_id = f"{next(self._numbers):032x}"
        info = {"run_id": run_id, "run_uuid": run_id, "status": "RUNNING", **query}
        info["lifecycle_stage"] = "active"
        run = {"info": info, "data": {"tags": tags, "params": [], "metrics": []}, "inputs": {}}
        self.runs.append(run)
        return {"run": run}

    def _runs_update(self, query: dict[str, Any]) -> Any:
        info = self._run(query["run_id"])["info"]
        info |= query
        return {"run_info": info}

    def _runs_delete(self, query: dict[str, Any]) -> Any:
        self._run(query["run_id"])["info"]["lifecycle_stage"] = "deleted"
        return {}

    def _runs_restore(self, query: dict[str, Any]) -> Any:
        self._run(query["run_id"])["info"]["lifecycle_stage"] = "active"
        return {}

    def _runs_log_batch(self, query: dict[str, Any]) -> Any:
        run = self._run(query["run_id"])
        assert run["info"]["lifecycle_stage"] == "active"
        for key in ("params", "tags"):
            assert len(query.get(key, ())) <= 100
            _set_pairs(run["data"][key], query.get(key, ()))
        assert len(query.get("metrics", ())) <= 1000
        for point in query.get("metrics", ()):
            self.history.setdefault((query["run_id"], point["key"]), []).append(point)
            last = [each for each in run["data"]["metrics"] if each["key"] != point["key"]]
            run["data"]["metrics"] = [*last, point]
        return {}

    def _runs_log_inputs(self, query: dict[str, Any]) -> Any:
        self._run(query["run_id"])["inputs"] = {"dataset_inputs": query["datasets"]}
        return {}

    def _metrics_get_history(self, query: dict[str, Any]) -> Any:
        points = self.history.get((query["run_id"], query["metric_key"]), [])
        return self._paged("metrics", points, query)

    def _logged_models_search(self, query: dict[str, Any]) -> Any:
        return self._paged("models", self.logged_models, query)

    def _traces_search(self, query: dict[str, Any]) -> Any:
        return self._paged("traces", self.traces, query)

    def _assessment(
        self, method: str, trace_id: str, place: str | None, query: dict[str, Any]
    ) -> Any:
        trace = _one(self.traces, trace_id=trace_id)
        there = trace.setdefault("assessments", [])
        if method == "GET":
            return {"trace": {"trace_info": trace}}
        if method == "POST":
            made = {"assessment_id": f"a-{next(self._numbers)}", **query["assessment"]}
            there.append(made)
        else:
            assert place is not None
            made = _one(there, assessment_id=place[1:])
            made |= query["assessment"]
        return {"assessment": made}

    def _registered_models_search(self, query: dict[str, Any]) -> Any:
        return self._paged("registered_models", self.models, query)

    def _registered_models_get(self, query: dict[str, Any]) -> Any:
        return {"registered_model": _one(self.models, name=query["name"])}

    def _registered_models_create(self, query: dict[str, Any]) -> Any:
        self.models.append({"aliases": [], "tags": [], **query})
        return {"registered_model": self.models[-1]}

    def _registered_models_update(self, query: dict[str, Any]) -> Any:
        _one(self.models, name=query["name"])["description"] = query["description"]
        return {}

    def _registered_models_set_tag(self, query: dict[str, Any]) -> Any:
        _set_pairs(_one(self.models, name=query["name"])["tags"], [query])
        return {}

    def _registered_models_alias(self, query: dict[str, Any]) -> Any:
        _one(self.versions, name=query["name"], version=query["version"])
        model = _one(self.models, name=query["name"])
        others = [each for each in model["aliases"] if each["alias"] != query["alias"]]
        model["aliases"] = [*others, {key: query[key] for key in ("alias", "version")}]
        return {}

    def _model_versions_search(self, query: dict[str, Any]) -> Any:
        name = re.fullmatch(r"name = (['\"])(.*)\1", query.get("filter", ""))
        found = [each for each in self.versions if name is None or each["name"] == name[2]]
        return self._paged("model_versions", found, query)

    def _model_versions_create(self, query: dict[str, Any]) -> Any:
        number = 1 + sum(each["name"] == query["name"] for each in self.versions)
        made = {"version": str(number), "current_stage": "None", "tags": [], **query}
        self.versions.append(made)
        return {"model_version": dict(made)}

    def _version(self, query: dict[str, Any]) -> dict[str, Any]:
        return _one(self.versions, name=query["name"], version=query["version"])

    def _model_versions_update(self, query: dict[str, Any]) -> Any:
        self._version(query)["description"] = query["description"]
        return {}

    def _model_versions_set_tag(self, query: dict[str, Any]) -> Any:
        _set_pairs(self._version(query)["tags"], [query])
        return {}

    def _model_versions_transition_stage(self, query: dict[str, Any]) -> Any:
        self._version(query)["current_stage"] = query["stage"]
        return {}


def _one(items: list[dict[str, Any]], **values: object) -> dict[str, Any]:
    for item in items:
        if all(item.get(key) == value for key, value in values.items()):
            return item
    raise NotFoundError(f"nothing with {values}")


def _texts(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["key"]: pair["value"] for pair in pairs}


def _set_pairs(into: list[dict[str, str]], pairs: Any) -> None:
    texts = _texts(into) | {pair["key"]: pair["value"] for pair in pairs}
    into[:] = [{"key": key, "value": value} for key, value in texts.items()]

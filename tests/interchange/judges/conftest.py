"""The tests of `make test-interchange`: the SDKs and servers of others judge our documents.

Only `-m judge` collects them, because they need an environment of their own. A package that is
missing there fails a test. The packages are imported by functions, so that types can be checked
without them.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from interchange.judges.lm_eval_run import LmEvalRun, run_lm_eval
from interchange.judges.mlflow_runs import Written, write_everything
from interchange.judges.mlflow_server import MlflowServer
from interchange.judges.wandb_run import WandbRun, run_wandb

# The client of MLflow reads it when it is imported.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
# Nothing here comes from a hub.
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real server of MLflow, for all tests of the session: tests name their own experiments."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mlflow_client(mlflow_server: MlflowServer) -> Any:
    """The client of MLflow on the server."""
    return mlflow_server.client()


@pytest.fixture(scope="session")
def mlflow_written(mlflow_server: MlflowServer) -> Written:
    """What MLflow's client wrote to the server: a run, a model and a trace with all content."""
    return write_everything(mlflow_server, "written-by-the-client")


@pytest.fixture(scope="session")
def lm_eval_run(tmp_path_factory: pytest.TempPathFactory) -> LmEvalRun:
    """The files of a real run of lm-evaluation-harness."""
    return run_lm_eval(tmp_path_factory.mktemp("lm_eval"))


@pytest.fixture(scope="session")
def wandb_run(tmp_path_factory: pytest.TempPathFactory) -> WandbRun:
    """The log of a real offline run of W&B."""
    return run_wandb(tmp_path_factory.mktemp("wandb"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the server's log since the test before with a test that failed."""
    report = yield
    server = getattr(item, "funcargs", {}).get("mlflow_server")
    if isinstance(server, MlflowServer) and report.when == "call":
        log = server.new_log()
        if report.failed:
            report.sections.append(("log of the mlflow server", log))
    return report

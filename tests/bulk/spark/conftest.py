"""The tests of `make test-spark`: Spark on this machine.

Only `-m spark` collects them, because they need an environment of their own, and Java.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session with two workers, which `SparkSession.builder.getOrCreate` returns too."""
    if shutil.which("java") is None:
        pytest.fail("Spark needs Java 17 or later: apt-get install default-jre-headless")
    # Else the workers are those of the first python3 in PATH.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.driver.memory": "512m",
        # A worker that is killed is replaced, also on this machine.
        "spark.task.maxFailures": "4",
    }
    session = SparkSession.builder.master("local[2,4]").config(map=settings).getOrCreate()
    yield session
    session.stop()

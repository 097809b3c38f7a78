"""The tests of `make test-ray`: a cluster of Ray on this machine, with two workers.

Only `-m ray` collects them, because they need an environment of their own. Ray is imported by
functions, so that types can be checked without it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest

#: What Ray reads when it is imported, in this process and in those that it starts.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # With 1, it listens on an address that other machines reach.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Without a token, it writes one to the user's folder.
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": token_hex(32),
}
#: The settings of each machine of the cluster.
MACHINE = {
    "include_dashboard": False,
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 80 * 1024 * 1024,
}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster, which this process is connected to."""
    # The names of Ray's sockets are long, and may have 107 characters.
    folder = tmp_path_factory.mktemp("r", numbered=False)
    (folder / "ray").mkdir()
    os.environ |= {**SETTINGS, "RAY_TMPDIR": str(folder)}
    import ray
    import ray.cluster_utils

    cluster: Any = ray.cluster_utils.Cluster()
    try:
        # The first machine runs no task.
        cluster.add_node(num_cpus=0, temp_dir=str(folder / "s"), **MACHINE)
        for _ in range(2):
            cluster.add_node(num_cpus=1, **MACHINE)
        ray.init(address=cluster.address, logging_level=logging.WARNING)
        # The data of Ray log everything.
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        yield cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()

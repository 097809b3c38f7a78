"""A throwaway PostgreSQL cluster on the loopback address, from the binaries of the system."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from exchange.ports import kept_port


def binaries() -> Path | None:
    """Return the folder of the server's programs, which Debian leaves out of the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest else None


class Cluster:
    """A running server."""

    def __init__(self, folder: Path, programs: Path, port: int) -> None:
        self._data = folder / "data"
        self._log = folder / "log"
        self.programs = programs
        self.port = port
        self._count = 0

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        self._count += 1
        name = f"test_{self._count}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://tester@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Create the cluster's files."""
        self._run("initdb", "-D", self._data, "-U", "tester", "-A", "trust", "-E", "UTF8", "-N")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
        options += "-c fsync=off -c max_connections=200"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self._log, "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server, which cuts its connections; `immediate` does not save its files."""
        self._run("pg_ctl", "stop", "-w", "-D", self._data, "-m", mode)

    def _run(self, program: str, *arguments: object) -> None:
        # The server refuses to run as root. Python would change the user in a fork of this process,
        # in which gRPC's handlers of forks fail now and then.
        user = ["runuser", "-u", _unprivileged(), "--"] if os.geteuid() == 0 else []
        subprocess.run(
            [*user, str(self.programs / program), *map(str, arguments)],
            check=True,
            cwd=self._data.parent,
            stdout=subprocess.DEVNULL,
        )


def _unprivileged() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@contextmanager
def running_cluster(programs: Path) -> Iterator[Cluster]:
    """Run a cluster in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="crucible-ir-postgresql-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, _unprivileged())
        cluster = Cluster(folder, programs, kept_port())
        cluster.initialise()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop("immediate")

"""The released Python package uses the exchange of this version, and the reverse.

The package is that of the last commit of its version, from the history of the repository.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from exchange import postgresql

import crucible_ir as ir

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "0.2.0"
VERSION_FILE = "python/crucible_ir/version.py"

#: Publishes and reads documents and feedback with either package, and prints the results.
CALLS = """
import json, sys
import crucible_ir as ir
from crucible_ir.exchange import ExchangeClient

with ExchangeClient(sys.argv[1]) as client:
    version = ir.v1.ModelVersion(id="v", model_id="m", version="1.0.0", metrics={"acc": 0.5})
    published = client.publish(version)
    events = [ir.v1.FeedbackEvent(id=f"e{number}", deployment_id="d") for number in range(3)]
    report = client.ingest(events)
    found = {
        "package": ir.__version__,
        "digest": published.record.digest == ir.digest(version),
        "get": client.get("ModelVersion", "v").content == version,
        "list": [each.record.id for each in client.list_documents("ModelVersion")],
        "ingest": report.accepted,
        "export": [event.id for event in client.export()] == [event.id for event in events],
        "trace": len(client.trace("ModelVersion", "v").nodes),
        "validate": client.validate(version).valid,
    }
    print(json.dumps(found))
"""

#: Reads the documents of a newer client, and prints which of them are valid.
READ_NEWER = """
import json, sys
import crucible_ir as ir
from crucible_ir.exchange import ExchangeClient

with ExchangeClient(sys.argv[1]) as client:
    valid = {}
    for type_, id_ in json.loads(sys.argv[2]):
        valid[id_] = not ir.violations(client.get(type_, id_).document)
    print(json.dumps(valid))
"""

#: Watches after a sequence number, and prints the first event: a gap or a change.
WATCH = """
import json, sys
from crucible_ir.exchange import ExchangeClient, Gap

with ExchangeClient(sys.argv[1]) as client, client.watch(int(sys.argv[2])) as watch:
    first, second = next(watch), next(watch)
    assert isinstance(first, Gap)
    print(json.dumps([first.after_sequence, first.through_sequence, second.record.sequence]))
"""

PROMPT = {"role": "MESSAGE_ROLE_USER", "text": "Is this a cat?"}
#: Documents of this version, some with fields that 0.2.0 does not know, or that it rejects.
NEWER: list[Any] = [
    ir.from_dict({"request_id": "old", "messages": [PROMPT]}, ir.v1.Prompt),
    ir.from_dict({"request_id": "new", "messages": [{**PROMPT, "metadata": {}}]}, ir.v1.Prompt),
    ir.from_dict(
        {"request_id": "role", "messages": [{**PROMPT, "role": "MESSAGE_ROLE_DEVELOPER"}]},
        ir.v1.Prompt,
    ),
    ir.from_dict(
        {"request_id": "silent", "messages": [{"role": "MESSAGE_ROLE_ASSISTANT"}]}, ir.v1.Prompt
    ),
    ir.from_dict({"id": "evaluation", "task": "mmlu"}, ir.v1.EvaluationResult),
]


def id_of(message: Any) -> str:
    return message.id if isinstance(message, ir.v1.EvaluationResult) else message.request_id


def is_read(message: Any) -> bool:
    return ir.requires(message, binary=True) == RELEASE


@pytest.fixture(scope="module")
def old_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the released package."""
    removed = git("log", "-1", "--format=%H", f'-SVERSION = "{RELEASE}"', "--", VERSION_FILE)
    commit = removed.decode().strip()
    if not commit:
        # A shallow clone has no history; test_released_exchange.py needs none.
        pytest.skip(f"the history of the repository does not have the release {RELEASE}")
    folder = tmp_path_factory.mktemp("released")
    with tarfile.open(fileobj=io.BytesIO(git("archive", f"{commit}^", "python"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "python"


def git(*arguments: str) -> bytes:
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return ran.stdout


def environment(package: Path | None) -> dict[str, str]:
    return {**os.environ, **({} if package is None else {"PYTHONPATH": str(package)})}


@contextmanager
def serving(folder: Path, package: Path | None, store: str = "exchange.db") -> Iterator[str]:
    """Serve the exchange of a package, or of this version; yield the address."""
    command = [sys.executable, "-P", "-m", "crucible_ir", "serve", "--listen", "127.0.0.1:0"]
    command += ["--store", store]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(package),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), (folder / "server.log").read_text()
        yield line.split()[2]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def calls(script: str, package: Path | None, *arguments: str) -> Any:
    """Run a script with a package, or with this version; return what it prints."""
    command = [sys.executable, "-P", "-c", script, *arguments]
    return json.loads(subprocess.check_output(command, env=environment(package), text=True))


def expected(package: str) -> dict[str, Any]:
    return {
        "package": package,
        "digest": True,
        "get": True,
        "list": ["v"],
        "ingest": 3,
        "export": True,
        "trace": 2,
        "validate": True,
    }


def test_the_released_client_uses_the_server_of_this_version(
    old_package: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, None) as address:
        assert calls(CALLS, old_package, address) == expected(RELEASE)
        from crucible_ir.exchange import ExchangeClient

        with ExchangeClient(address) as client:
            for message in NEWER:
                client.publish(message)
        keys = [(type(message).__name__, id_of(message)) for message in NEWER]
        read = [key for key in keys if key[1] != "evaluation"]
        valid = calls(READ_NEWER, old_package, address, json.dumps(read))
        assert valid == {
            id_of(message): is_read(message) for message in NEWER if id_of(message) in valid
        }
        assert set(valid.values()) == {True, False}
        with ExchangeClient(address) as client:
            listed = [
                each.record.id
                for type_ in ("Prompt", "EvaluationResult")
                for each in client.list_documents(type_, readable_by=RELEASE)
            ]
        assert sorted(listed) == sorted(id_ for id_, is_valid in valid.items() if is_valid)


def test_the_client_of_this_version_uses_the_released_server(
    old_package: Path, tmp_path: Path
) -> None:
    from crucible_ir.exchange import ExchangeClient, ExchangeError, InvalidDocumentError

    with serving(tmp_path, old_package) as address:
        assert calls(CALLS, None, address) == expected(ir.__version__)
        with ExchangeClient(address) as client:
            for message in NEWER:
                if is_read(message):
                    client.publish(message)
                    assert client.get(type(message), id_of(message)).content == message
                else:
                    with pytest.raises(InvalidDocumentError):
                        client.publish(message)
            # That server ignores the condition.
            with pytest.raises(ExchangeError, match="does not say which release reads"):
                list(client.list_documents("Prompt", readable_by=RELEASE))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a new store, in the folder of the server or in a database."""
    if request.param == "sqlite":
        yield "exchange.db"
        return
    programs = postgresql.binaries()
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed: there is no initdb")
    with postgresql.running_cluster(programs) as cluster:
        yield cluster.create_database()


def test_a_store_of_the_released_server_is_upgraded(
    old_package: Path, tmp_path: Path, store: str
) -> None:
    from crucible_ir.exchange import ExchangeClient

    with serving(tmp_path, old_package, store) as address:
        assert calls(CALLS, old_package, address) == expected(RELEASE)
    with serving(tmp_path, None, store) as address, ExchangeClient(address) as client:
        assert [each.record.id for each in client.list_documents("ModelVersion")] == ["v"]
        assert [event.id for event in client.export()] == ["e0", "e1", "e2"]
        assert len(client.trace("ModelVersion", "v").nodes) == 2
        assert client.get("ModelVersion", "v").record.requires == RELEASE
        assert client.publish(ir.v1.ModelRef(id="m")).record.sequence == 2
    # A server of the older release rejects the store, and says why.
    with (
        pytest.raises(AssertionError, match=r"supports versions up to 3; upgrade crucible-ir"),
        serving(tmp_path, old_package, store),
    ):
        pass


def test_a_released_client_learns_that_the_store_was_restored(
    old_package: Path, tmp_path: Path
) -> None:
    from crucible_ir.exchange import ExchangeClient

    def publish(address: str, *ids: str) -> int:
        with ExchangeClient(address) as client:
            return [client.publish(ir.v1.ModelRef(id=id_)).record.sequence for id_ in ids][-1]

    with serving(tmp_path, None) as address:
        publish(address, "a", "b")
        command(tmp_path, "backup", "exchange.backup")
        publish(address, "c", "d", "e")
    command(tmp_path, "restore", "exchange.backup", "--force")
    with serving(tmp_path, None) as address:
        sequence = publish(address, "f")
        assert calls(WATCH, old_package, address, "5") == [2, sequence - 1, sequence]


def command(folder: Path, *arguments: str) -> None:
    """Run a command of this version in a folder."""
    program = [sys.executable, "-P", "-m", "crucible_ir", *arguments]
    subprocess.run(program, cwd=folder, check=True, stdout=subprocess.DEVNULL)

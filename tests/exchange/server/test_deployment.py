"""The files of `deploy`: a systemd unit, an image and a configuration."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from exchange.ports import kept_port

from crucible_ir.cli.commands.exchange.serve import ENVIRONMENT_PREFIX, command
from crucible_ir.cli.configuration import configurable, variable

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
UNIT = DEPLOY / "crucible-ir.service"


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "exchange.toml"
    shutil.copy(DEPLOY / "exchange.toml", path)
    values = command.make_context("serve", ["--config", str(path)]).params
    for name, value in tomllib.loads(path.read_text()).items():
        assert str(values[name.replace("-", "_")]).removesuffix(" days, 0:00:00") in str(value)


def test_variables_of_the_image_are_options() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    names = set(re.findall(rf"\b{ENVIRONMENT_PREFIX}\w+", text))
    assert names
    assert names <= {variable(ENVIRONMENT_PREFIX, name) for name in configurable(command)}


def test_files_of_the_image_exist() -> None:
    for line in (DEPLOY / "Containerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (DEPLOY.parent / source).exists(), source


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    program = "/opt/crucible-ir/bin/crucible-ir"
    text = UNIT.read_text()
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    start = parser["Service"]["ExecStart"].split()
    assert start[:2] == [program, "serve"]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in start if word.startswith("--")} <= known
    if shutil.which("systemd-analyze") is None:
        return
    # systemd checks that the program exists.
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace(program, str(Path(sys.executable).with_name("crucible-ir"))))
    result = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the abstract namespace")
@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_service_manager_gets_reports(tmp_path: Path, is_abstract: bool) -> None:
    address = f"\0crucible-ir-{kept_port()}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, "-m", "crucible_ir", "serve", "--listen", "127.0.0.1:0"],
            cwd=tmp_path,
            env=os.environ | {"NOTIFY_SOCKET": address.replace("\0", "@")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert manager.recv(100) == b"READY=1"
            # The unit reloads by this signal, which would otherwise end the process.
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.communicate(timeout=10)

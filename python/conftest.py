"""Runs the tests with the sources and the build of this repository."""

import json
import os
import shlex
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = Path(__file__).parent / "src"
PLUGIN = "nanophoto_emulator_pytest.plugin"
COMMAND = f"node {shlex.quote(str(ROOT / 'dist' / 'main.js'))}"

# If the package is installed, pytest has loaded the plugin by now.
IS_INSTALLED = PLUGIN in sys.modules
if not IS_INSTALLED:
    sys.path.insert(0, str(SOURCES))
    # For the processes that tests start.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SOURCES), os.environ.get("PYTHONPATH")]))

pytest_plugins = ["pytester"] if IS_INSTALLED else ["pytester", PLUGIN]

Run = Callable[..., pytest.RunResult]


def pytest_configure(config: pytest.Config) -> None:
    """Replaces the default of the option."""
    config.option.nanophoto_command = config.option.nanophoto_command or COMMAND


@pytest.fixture
def post() -> Callable[[str, dict[str, Any]], Any]:
    """Sends a request as the code under test does: to the emulator that the environment names."""

    def send(path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {os.environ['NANOPHOTO_API_KEY']}", "Content-Type": "application/json"}
        url = os.environ["NANOPHOTO_API_BASE_URL"] + path
        try:
            with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)

    return send


@pytest.fixture
def run_pytest(pytester: pytest.Pytester) -> Run:
    """Runs pytest in a process of its own, on test code and with arguments."""

    def run(code: str, *args: str, command: str = COMMAND) -> pytest.RunResult:
        pytester.makepyfile(code)
        own: list[str] = [] if IS_INSTALLED else ["-p", PLUGIN]
        command_args = ["--nanophoto-command", command] if command else []
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *own, *command_args, *args, timeout=60)

    return run

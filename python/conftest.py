"""Runs the tests with the sources and the build of this repository."""

import importlib.metadata
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

try:
    # An installed package has an entry point, from which pytest loads the plugin.
    importlib.metadata.distribution("nanophoto-emulator-pytest")
    PLUGIN_ARGS = []
except importlib.metadata.PackageNotFoundError:
    PLUGIN_ARGS = ["-p", PLUGIN]
    sys.path.insert(0, str(SOURCES))
    # For the processes that tests start.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SOURCES), os.environ.get("PYTHONPATH")]))

# Arguments of each pytest that a test runs. The plugin of hypothesis, where it is installed, loads hypothesis at the end
# of each run, which takes a second.
PYTEST_ARGS = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", *PLUGIN_ARGS]

pytest_plugins = ["pytester", *([] if PLUGIN in sys.modules else [PLUGIN])]

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
    """Runs pytest on test code, with arguments."""

    def run(code: str, *args: str, command: str = COMMAND, in_process: bool = True) -> pytest.RunResult:
        pytester.makepyfile(code)
        run_it = pytester.runpytest_inprocess if in_process else pytester.runpytest_subprocess
        command_args = ["--nanophoto-command", command] if command else []
        return run_it(*PYTEST_ARGS, *command_args, *args)

    return run

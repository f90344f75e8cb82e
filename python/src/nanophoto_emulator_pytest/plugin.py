"""The pytest plugin: an emulator for the test session, and an account for each test that asks for one."""

import hashlib
import os
import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from . import types as t
from .control import AccountControl, Emulator
from .http import ControlError
from .process import StartError, find_command, running_emulator

DEFAULT_START_TIMEOUT_S = 60.0
MARKER = "nanophoto"
# Maximum number of requests that the report of a failed test lists.
MAX_REPORTED_REQUESTS = 20
MAX_READABLE_CHARACTERS = 100
# The account of a test, which is stored even if another fixture of the test fails.
ACCOUNT = pytest.StashKey[AccountControl]()

# Each option is also a setting of pytest.ini or pyproject.toml: `nanophoto_url`, ...
OPTIONS = {
    "url": "URL of a running emulator to use instead of starting one",
    "admin-token": "admin token of that emulator; default: the variable NANOPHOTO_EMULATOR_ADMIN_TOKEN",
    "command": "command that starts the emulator; default: nanophoto-emulator in node_modules or on PATH",
    "artifacts": "folder for the state, the requests and a summary of the account of each failed test",
    "start-timeout": f"seconds that the start may take; default: {DEFAULT_START_TIMEOUT_S:g}",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Defines the options, each for the command line and for the configuration file."""
    group = parser.getgroup("nanophoto", "NanoPhoto.AI emulator")
    for name, description in OPTIONS.items():
        group.addoption(f"--nanophoto-{name}", metavar=name.split("-")[-1].upper(), help=description)
        parser.addini(_to_ini_name(name), description)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    fields = "key, credits, rate_limit, clock, speed, failure_rate, seed"
    config.addinivalue_line("markers", f"{MARKER}({fields}): settings of the account of the fixture nanophoto")


@pytest.fixture(scope="session")
def nanophoto_emulator(pytestconfig: pytest.Config) -> Iterator[Emulator]:
    """The emulator of the test session. It is started when the first test needs it."""
    url = _read_option(pytestconfig, "url")
    try:
        if url:
            yield _connect(url, _read_option(pytestconfig, "admin-token"))
            return
        command = find_command(_read_option(pytestconfig, "command"), pytestconfig.rootpath)
        with running_emulator(command, pytestconfig.rootpath, _read_timeout(pytestconfig)) as own_url:
            yield Emulator(own_url, _read_option(pytestconfig, "admin-token") or None)
    except StartError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def nanophoto(
    nanophoto_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[AccountControl]:
    """An account of its own for the test, on an auto clock, with the environment variables that lead to it.

    The marker `nanophoto` changes its settings: `@pytest.mark.nanophoto(credits=3)`.
    """
    account = _create_account(nanophoto_emulator, _read_marker(request.node))
    request.node.stash[ACCOUNT] = account
    monkeypatch.setenv("NANOPHOTO_API_BASE_URL", account.base_url)
    monkeypatch.setenv("NANOPHOTO_API_KEY", account.api_key)
    yield account
    # The test may have removed the account, or stopped the emulator.
    with suppress(ControlError):
        account.remove()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Lists the requests of a failed test in its report, and writes its artifacts."""
    report: pytest.TestReport = (yield).get_result()
    account = item.stash.get(ACCOUNT, None)
    # After the teardown, the account no longer exists.
    if report.when != "teardown" and report.failed and account:
        # An error here would end the test session, and is possible: the patches of the test are still in place.
        with suppress(Exception):
            requests = account.requests.list()
            if requests:
                report.sections.append(("requests to the emulator", _describe_requests(requests)))
        artifacts = _read_option(item.config, "artifacts")
        if artifacts:
            report.sections.append(("artifacts of the emulator", _write_artifacts(item, account, artifacts)))


def _to_ini_name(option: str) -> str:
    return f"nanophoto_{option.replace('-', '_')}"


def _read_option(config: pytest.Config, name: str) -> str:
    value = config.getoption(_to_ini_name(name)) or config.getini(_to_ini_name(name))
    return str(value or "")


def _read_timeout(config: pytest.Config) -> float:
    text = _read_option(config, "start-timeout") or str(DEFAULT_START_TIMEOUT_S)
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = 0
    # Not more than a day: larger numbers do not fit into the timers of every system.
    if not 0 < timeout_s <= 86_400:
        raise StartError(f'--nanophoto-start-timeout must be a number of seconds above 0, at most 86400, not "{text}".')
    return timeout_s


def _connect(url: str, admin_token: str) -> Emulator:
    emulator = Emulator(url, admin_token or os.environ.get("NANOPHOTO_EMULATOR_ADMIN_TOKEN"))
    try:
        # An operation that needs the admin token.
        emulator.faults.list()
    except ControlError as error:
        if error.status == 401:
            raise StartError(f"{url} needs an admin token; pass --nanophoto-admin-token.") from None
        raise StartError(f"{url} cannot be used: {error}") from None
    return emulator


def _read_marker(item: pytest.Item) -> dict[str, Any]:
    """Merges the markers of the test, its class and its module; the innermost has precedence."""
    settings: dict[str, Any] = {"clock": "auto"}
    for marker in reversed(list(item.iter_markers(MARKER))):
        if marker.args:
            pytest.fail(f"The marker {MARKER} takes keyword arguments only, such as credits=3.", pytrace=False)
        settings.update(marker.kwargs)
    return settings


def _create_account(emulator: Emulator, settings: dict[str, Any]) -> AccountControl:
    try:
        return emulator.accounts.create(**settings)
    except (ControlError, TypeError) as error:
        pytest.fail(f"The account of the test cannot be created: {error}", pytrace=False)


def _write_artifacts(item: pytest.Item, account: AccountControl, artifacts: str) -> str:
    """Returns where the artifacts are, or why there are none."""
    folder = item.config.rootpath / artifacts / to_folder_name(f"{item.nodeid} {account.api_key}")
    try:
        account.write_artifacts(folder)
    # The patches of the test are still in place, so any error is possible.
    except Exception as error:
        return f"Artifacts cannot be written: {error}"
    return str(folder)


def to_folder_name(name: str) -> str:
    """Turns a name into that of a folder, as the npm package does. A hash distinguishes similar names."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).lstrip(".-")[:MAX_READABLE_CHARACTERS]
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{readable or 'account'}-{digest}"


def _describe_requests(requests: list[t.JournalEntry]) -> str:
    hidden = len(requests) - MAX_REPORTED_REQUESTS
    lines = [f"({hidden} earlier requests)"] if hidden > 0 else []
    return "\n".join(lines + [_describe_request(entry) for entry in requests[-MAX_REPORTED_REQUESTS:]])


def _describe_request(entry: t.JournalEntry) -> str:
    status = "no response" if entry["status"] is None else str(entry["status"])
    notes = [entry["errorCode"], entry["fault"] and f"fault: {entry['fault']}", *entry["warnings"]]
    return f"{entry['method']} {entry['path']} -> {', '.join([status, *filter(None, notes)])}"

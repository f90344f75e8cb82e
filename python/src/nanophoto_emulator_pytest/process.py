"""Starts an emulator in a process of its own."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Optional

# The oldest Node.js that the emulator supports, and the oldest emulator that this package supports.
MIN_NODE_VERSION = (20, 19)
MIN_EMULATOR_VERSION = (0, 1, 0)

PROGRAM = "nanophoto-emulator"
SETTING_PREFIX = "NANOPHOTO_EMULATOR_"
# Programs that run Node.js, so that a failed start may be due to its version.
NODE_LAUNCHERS = (PROGRAM, "node", "npm", "npx", "pnpm", "yarn")
STOP_TIMEOUT_S = 10.0
MAX_LAST_LINES = 20
MAX_LINE_CHARACTERS = 10_000
SUPERVISOR = Path(__file__).with_name("supervisor.py")


class StartError(Exception):
    """A sentence that says why the emulator cannot be used, followed by the last lines of its output, if any."""


def find_command(option: str, folder: Path) -> list[str]:
    """Returns the command of the option, or by default the emulator in node_modules of a parent folder, or on PATH.

    Raises StartError if there is none. Nothing is downloaded, unlike with `npx`: a test run needs a known version.
    """
    if option:
        try:
            program, *arguments = shlex.split(option, posix=os.name != "nt") or [""]
        except ValueError as error:
            raise StartError(f'The command "{option}" of --nanophoto-command cannot be parsed: {error}.') from None
        # The command runs in the folder, so that its paths may be relative to it.
        found = shutil.which(str(folder / program) if os.path.dirname(program) else program)
        if found is None:
            raise StartError(f'The command "{option}" of --nanophoto-command was not found; check its name or path.')
        return [found, *arguments]
    bins = [str(parent / "node_modules" / ".bin") for parent in (folder, *folder.parents)]
    found = shutil.which(PROGRAM, path=os.pathsep.join([*bins, os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise StartError(
            f"{PROGRAM} was found neither in node_modules of {folder} or its parent folders nor on PATH; "
            "install it with npm, or pass --nanophoto-command or --nanophoto-url."
        )
    return [found]


@contextmanager
def running_emulator(command: list[str], folder: Path, timeout_s: float) -> Generator[str, None, None]:
    """Starts an emulator on a free port, yields its URL, and stops it at the end.

    Raises StartError if it is not ready within `timeout_s`, or ends before it is stopped.
    """
    process = subprocess.Popen(
        # Isolated and without site packages, which would take longer to start.
        [sys.executable, "-I", "-S", str(SUPERVISOR), *command, "--port", "0"],
        cwd=folder,
        env=_emulator_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Ctrl-C is for the tests alone: the emulator stops after their clean-up.
        start_new_session=True,
    )
    output = _Output(process)
    try:
        yield _wait_for_url(output, command, timeout_s)
        if output.exit_code is not None:
            sentence = f'"{shlex.join(command)}" ended with exit code {output.exit_code} during the tests.'
            raise StartError(_with_last_lines(sentence, output))
    finally:
        assert process.stdin is not None
        # A byte: the pipe does not end while a process that the tests have forked holds it open, too.
        with suppress(OSError), process.stdin as supervisor_input:
            supervisor_input.write(b"\n")
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _emulator_environment() -> dict[str, str]:
    """Settings of the shell must not change the tests. Flags of the command override these two."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIX)}
    return {**own, f"{SETTING_PREFIX}CLOCK": "auto", f"{SETTING_PREFIX}LOG_LEVEL": "warn"}


class _Output:
    """Reads the output of the emulator until it ends, so that the emulator never waits for a reader."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.ready_line: Optional[dict[str, Any]] = None
        self.last_lines: deque[str] = deque(maxlen=MAX_LAST_LINES)
        self.exit_code: Optional[int] = None
        #: Set when the emulator is ready or has ended.
        self.is_settled = threading.Event()
        self._process = process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in iter(lambda: stream.readline(MAX_LINE_CHARACTERS), b""):
                text = line.decode(errors="replace").rstrip()
                if self.ready_line is None and text.startswith("{"):
                    self.ready_line = _parse_ready_line(text)
                    if self.ready_line is not None:
                        self.is_settled.set()
                if text:
                    self.last_lines.append(text)
        self.exit_code = self._process.wait()
        self.is_settled.set()


def _parse_ready_line(text: str) -> Optional[dict[str, Any]]:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("url"), str) else None


def _wait_for_url(output: _Output, command: list[str], timeout_s: float) -> str:
    name = shlex.join(command)
    if not output.is_settled.wait(timeout_s):
        sentence = f'"{name}" was not ready within {timeout_s:g} s; raise --nanophoto-start-timeout.'
        raise StartError(_with_last_lines(sentence, output))
    if output.ready_line is None:
        sentence = (
            _find_node_problem(command) or f'"{name}" ended with exit code {output.exit_code} before it was ready.'
        )
        raise StartError(_with_last_lines(sentence, output))
    version = str(output.ready_line.get("version"))
    if _parse_version(version) < MIN_EMULATOR_VERSION:
        required = ".".join(map(str, MIN_EMULATOR_VERSION))
        raise StartError(f'"{name}" is version {version} of the emulator; {required} or later is needed.')
    url: str = output.ready_line["url"]
    return url


def _find_node_problem(command: list[str]) -> Optional[str]:
    """Returns a sentence if Node.js is missing or too old."""
    if Path(command[0]).stem not in NODE_LAUNCHERS:
        return None
    required = ".".join(map(str, MIN_NODE_VERSION))
    node = shutil.which("node")
    if node is None:
        return f"Node.js was not found on PATH; the emulator needs {required} or later."
    try:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    if _parse_version(version) >= MIN_NODE_VERSION:
        return None
    return f"Node.js {version.strip()} is too old; the emulator needs {required} or later."


def _parse_version(text: str) -> tuple[int, ...]:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()


def _with_last_lines(sentence: str, output: _Output) -> str:
    if not output.last_lines:
        return sentence
    return "\n".join([sentence, "The last lines of the output:", *(f"  {line}" for line in output.last_lines)])

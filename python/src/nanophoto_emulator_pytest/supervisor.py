"""Runs a command until standard input has a byte or ends. It also ends when the parent process is killed.

Usage: python supervisor.py COMMAND [ARGUMENT ...]
"""

import os
import signal
import subprocess
import sys
import threading
import time

# How long the command may take to stop before it is killed.
STOP_TIMEOUT_S = 5.0


def run(command: list[str]) -> int:
    """Runs the command and returns its exit code."""
    # A process group of its own: the command may be a script such as npx, which does not forward signals.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_stop_on_input, args=(child.pid,), daemon=True).start()
    code = child.wait()
    # Processes that the command left behind would keep the port and the output open.
    _end_group(child.pid, force=True)
    return code if code >= 0 else 128 - code


def _stop_on_input(pid: int) -> None:
    os.read(0, 1)
    _end_group(pid, force=False)
    time.sleep(STOP_TIMEOUT_S)
    _end_group(pid, force=True)


def _end_group(pid: int, *, force: bool) -> None:
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(pid)], capture_output=True, check=False)
    else:
        try:
            os.killpg(pid, signal.SIGKILL if force else signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            # The group has ended. macOS reports a group of zombies as PermissionError.
            pass


if __name__ == "__main__":
    try:
        exit_code = run(sys.argv[1:])
    except OSError as error:
        print(f"{sys.argv[1]} cannot be started: {error.strerror}", file=sys.stderr, flush=True)
        exit_code = 127
    # Not sys.exit, which would wait for the thread that reads standard input.
    os._exit(exit_code)

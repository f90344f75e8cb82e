"""An emulator for a test session, using only the standard library. Put this file next to your tests."""
import json
import os
import signal
import subprocess
import urllib.request
import uuid

import pytest

# If it is not installed in the project: ["node", "/path/to/nanophoto-emulator/dist/main.js"]
COMMAND = json.loads(os.environ.get("NANOPHOTO_EMULATOR_COMMAND", '["npx", "nanophoto-emulator"]'))


@pytest.fixture(scope="session")
def emulator_url():
    """The URL of an emulator that runs for the whole test session."""
    command = [*COMMAND, "--port", "0", "--clock", "auto"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        # The first log line contains the URL.
        yield json.loads(process.stdout.readline())["url"]
    finally:
        # npx does not forward signals.
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=10)


@pytest.fixture
def api_key(emulator_url):
    """A separate key for the test, with ten credits."""
    key = f"np_test_{uuid.uuid4()}"
    body = json.dumps({"key": key, "credits": 10}).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{emulator_url}/__admin/accounts", body, headers)).close()
    return key

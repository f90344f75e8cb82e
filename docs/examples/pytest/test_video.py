"""Tests that never sleep, with the standard library alone. Run with pytest, or with python3 where there is none."""
import json
import os
import time
import urllib.error
import urllib.request
import uuid

BASE_URL = os.environ.get("NANOPHOTO_API_BASE_URL", "http://127.0.0.1:6266")


def call(method, path, body=None, key=None):
    """One request; answers the status and the JSON."""
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE_URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def make_image(key, prompt, wait_seconds=3):
    """The code under test: what an application would have. It knows nothing of the emulator."""
    _, job = call("POST", "/api/nano-banana-2/generate", {"prompt": prompt, "mode": "generate"}, key)
    if not job.get("success"):
        raise RuntimeError(job["errorCode"])
    while True:
        _, status = call("POST", "/api/nano-banana-2/check-status", {"generationId": job["generationId"]}, key)
        if status["status"] == "completed":
            return status["imageUrl"]
        if status["status"] == "failed":
            raise RuntimeError(status["error"])
        time.sleep(wait_seconds)


def control(method, path, body=None):
    return call(method, "/__admin/accounts" + path, body)[1]


def account(**own):
    """A key of the test's own, on a clock that each poll moves to the next step."""
    key = f"np_test_{uuid.uuid4()}"
    control("POST", "", {"key": key, "credits": 10, "clock": "auto", **own})
    return key


def test_returns_the_url_and_pays():
    key = account()
    assert make_image(key, "A cat at the piano", wait_seconds=0).endswith(".jpg")
    ledger = control("GET", f"/{key}/ledger")
    assert [entry["kind"] for entry in ledger["entries"]] == ["grant", "hold", "capture"]
    assert ledger["balance"] == 6


def test_a_failed_image_is_refunded():
    key = account()
    try:
        make_image(key, "A cat @emulator(fail)", wait_seconds=0)
        raise AssertionError("no error was raised")
    except RuntimeError as error:
        assert str(error) == "Generation failed"
    assert control("GET", f"/{key}")["credits"] == 10


def test_the_hundred_and_first_request_is_refused():
    key = account()
    control("PUT", f"/{key}/rate-limit", {"limit": 100, "remaining": 0})
    try:
        make_image(key, "A cat", wait_seconds=0)
        raise AssertionError("no error was raised")
    except RuntimeError as error:
        assert str(error) == "API_KEY_RATE_LIMIT_EXCEEDED"
    control("POST", f"/{key}/clock/advance", {"ms": 3_600_000})
    assert make_image(key, "A cat", wait_seconds=0)


def test_has_manners():
    key = account()
    make_image(key, "A cat", wait_seconds=0)
    assert control("GET", f"/{key}/verdict") == {"ok": True, "findings": []}


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"passed: {name}")

"""Tests that never sleep, using only the standard library. Run with pytest, or directly with python3."""
import json
import os
import time
import urllib.error
import urllib.request
import uuid

BASE_URL = os.environ.get("NANOPHOTO_API_BASE_URL", "http://127.0.0.1:6266")


def call(method, path, body=None, key=None):
    """Sends a request and returns the status and the JSON."""
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


def make_image(key, prompt, wait=time.sleep):
    """The code under test, as in an application: it does not know about the emulator. How it waits is a parameter."""
    _, job = call("POST", "/api/nano-banana-2/generate", {"prompt": prompt, "mode": "generate"}, key)
    if not job.get("success"):
        raise RuntimeError(job["errorCode"])
    while True:
        _, status = call("POST", "/api/nano-banana-2/check-status", {"generationId": job["generationId"]}, key)
        if not status["success"]:
            raise RuntimeError(status.get("errorCode", status["error"]))
        if status["status"] == "completed":
            return status["imageUrl"]
        wait(3)


def control(method, path, body=None):
    return call(method, "/__admin/accounts" + path, body)[1]


def account(**own):
    """A separate key for the test, on a clock that each poll advances to the next step."""
    key = f"np_test_{uuid.uuid4()}"
    control("POST", "", {"key": key, "credits": 10, "clock": "auto", **own})
    return key


def no_wait(seconds):
    """For an auto clock, where each poll advances to the next step."""


def test_returns_the_url_and_is_charged():
    key = account()
    assert make_image(key, "A cat at the piano", no_wait).endswith(".jpg")
    ledger = control("GET", f"/{key}/ledger")
    assert [entry["kind"] for entry in ledger["entries"]] == ["grant", "hold", "capture"]
    assert ledger["balance"] == 6


def test_a_failed_image_is_refunded():
    key = account()
    try:
        make_image(key, "A cat @emulator(fail)", no_wait)
        raise AssertionError("no error was raised")
    except RuntimeError as error:
        assert str(error) == "Generation failed"
    assert control("GET", f"/{key}")["credits"] == 10


def test_a_request_over_the_rate_limit_is_refused():
    key = account()
    control("PUT", f"/{key}/rate-limit", {"limit": 100, "remaining": 0})
    try:
        make_image(key, "A cat", no_wait)
        raise AssertionError("no error was raised")
    except RuntimeError as error:
        assert str(error) == "API_KEY_RATE_LIMIT_EXCEEDED"
    control("POST", f"/{key}/clock/advance", {"ms": 3_600_000})
    assert make_image(key, "A cat", no_wait)


def test_polls_every_three_seconds_and_passes_the_verdict():
    key = account(clock="frozen")

    def wait(seconds):
        """Advances the clock instead of waiting."""
        control("POST", f"/{key}/clock/advance", {"ms": seconds * 1000})

    make_image(key, "A cat @emulator(duration=12s)", wait)
    assert control("GET", f"/{key}/requests/count?path=/api/nano-banana-2/check-status") == {"count": 5}
    assert control("GET", f"/{key}/verdict") == {"ok": True, "findings": []}


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"passed: {name}")

"""The code under test, as in an application: it does not know about the emulator. How it waits is a parameter."""

import json
import os
import time
import urllib.error
import urllib.request


class ApiError(Exception):
    """An error code of the API."""


def call(path, body):
    """Sends a request to the API and returns the JSON of the response."""
    url = os.environ.get("NANOPHOTO_API_BASE_URL", "https://nanophoto.ai") + path
    headers = {"Authorization": f"Bearer {os.environ['NANOPHOTO_API_KEY']}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise ApiError(json.load(error)["errorCode"]) from None


def make_video(prompt, sleep=time.sleep):
    """Returns the URL of a new video."""
    job = call("/api/sora-2/generate", {"prompt": prompt, "mode": "textToVideo"})
    while True:
        sleep(5)
        status = call("/api/sora-2/check-status", {"taskId": job["taskId"]})
        if status["status"] == "completed":
            return status["videoUrl"]
        if status["status"] == "failed":
            raise ApiError(status["errorCode"])

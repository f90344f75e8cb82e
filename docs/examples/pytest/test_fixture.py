import json
import urllib.request


def post(url, key, body):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as response:
        return json.load(response)


def test_a_video_is_charged(emulator_url, api_key):
    job = post(f"{emulator_url}/api/sora-2/generate", api_key, {"prompt": "A cat", "mode": "textToVideo"})
    status = post(f"{emulator_url}/api/sora-2/check-status", api_key, {"taskId": job["taskId"]})
    assert status["status"] == "completed"
    with urllib.request.urlopen(status["videoUrl"]) as video:
        assert video.headers["content-type"] == "video/mp4"
    with urllib.request.urlopen(f"{emulator_url}/__admin/accounts/{api_key}") as account:
        assert json.load(account)["credits"] == 6

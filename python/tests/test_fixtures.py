"""The fixtures, against a running emulator."""

import json
import os
import time
from fnmatch import fnmatch

import pytest
from conftest import COMMAND
from nanophoto_emulator_pytest.plugin import to_folder_name

VIDEO = {"prompt": "A cat", "mode": "textToVideo"}
GENERATE = "/api/sora-2/generate"
CHECK = "/api/sora-2/check-status"


def test_the_environment_leads_to_the_account(nanophoto):
    assert os.environ["NANOPHOTO_API_BASE_URL"] == nanophoto.base_url
    assert os.environ["NANOPHOTO_API_KEY"] == nanophoto.api_key


def test_a_poll_completes_the_task(nanophoto, post):
    task_id = post(GENERATE, VIDEO)["taskId"]
    assert post(CHECK, {"taskId": task_id})["status"] == "completed"
    assert nanophoto.tasks.file(task_id, "videoUrl")[4:8] == b"ftyp"
    nanophoto.assert_spent(4)
    nanophoto.assert_balance(996)
    nanophoto.assert_well_behaved()
    assert (nanophoto.spent, nanophoto.balance) == (4, 996)


def test_fail_next_fails_the_next_task_only(nanophoto, post):
    nanophoto.fail_next()
    statuses = [post(CHECK, {"taskId": post(GENERATE, VIDEO)["taskId"]})["status"] for _ in range(2)]
    assert statuses == ["failed", "completed"]
    nanophoto.assert_spent(4)


def test_fail_next_with_a_code_rejects_the_next_request_only(nanophoto, post):
    nanophoto.fail_next("API_KEY_RATE_LIMIT_EXCEEDED", match={"family": "sora-2"})
    assert post(GENERATE, VIDEO)["errorCode"] == "API_KEY_RATE_LIMIT_EXCEEDED"
    nanophoto.assert_spent(0)
    assert post(GENERATE, VIDEO)["success"]


def test_the_rate_limit_ends_after_an_hour_of_sleep(nanophoto, post):
    nanophoto.rate_limit(remaining=0)
    assert post(GENERATE, VIDEO)["errorCode"] == "API_KEY_RATE_LIMIT_EXCEEDED"
    nanophoto.sleep(3600)
    assert post(GENERATE, VIDEO)["success"]
    nanophoto.assert_well_behaved()


@pytest.mark.nanophoto(clock={"mode": "frozen", "now": "2030-01-01T00:00:00.000Z"})
def test_sleep_advances_the_clock_by_at_least_the_given_time(nanophoto):
    nanophoto.sleep(2.5)
    assert nanophoto.get()["clock"]["now"] == "2030-01-01T00:00:02.500Z"
    nanophoto.sleep(0.0001)
    assert nanophoto.get()["clock"]["now"] == "2030-01-01T00:00:02.501Z"


def test_sleep_can_replace_the_one_of_the_time_module(nanophoto, monkeypatch):
    monkeypatch.setattr(time, "sleep", nanophoto.sleep)
    before = nanophoto.get()["clock"]["now"]
    time.sleep(3600)
    assert nanophoto.get()["clock"]["now"] > before


@pytest.mark.nanophoto(credits=3, speed=2)
class TestMarker:
    """The marker of a class, and of a test in it."""

    def test_sets_the_account_of_each_test(self, nanophoto):
        assert nanophoto.balance == 3
        assert nanophoto.get()["clock"]["mode"] == "auto"

    @pytest.mark.nanophoto(key="np_test_fixed", clock="frozen", credits=2, rate_limit=None, seed=7)
    def test_is_overridden_by_the_marker_of_a_test(self, nanophoto):
        account = nanophoto.get()
        assert (account["key"], account["credits"], account["speed"]) == ("np_test_fixed", 2, 2)
        assert (account["clock"]["mode"], account["rateLimit"]["limit"], account["seed"]) == ("frozen", None, "7")


def test_each_test_has_an_account_and_all_share_the_emulator(run_pytest):
    result = run_pytest("""
        seen = []

        def test_one(nanophoto, nanophoto_emulator):
            seen.append((nanophoto.api_key, nanophoto.base_url))
            nanophoto.credit(-1000)
            assert nanophoto_emulator.url == nanophoto.base_url

        def test_two(nanophoto, nanophoto_emulator):
            key, url = seen[0]
            assert key != nanophoto.api_key and url == nanophoto.base_url
            assert nanophoto.balance == 1000
            assert key not in [account["key"] for account in nanophoto_emulator.accounts.list()]

        def test_three(monkeypatch):
            import os
            assert "NANOPHOTO_API_KEY" not in os.environ
    """)
    result.assert_outcomes(passed=3)


def test_settings_of_the_shell_do_not_change_the_emulator(run_pytest, monkeypatch):
    monkeypatch.setenv("NANOPHOTO_EMULATOR_RATE_LIMIT", "5")
    monkeypatch.setenv("NANOPHOTO_EMULATOR_ADMIN_TOKEN", "secret-token")
    monkeypatch.setenv("NANOPHOTO_EMULATOR_LOG_LEVEL", "silent")
    monkeypatch.setenv("NANOPHOTO_EMULATOR_UNKNOWN", "x")
    monkeypatch.setenv("PORT", "none")
    code = "def test_one(nanophoto): assert nanophoto.get()['rateLimit']['limit'] == 100"
    run_pytest(code).assert_outcomes(passed=1)


def test_flags_of_the_command_change_the_emulator(run_pytest):
    code = "def test_one(nanophoto_emulator): assert nanophoto_emulator.accounts.create().get()['speed'] == 7"
    run_pytest(code, command=f"{COMMAND} --speed 7 --log-level trace --port 1").assert_outcomes(passed=1)


def test_a_failed_test_lists_its_requests(nanophoto_emulator, run_pytest):
    code = """
        import urllib.error, urllib.request

        def test_one(nanophoto):
            for _ in range(22):
                headers = {"Authorization": f"Bearer {nanophoto.api_key}", "Content-Type": "application/json"}
                request = urllib.request.Request(nanophoto.base_url + "/api/veo-3/generate", b"{}", headers)
                try:
                    urllib.request.urlopen(request)
                except urllib.error.HTTPError:
                    pass
            nanophoto.assert_spent(1)
    """
    result = run_pytest(code, "--nanophoto-url", nanophoto_emulator.url)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: Expected the spent credits to be 1, but they are 0.",
            "*requests to the emulator*",
            "(2 earlier requests)",
            *["POST /api/veo-3/generate -> 400, SHOTS_REQUIRED"] * 20,
        ]
    )


def test_a_failed_test_leaves_artifacts(nanophoto_emulator, run_pytest, pytester):
    result = run_pytest(
        """
        import os, pytest, urllib.request

        def submit(nanophoto):
            headers = {"Authorization": f"Bearer {nanophoto.api_key}", "Content-Type": "application/json"}
            body = b'{"prompt":"A cat","mode":"textToVideo"}'
            urllib.request.urlopen(urllib.request.Request(nanophoto.base_url + "/api/sora-2/generate", body, headers))

        @pytest.fixture
        def broken(nanophoto):
            submit(nanophoto)
            raise ValueError

        def test_passes(nanophoto):
            submit(nanophoto)

        @pytest.mark.parametrize("name", ["a/../b", "a ~~ b"])
        @pytest.mark.nanophoto(key="np_test_fixed")
        def test_fails(nanophoto, name):
            os.chdir("/")
            submit(nanophoto)
            nanophoto.assert_spent(1)

        def test_fails_in_a_fixture(broken):
            pass
        """,
        *["--nanophoto-artifacts", "made/artifacts", "--nanophoto-url", nanophoto_emulator.url],
    )
    result.assert_outcomes(passed=1, failed=2, errors=1)
    folders = sorted((pytester.path / "made" / "artifacts").iterdir())
    result.stdout.fnmatch_lines([f"{folders[0]}"])
    names = ["fails-a-..-b-np_test_fixed-*", "fails-a-b-np_test_fixed-*", "fails_in_a_fixture-np_*"]
    pattern = "test_a_failed_test_leaves_artifacts.py-test_{}"
    assert [fnmatch(folder.name, pattern.format(name)) for folder, name in zip(folders, names)] == [True] * 3
    for folder in folders:
        state = json.loads((folder / "account.json").read_text())
        if os.name == "posix":
            assert (folder / "account.json").stat().st_mode & 0o777 == 0o600
        assert [task["status"] for task in state["tasks"]] == ["processing"]
        assert [request["path"] for request in state["requests"]] == [GENERATE]
        assert state["verdict"]["ok"] is True
        assert len(json.loads((folder / "requests.har").read_text())["log"]["entries"]) == 1
        summary = (folder / "summary.md").read_text()
        assert "## Requests: 1\n" in summary and "npx nanophoto-emulator open ." in summary


def test_folders_of_artifacts_have_the_same_names_as_in_the_npm_package():
    name = "tests/test_a.py::test_b[é] np_test_1"
    assert to_folder_name(name) == "tests-test_a.py-test_b-np_test_1-a757611f"
    assert to_folder_name("..").startswith("account-")


def test_artifacts_that_cannot_be_written_do_not_hide_the_failure(nanophoto_emulator, run_pytest, pytester):
    (pytester.path / "file").touch()
    code = "def test_one(nanophoto): assert False, 'the reason'"
    result = run_pytest(code, "--nanophoto-artifacts", "file", "--nanophoto-url", nanophoto_emulator.url)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: the reason*", "Artifacts cannot be written: *file*"])


def test_a_failed_test_is_reported_when_the_account_is_gone(nanophoto_emulator, run_pytest):
    code = """
        def test_one(nanophoto):
            nanophoto.remove()
            assert False, "the reason"
    """
    result = run_pytest(code, "--nanophoto-url", nanophoto_emulator.url)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: the reason*"])


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        ("credits=-1", "*The account of the test cannot be created: *credits*"),
        ("credit=3", "*The account of the test cannot be created: *unexpected keyword argument 'credit'*"),
        ("3", "*The marker nanophoto takes keyword arguments only, such as credits=3.*"),
    ],
)
def test_an_invalid_marker_is_reported_in_one_sentence(nanophoto_emulator, run_pytest, marker, sentence):
    code = f"import pytest\n@pytest.mark.nanophoto({marker})\ndef test_one(nanophoto): pass"
    result = run_pytest(code, "--strict-markers", "--nanophoto-url", nanophoto_emulator.url)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([sentence])
    result.stdout.no_fnmatch_line("*plugin.py*")


def test_each_worker_of_xdist_has_an_emulator(run_pytest, pytester):
    pytest.importorskip("xdist")
    code = """
        import pathlib

        def test_one(nanophoto, worker_id):
            pathlib.Path(worker_id).write_text(nanophoto.base_url)
    """
    result = run_pytest(code, "--dist=each", "--tx=2*popen", in_process=False)
    result.assert_outcomes(passed=2)
    assert (pytester.path / "gw0").read_text() != (pytester.path / "gw1").read_text()

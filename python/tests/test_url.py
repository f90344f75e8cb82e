"""The option for a running emulator."""

import shlex
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from conftest import COMMAND, ROOT
from nanophoto_emulator_pytest.process import running_emulator

CODE = "def test_one(nanophoto): nanophoto.assert_balance(1000)"


@pytest.fixture(scope="module")
def guarded_url():
    """The URL of an emulator with the admin token `secret-token`."""
    with running_emulator([*shlex.split(COMMAND), "--admin-token", "secret-token"], ROOT, 60) as url:
        yield url


def test_uses_the_running_emulator(nanophoto_emulator, run_pytest):
    code = f"def test_one(nanophoto): assert nanophoto.base_url == {nanophoto_emulator.url!r}"
    run_pytest(code, "--nanophoto-url", f"{nanophoto_emulator.url}/", command="").assert_outcomes(passed=1)


def test_can_be_set_in_the_configuration_file(nanophoto_emulator, run_pytest, pytester):
    pytester.makeini(f"[pytest]\nnanophoto_url = {nanophoto_emulator.url}")
    code = f"def test_one(nanophoto): assert nanophoto.base_url == {nanophoto_emulator.url!r}"
    run_pytest(code, command="").assert_outcomes(passed=1)


def test_takes_the_admin_token_from_an_option_or_the_environment(guarded_url, run_pytest, monkeypatch):
    result = run_pytest(CODE, "--nanophoto-url", guarded_url, "--nanophoto-admin-token", "secret-token")
    result.assert_outcomes(passed=1)
    monkeypatch.setenv("NANOPHOTO_EMULATOR_ADMIN_TOKEN", "secret-token")
    run_pytest(CODE, "--nanophoto-url", guarded_url).assert_outcomes(passed=1)


def test_a_missing_admin_token_is_reported_in_one_sentence(guarded_url, run_pytest, monkeypatch):
    monkeypatch.delenv("NANOPHOTO_EMULATOR_ADMIN_TOKEN", raising=False)
    result = run_pytest(CODE, "--nanophoto-url", guarded_url)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"{guarded_url} needs an admin token; pass --nanophoto-admin-token."])


def test_a_redirect_is_not_followed(run_pytest):
    paths = []

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path.partition("?")[0])
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Redirect) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        result = run_pytest(CODE, "--nanophoto-url", url, "--nanophoto-admin-token", "secret-token")
        server.shutdown()
    result.assert_outcomes(errors=1)
    sentence = f"{url} cannot be used: {url} is not an emulator: it redirects to another address."
    result.stdout.fnmatch_lines([sentence])
    assert paths == ["/__admin/faults"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "127.0.0.1", "ftp://127.0.0.1:1", "http://[", " \t "])
def test_a_url_without_an_emulator_is_reported_in_one_sentence(run_pytest, url):
    result = run_pytest(CODE, "--nanophoto-url", url)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cannot be used: No emulator responds at*"])

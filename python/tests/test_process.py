"""Starting and stopping an emulator."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import COMMAND, PYTEST_ARGS, ROOT
from nanophoto_emulator_pytest import process
from nanophoto_emulator_pytest.process import StartError, find_command, running_emulator

PYTHON = sys.executable
READY = 'print(\'{"url": "http://127.0.0.1:1", "version": "9.0.0"}\', flush=True)'
# Without the wait, the program could end before `running_emulator` returns, which would be an error.
RUN = f"{READY}; import time; time.sleep(60)"


def start(code, timeout_s=20.0):
    """Starts a Python program in place of the emulator and returns its URL."""
    with running_emulator([PYTHON, "-c", code], Path.cwd(), timeout_s) as url:
        return url


def read_error(code, timeout_s=20.0):
    with pytest.raises(StartError) as error:
        start(code, timeout_s)
    return str(error.value).split("\n")


def is_running(pid):
    """A killed process is a zombie until its parent has waited for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met within a minute"
        time.sleep(0.02)


linux_only = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def test_the_ready_line_may_follow_other_lines():
    assert start(f"print('> start'); print('{{}}'); print('{{no json'); print('[1]'); {RUN}") == "http://127.0.0.1:1"


def test_output_after_the_ready_line_does_not_block_the_emulator(tmp_path):
    done = tmp_path / "done"
    code = f"import time; {READY}; [print('x' * 1000) for _ in range(3000)]; open({str(done)!r}, 'w'); time.sleep(60)"
    with running_emulator([PYTHON, "-c", code], tmp_path, 20):
        wait_until(done.exists)


def test_a_failed_start_has_the_exit_code_and_the_last_lines():
    first, second, *lines = read_error("import sys; print(*range(50), sep='\\n', flush=True); sys.exit('no port')")
    assert first.startswith(f'"{PYTHON} -c ') and first.endswith('" ended with exit code 1 before it was ready.')
    assert second == "The last lines of the output:"
    assert lines == [f"  {number}" for number in range(31, 50)] + ["  no port"]


def test_a_failed_start_without_output_is_reported_in_one_sentence():
    (sentence,) = read_error("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert sentence.endswith("ended with exit code 137 before it was ready.")


def test_an_emulator_that_ends_during_the_tests_is_reported(tmp_path):
    code = f"import sys; {READY}; sys.exit('out of memory')"
    threads = set(threading.enumerate())
    with pytest.raises(StartError) as error, running_emulator([PYTHON, "-c", code], tmp_path, 20):
        # The thread that reads the output ends when it has noted the exit code.
        wait_until(lambda: set(threading.enumerate()) <= threads)
    first, _, *lines = str(error.value).split("\n")
    assert first.endswith("ended with exit code 1 during the tests.")
    assert lines[-1] == "  out of memory"


def test_a_start_that_takes_too_long_ends():
    first, _, *lines = read_error("import time; print('loading', flush=True); time.sleep(60)", 1)
    assert first.endswith("was not ready within 1 s; raise --nanophoto-start-timeout.")
    assert lines == ["  loading"]


def test_an_emulator_that_is_too_old_is_reported_in_one_sentence():
    for version, shown in [('"0.0.9"', "0.0.9"), ("null", "None")]:
        (sentence,) = read_error(READY.replace('"9.0.0"', version))
        assert sentence.endswith(f"is version {shown} of the emulator; 0.1.0 or later is needed.")


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("v18.20.4", "Node.js v18.20.4 is too old; the emulator needs 20.19 or later."),
        ("v20.18.9", "Node.js v20.18.9 is too old; the emulator needs 20.19 or later."),
        ("v20.19.0", '"{}" ended with exit code 1 before it was ready.'),
        (None, "Node.js was not found on PATH; the emulator needs 20.19 or later."),
    ],
)
def test_a_failed_start_names_a_wrong_node(tmp_path, monkeypatch, version, sentence):
    npx = tmp_path / "npx"
    npx.write_text("#!/bin/sh\nexit 1\n")
    npx.chmod(0o755)
    if version is not None:
        node = tmp_path / "node"
        node.write_text(f"#!/bin/sh\necho {version}\n")
        node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError) as error, running_emulator([str(npx)], tmp_path, 20):
        pass
    assert str(error.value) == sentence.format(npx)


def test_a_program_that_cannot_be_started_is_reported(tmp_path):
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    with pytest.raises(StartError, match=r"(?s)exit code 127 before.*broken cannot be started: ") as error:
        with running_emulator([str(broken)], tmp_path, 20):
            pass
    assert "Traceback" not in str(error.value)


class TestFindCommand:
    """Which command starts the emulator."""

    def test_finds_the_package_in_a_parent_folder_before_path(self, tmp_path, monkeypatch):
        on_path = self.make_program(tmp_path / "bin" / "nanophoto-emulator")
        monkeypatch.setenv("PATH", str(on_path.parent))
        assert find_command("", tmp_path / "a") == [str(on_path)]
        local = self.make_program(tmp_path / "a" / "node_modules" / ".bin" / "nanophoto-emulator")
        assert find_command("", tmp_path / "a" / "b") == [str(local)]

    def test_reports_a_missing_package_in_one_sentence(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(StartError) as error:
            find_command("", tmp_path)
        assert str(error.value) == (
            f"nanophoto-emulator was found neither in node_modules of {tmp_path} or its parent folders nor on PATH; "
            "install it with npm, or pass --nanophoto-command or --nanophoto-url."
        )

    def test_splits_the_option_like_a_shell(self, tmp_path):
        program = self.make_program(tmp_path / "my emulator")
        assert find_command("'./my emulator' --seed 'a b'", tmp_path) == [str(program), "--seed", "a b"]

    @pytest.mark.parametrize("option", ["no-such-program --port 1", " ", "./missing"])
    def test_reports_an_option_without_a_program_in_one_sentence(self, tmp_path, option):
        with pytest.raises(StartError, match=f'^The command "{option}" of --nanophoto-command was not found; [^\n]*$'):
            find_command(option, tmp_path)

    def test_reports_an_unclosed_quote_in_one_sentence(self, tmp_path):
        sentence = '^The command "node \'a" of --nanophoto-command cannot be parsed: No closing quotation.$'
        with pytest.raises(StartError, match=sentence):
            find_command("node 'a", tmp_path)

    def make_program(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path


def test_every_test_reports_a_failed_start_but_there_is_only_one(run_pytest, pytester):
    pytester.makepyfile(fake="open('starts', 'a').write('x'); print('no license')")
    result = run_pytest(
        "def test_one(nanophoto): pass\ndef test_two(nanophoto): pass\ndef test_three(): pass",
        command=f"{PYTHON} fake.py",
    )
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        ["*ended with exit code 0 before it was ready.", "*The last lines of the output:", "*  no license"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert (pytester.path / "starts").read_text() == "x"


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf"])
def test_an_invalid_time_limit_is_reported_in_one_sentence(run_pytest, value):
    result = run_pytest("def test_one(nanophoto): pass", f"--nanophoto-start-timeout={value}")
    result.assert_outcomes(errors=1)
    sentence = f'--nanophoto-start-timeout must be a number of seconds above 0, at most 86400, not "{value}".'
    result.stdout.fnmatch_lines([sentence])


def test_the_time_limit_is_an_option(run_pytest):
    result = run_pytest(
        "def test_one(nanophoto): pass",
        "--nanophoto-start-timeout=0.5",
        command=f"{PYTHON} -c 'import time; time.sleep(60)'",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*was not ready within 0.5 s; raise --nanophoto-start-timeout."])


# A test that writes the process ids of the emulator and of pytest, and then waits.
WAITING_TEST = """
    import os, pathlib, subprocess, time

    def test_one(nanophoto):
        children = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout.split("\\n")
        parents = {int(pid): int(parent) for pid, parent in (line.split() for line in children if line)}
        supervisor = next(pid for pid, parent in parents.items() if parent == os.getpid() and pid in parents.values())
        emulator = next(pid for pid, parent in parents.items() if parent == supervisor)
        pathlib.Path("pids.part").write_text(f"{os.getpid()} {emulator}")
        pathlib.Path("pids.part").rename("pids")
        time.sleep(60)
"""


@linux_only
@pytest.mark.parametrize(("name", "workers"), [("SIGINT", 0), ("SIGINT", 2), ("SIGKILL", 0), ("SIGKILL", 2)])
def test_the_emulator_ends_with_pytest(pytester, name, workers):
    if workers:
        pytest.importorskip("xdist")
    pytester.makepyfile(WAITING_TEST)
    parallel = ["-n", str(workers)] if workers else []
    args = [PYTHON, "-m", "pytest", *PYTEST_ARGS, *parallel, "--nanophoto-command", COMMAND]
    with subprocess.Popen(args, stdout=subprocess.PIPE, start_new_session=True) as runner:
        wait_until((pytester.path / "pids").exists)
        pytest_pid, emulator_pid = map(int, (pytester.path / "pids").read_text().split())
        assert is_running(emulator_pid)
        # Ctrl-C reaches the process group of the terminal, other signals usually pytest alone.
        if name == "SIGINT":
            os.killpg(runner.pid, signal.SIGINT)
        else:
            os.kill(runner.pid, getattr(signal, name))
        wait_until(lambda: not is_running(emulator_pid))
        if is_running(pytest_pid):
            os.kill(pytest_pid, signal.SIGKILL)
        runner.communicate()


@linux_only
def test_a_forked_process_does_not_keep_the_emulator_running(tmp_path):
    pid_file = tmp_path / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); {READY}; time.sleep(60)"
    with running_emulator([PYTHON, "-c", code], tmp_path, 20):
        emulator_pid = int(pid_file.read_text())
        # It inherits the pipe to the supervisor.
        forked = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
        forked.start()
    try:
        assert not is_running(emulator_pid)
    finally:
        forked.kill()
        forked.join()


@linux_only
def test_an_emulator_that_ignores_signals_is_killed(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "STOP_TIMEOUT_S", 20)
    impatient = tmp_path / "supervisor.py"
    impatient.write_text(process.SUPERVISOR.read_text().replace("STOP_TIMEOUT_S = 5.0", "STOP_TIMEOUT_S = 0.2"))
    monkeypatch.setattr(process, "SUPERVISOR", impatient)
    pids = tmp_path / "pids"
    code = f"""
import os, pathlib, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "60"])
pathlib.Path({str(pids)!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
{READY}
time.sleep(60)
"""
    with running_emulator([PYTHON, "-c", code], tmp_path, 20):
        own, child = map(int, pids.read_text().split())
        assert is_running(own) and is_running(child)
    assert not is_running(own)
    wait_until(lambda: not is_running(child))


def test_the_minimum_node_version_is_the_one_of_the_package():
    package = json.loads((ROOT / "package.json").read_text())
    required = ".".join(map(str, process.MIN_NODE_VERSION))
    assert package["engines"]["node"] == f">={required}"


def test_the_port_is_free_whatever_the_command_says():
    assert start(f"import sys; assert sys.argv[-2:] == ['--port', '0']; {RUN}")

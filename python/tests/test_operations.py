"""The client has a method for each operation of the control plane, which sends all of its fields."""

import json
import re

import pytest

from conftest import ROOT
from nanophoto_emulator_pytest import ControlError, Emulator, control
from nanophoto_emulator_pytest.http import HttpClient

DOCUMENT = json.loads((ROOT / "docs" / "openapi-control-plane.json").read_text())
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}

JOURNAL_FILTER = {
    "path": "/a",
    "method": "POST",
    "status": 200,
    "error_code": "E",
    "task_id": "t",
    "contains": "x",
    "request_id": "r",
    "since": "2030-01-01T00:00:00Z",
    "until": "2030-01-02T00:00:00Z",
}
# Query fields that only some requests of an operation have: those of pages, and of `har`.
PARTIAL_FIELDS = {"limit", "after", "format"}
STATE_FIELDS = DOCUMENT["components"]["schemas"]["AccountState"]["properties"]

# One call of each method, with all of its parameters.
CALLS = {
    "getHealth": lambda emulator, account: emulator.is_healthy(),
    "getReady": lambda emulator, account: emulator.is_ready(),
    "getMetrics": lambda emulator, account: emulator.metrics(),
    "getOpenApi": lambda emulator, account: emulator.openapi(),
    "getActivity": lambda emulator, account: emulator.activity(),
    "reset": lambda emulator, account: emulator.reset(),
    "listen": lambda emulator, account: emulator.events("k").__enter__(),
    "listAccounts": lambda emulator, account: emulator.accounts.list(),
    "createAccount": lambda emulator, account: emulator.accounts.create(
        key="k", credits=1, rate_limit=2, clock="auto", speed=3, failure_rate=0.5, seed=4
    ),
    "getAccount": lambda emulator, account: account.get(),
    "changeAccount": lambda emulator, account: account.change(
        rate_limit=1, speed=2, failure_rate=0.5, seed=3, revoked=True
    ),
    "removeAccount": lambda emulator, account: account.remove(),
    "setRateLimit": lambda emulator, account: account.rate_limit(5, remaining=4),
    "credit": lambda emulator, account: account.credit(1, "a present"),
    "getLedger": lambda emulator, account: account.ledger(),
    "verifyLedger": lambda emulator, account: account.verify_ledger(),
    "setClock": lambda emulator, account: account.clock.set("frozen", "2030-01-01T00:00:00Z"),
    "advanceClock": lambda emulator, account: (account.clock.advance(1), account.clock.advance_to_next()),
    "listTasks": lambda emulator, account: account.tasks.list("failed"),
    "getTask": lambda emulator, account: account.tasks.get("t"),
    "completeTask": lambda emulator, account: account.tasks.complete("t"),
    "failTask": lambda emulator, account: account.tasks.fail("t", "MINE"),
    "waitForTask": lambda emulator, account: account.tasks.wait("t", status="failed", timeout_ms=5),
    "getTaskFile": lambda emulator, account: account.tasks.file("t", "videoUrl"),
    "resetAccount": lambda emulator, account: account.reset(),
    "listSnapshots": lambda emulator, account: account.snapshots.list(),
    "takeSnapshot": lambda emulator, account: account.snapshots.take("s"),
    "restoreSnapshot": lambda emulator, account: account.snapshots.restore("s"),
    "forkAccount": lambda emulator, account: account.fork("l"),
    "exportAccount": lambda emulator, account: account.export_state(include=["requests", "verdict"]),
    "importAccount": lambda emulator, account: emulator.accounts.import_state(
        dict.fromkeys(STATE_FIELDS, []), key="k", replace=True
    ),
    "listFaults": lambda emulator, account: account.faults.list(),
    "setFault": lambda emulator, account: add_fault(account.faults),
    "clearFaults": lambda emulator, account: account.faults.clear(),
    "getFault": lambda emulator, account: account.faults.get("1"),
    "removeFault": lambda emulator, account: account.faults.remove("1"),
    "listFaultsForEverybody": lambda emulator, account: emulator.faults.list(),
    "setFaultForEverybody": lambda emulator, account: add_fault(emulator.faults),
    "clearFaultsForEverybody": lambda emulator, account: emulator.faults.clear(),
    "getFaultForEverybody": lambda emulator, account: emulator.faults.get("1"),
    "removeFaultForEverybody": lambda emulator, account: emulator.faults.remove("1"),
    "listRequests": lambda emulator, account: (
        account.requests.list(**JOURNAL_FILTER),
        account.requests.har(**JOURNAL_FILTER),
    ),
    "clearRequests": lambda emulator, account: account.requests.clear(),
    "waitForRequests": lambda emulator, account: account.requests.wait(2, timeout_ms=5, **JOURNAL_FILTER),
    "countRequests": lambda emulator, account: account.requests.count(**JOURNAL_FILTER),
    "getRequest": lambda emulator, account: account.requests.get("1"),
    "getVerdict": lambda emulator, account: account.verdict(),
    "getSummary": lambda emulator, account: account.summary(),
}


def add_fault(faults):
    return faults.add("task", {"fail": True}, match={}, times=1, after=2, probability=0.5, seed=3)


class Response:
    """A response that has what any of the methods reads."""

    LISTS = dict.fromkeys(["accounts", "entries", "faults", "requests", "snapshots", "tasks"], [])
    BODY = {"key": "k", "status": "ok", "balance": 0, "held": 0, "count": 0, **LISTS}

    def __init__(self, is_last):
        self.body = {**self.BODY, "next": None if is_last else "x"}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def read(self):
        return json.dumps(self.body).encode()


@pytest.fixture
def sent(monkeypatch):
    """Requests as (method, path, names of query fields, names of body fields). Lists have two pages."""
    requests = []

    def open(self, method, path, body=None, timeout_s=0):
        path, _, query = path.partition("?")
        fields = {name.partition("=")[0] for name in query.split("&")} - {""}
        requests.append((method, path, fields, set(body or {})))
        return Response(is_last="after" in fields or "limit" not in fields)

    monkeypatch.setattr(HttpClient, "open", open)
    return requests


def test_every_operation_has_a_method():
    assert sorted(CALLS) == sorted(operation["operationId"] for operation in OPERATIONS.values())


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_method_sends_every_field_of_the_operation(sent, method, path):
    operation = OPERATIONS[method, path]
    emulator = Emulator("http://emulator.test")
    CALLS[operation["operationId"]](emulator, emulator.account("k"))

    template = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))
    assert all(sent_method == method and template.fullmatch(sent_path) for sent_method, sent_path, _, _ in sent)
    query = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
    assert set().union(*(fields for _, _, fields, _ in sent)) == query
    assert all(fields >= query - PARTIAL_FIELDS for _, _, fields, _ in sent)
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].split("/")[-1]]
    body = set(schema.get("properties", {}))
    assert set().union(*(fields for _, _, _, fields in sent)) == body


def test_absent_parameters_are_not_sent_and_none_is_no_limit(nanophoto, nanophoto_emulator):
    assert nanophoto.change()["rateLimit"]["limit"] == 100
    assert nanophoto.change(rate_limit=None)["rateLimit"]["limit"] is None
    assert nanophoto.rate_limit(9, remaining=2)["rateLimit"]["limit"] == 9
    assert nanophoto.rate_limit(remaining=0)["rateLimit"]["remaining"] == 0
    assert nanophoto.rate_limit(None)["rateLimit"]["limit"] is None
    assert nanophoto_emulator.accounts.create(rate_limit=None).get()["rateLimit"]["limit"] is None
    assert nanophoto_emulator.accounts.create(credits=0).balance == 0


def test_lists_have_all_pages(nanophoto, monkeypatch):
    monkeypatch.setattr(control, "PAGE_SIZE", 2)
    for number in range(4):
        nanophoto.credit(1, str(number))
        assert [entry["reason"] for entry in nanophoto.ledger()["entries"][1:]] == list("0123"[: number + 1])


def test_states_are_exported_and_imported(nanophoto, nanophoto_emulator):
    nanophoto.credit(5, "a present")
    state = nanophoto.export_state(include=["verdict"])
    assert state["verdict"]["ok"] is True
    copy = nanophoto_emulator.accounts.import_state(state, key=f"{nanophoto.api_key}_copy")
    assert copy.balance == nanophoto.balance
    with pytest.raises(ControlError) as error:
        nanophoto_emulator.accounts.import_state(state)
    assert error.value.code == "ACCOUNT_EXISTS"
    assert nanophoto_emulator.accounts.import_state(state, replace=True).api_key == nanophoto.api_key


def test_keys_and_names_are_encoded(nanophoto_emulator):
    with nanophoto_emulator.events("a/b?c#%") as events:
        account = nanophoto_emulator.accounts.create(key="a/b?c#%")
        assert account.get()["key"] == "a/b?c#%"
        assert next(events) == {"id": "1", "event": "account", "data": {"key": "a/b?c#%", "change": "created"}}
        second = next(events)
        assert (second["id"], second["event"], second["data"]["amount"]) == ("2", "ledger", 1000)
    account.remove()
    for name in ("", ".", ".."):
        with pytest.raises(ControlError, match=f'"{re.escape(name)}" is not a valid key, id or name'):
            nanophoto_emulator.account(name)


def test_events_carry_any_character(nanophoto, nanophoto_emulator):
    with nanophoto_emulator.events(nanophoto.api_key) as events:
        nanophoto.credit(1, "a: b\u2028c\nd ü")
        assert next(events)["data"]["reason"] == "a: b\u2028c\nd ü"


def test_errors_have_the_message_the_code_and_the_status(nanophoto, nanophoto_emulator):
    with pytest.raises(ControlError) as error:
        nanophoto.tasks.get("task_none")
    assert (error.value.code, error.value.status) == ("TASK_NOT_FOUND", 404)
    assert "task_none" in str(error.value)
    with pytest.raises(ControlError) as error:
        Emulator(f"{nanophoto_emulator.url}/nothing").reset()
    assert error.value.status == 404
    with pytest.raises(ControlError, match="is not an emulator: its response is not JSON") as error:
        Emulator(f"{nanophoto_emulator.url}/docs?").openapi()
    assert error.value.code == "NO_EMULATOR"


def test_the_state_of_the_emulator(nanophoto_emulator):
    assert nanophoto_emulator.is_healthy() and nanophoto_emulator.is_ready()
    assert "nanophoto_accounts" in nanophoto_emulator.metrics()
    assert nanophoto_emulator.openapi()["info"]["title"] == "Control plane of nanophoto-emulator"

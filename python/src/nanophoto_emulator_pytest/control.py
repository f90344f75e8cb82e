"""The control plane as typed methods, one per operation of docs/reference/control-plane.md."""

import json
import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

# List, because `list` is the name of a method of several classes.
from typing import Any, List, Literal, Optional, Union

from . import types as t
from .http import REQUEST_TIMEOUT_S, ControlError, HttpClient, encode_segment, to_query_string

# Maximum number of items in a page of a list.
PAGE_SIZE = 1000
DEFAULT_WAIT_MS = 10_000
OPEN_NOTE = "To see all of it in the console, run `npx nanophoto-emulator open .` in the directory of this file."


class Absent(Enum):
    """The type of a parameter that is not given. None cannot stand for it where null is a value."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


class Faults:
    """The fault rules of one account, or of all accounts: see docs/reference/faults.md."""

    def __init__(self, http: HttpClient, path: str) -> None:
        self._http = http
        self._path = path

    def add(
        self,
        at: t.Stage,
        effect: t.Effect,
        *,
        match: Optional[t.Match] = None,
        times: Optional[int] = None,
        after: Optional[int] = None,
        probability: Optional[float] = None,
        seed: Union[str, int, None] = None,
    ) -> t.Fault:
        """Creates a rule: `at` is the stage, `effect` what it injects, `times` how often it fires."""
        rule = {
            "at": at,
            "effect": effect,
            "match": match,
            "times": times,
            "after": after,
            "probability": probability,
            "seed": seed,
        }
        fault: t.Fault = self._http.send_json("POST", self._path, _without_none(rule))
        return fault

    def list(self) -> List[t.Fault]:
        """Returns the rules in the order of their creation, including those that are used up."""
        return _list_all(self._http, self._path, "faults")

    def get(self, id: str) -> t.FaultDetails:
        """Returns a rule, with the last requests that came close to it and what kept it from firing."""
        fault: t.FaultDetails = self._http.send_json("GET", f"{self._path}/{encode_segment(id)}")
        return fault

    def remove(self, id: str) -> None:
        """Removes a rule."""
        self._http.send("DELETE", f"{self._path}/{encode_segment(id)}")

    def clear(self) -> None:
        """Removes all rules."""
        self._http.send("DELETE", self._path)


class Clock:
    """The clock of an account."""

    def __init__(self, http: HttpClient, path: str) -> None:
        self._http = http
        self._path = path

    def set(self, mode: t.ClockMode, now: Optional[str] = None) -> t.ClockChange:
        """Changes the mode, and moves the clock forward to `now`, a timestamp with an offset or Z."""
        change: t.ClockChange = self._http.send_json("PUT", self._path, _without_none({"mode": mode, "now": now}))
        return change

    def advance(self, ms: int) -> t.Advance:
        """Moves the clock forward by milliseconds and applies all transitions that fall due."""
        advance: t.Advance = self._http.send_json("POST", f"{self._path}/advance", {"ms": ms})
        return advance

    def advance_to_next(self) -> t.Advance:
        """Moves the clock forward to the next transition of any task. Without one, the time does not change."""
        advance: t.Advance = self._http.send_json("POST", f"{self._path}/advance", {"toNext": True})
        return advance


class Tasks:
    """The tasks of an account."""

    def __init__(self, http: HttpClient, account_path: str) -> None:
        self._http = http
        self._account_path = account_path

    def list(self, status: Optional[t.TaskStatus] = None) -> List[t.Task]:
        """Returns the tasks, oldest first."""
        return _list_all(self._http, f"{self._account_path}/tasks", "tasks", status=status)

    def get(self, id: str) -> t.Task:
        """Returns a task."""
        task: t.Task = self._http.send_json("GET", self._path(id))
        return task

    def complete(self, id: str) -> t.Task:
        """Completes the task now, regardless of its plan, and captures its hold."""
        task: t.Task = self._http.send_json("POST", f"{self._path(id)}/complete", {})
        return task

    def fail(self, id: str, error: Optional[str] = None) -> t.Task:
        """Fails the task now and refunds its hold. `error` is the error code to store, GENERATION_FAILED by default."""
        task: t.Task = self._http.send_json("POST", f"{self._path(id)}/fail", _without_none({"error": error}))
        return task

    def wait(self, id: str, *, status: Optional[t.TaskStatus] = None, timeout_ms: int = DEFAULT_WAIT_MS) -> t.Task:
        """Waits until the task has the given status, by default until it has ended, and returns it.

        This does not move the clock. `timeout_ms` is wall-clock time, at most ten minutes.
        """
        query = to_query_string(task=id, status=status, timeoutMs=timeout_ms)
        timeout_s = timeout_ms / 1000 + REQUEST_TIMEOUT_S
        task: t.Task = self._http.send_json("GET", f"{self._account_path}/wait{query}", timeout_s=timeout_s)
        return task

    def file(self, id: str, field: str) -> bytes:
        """Returns the file behind a field of the task's result, such as `videoUrl`."""
        return self._http.send("GET", f"{self._path(id)}/files/{encode_segment(field)}")

    def _path(self, id: str) -> str:
        return f"{self._account_path}/tasks/{encode_segment(id)}"


class Requests:
    """The journal of an account: the requests of its client and their responses."""

    def __init__(self, http: HttpClient, path: str) -> None:
        self._http = http
        self._path = path

    def list(
        self,
        *,
        path: Optional[str] = None,
        method: Optional[str] = None,
        status: Optional[int] = None,
        error_code: Optional[str] = None,
        task_id: Optional[str] = None,
        contains: Optional[str] = None,
        request_id: Optional[str] = None,
        since: Optional[str] = None,
        until: Optional[str] = None,
    ) -> List[t.JournalEntry]:
        """Returns the requests that match all filters, oldest first.

        `contains` is a text in the body of the request or of the response, as it was sent. `request_id` is the header
        `x-request-id` of the response. `since` and `until` are timestamps with an offset, on the account's clock.
        """
        filters = {
            "path": path,
            "method": method,
            "status": status,
            "errorCode": error_code,
            "taskId": task_id,
            "contains": contains,
            "requestId": request_id,
            "since": since,
            "until": until,
        }
        return _list_all(self._http, self._path, "requests", **filters)

    def har(
        self,
        *,
        path: Optional[str] = None,
        method: Optional[str] = None,
        status: Optional[int] = None,
        error_code: Optional[str] = None,
        task_id: Optional[str] = None,
        contains: Optional[str] = None,
        request_id: Optional[str] = None,
        since: Optional[str] = None,
        until: Optional[str] = None,
    ) -> t.Har:
        """Returns the requests that match all filters as an HTTP Archive. The filters are those of `list`."""
        filters = {
            "path": path,
            "method": method,
            "status": status,
            "errorCode": error_code,
            "taskId": task_id,
            "contains": contains,
            "requestId": request_id,
            "since": since,
            "until": until,
        }
        har: t.Har = self._http.send_json("GET", self._path + to_query_string(**filters, format="har"))
        return har

    def get(self, id: str) -> t.JournalEntry:
        """Returns a request."""
        entry: t.JournalEntry = self._http.send_json("GET", f"{self._path}/{encode_segment(id)}")
        return entry

    def count(
        self,
        *,
        path: Optional[str] = None,
        method: Optional[str] = None,
        status: Optional[int] = None,
        error_code: Optional[str] = None,
        task_id: Optional[str] = None,
        contains: Optional[str] = None,
        request_id: Optional[str] = None,
        since: Optional[str] = None,
        until: Optional[str] = None,
    ) -> int:
        """Returns the number of requests that match all filters. The filters are those of `list`."""
        filters = {
            "path": path,
            "method": method,
            "status": status,
            "errorCode": error_code,
            "taskId": task_id,
            "contains": contains,
            "requestId": request_id,
            "since": since,
            "until": until,
        }
        query = to_query_string(**filters)
        count: int = self._http.send_json("GET", f"{self._path}/count{query}")["count"]
        return count

    def wait(
        self,
        count: int = 1,
        *,
        path: Optional[str] = None,
        method: Optional[str] = None,
        status: Optional[int] = None,
        error_code: Optional[str] = None,
        task_id: Optional[str] = None,
        contains: Optional[str] = None,
        request_id: Optional[str] = None,
        since: Optional[str] = None,
        until: Optional[str] = None,
        timeout_ms: int = DEFAULT_WAIT_MS,
    ) -> t.JournalEntry:
        """Waits until `count` requests match all filters and have been answered, and returns the last of them.

        The filters are those of `list`. `timeout_ms` is wall-clock time, at most ten minutes.
        """
        query = to_query_string(
            **{
                "path": path,
                "method": method,
                "status": status,
                "errorCode": error_code,
                "taskId": task_id,
                "contains": contains,
                "requestId": request_id,
                "since": since,
                "until": until,
                "count": count,
                "timeoutMs": timeout_ms,
            }
        )
        timeout_s = timeout_ms / 1000 + REQUEST_TIMEOUT_S
        entry: t.JournalEntry = self._http.send_json("GET", f"{self._path}/wait{query}", timeout_s=timeout_s)
        return entry

    def clear(self) -> None:
        """Clears the journal."""
        self._http.send("DELETE", self._path)


class Snapshots:
    """The snapshots of an account."""

    def __init__(self, http: HttpClient, path: str) -> None:
        self._http = http
        self._path = path

    def take(self, name: str) -> t.Snapshot:
        """Saves the account under a name. A snapshot with the same name is replaced."""
        snapshot: t.Snapshot = self._http.send_json("POST", self._path, {"name": name})
        return snapshot

    def list(self) -> List[t.Snapshot]:
        """Returns the snapshots, ordered by name."""
        return _list_all(self._http, self._path, "snapshots")

    def restore(self, name: str) -> t.Account:
        """Restores the account to the snapshot, including its time."""
        account: t.Account = self._http.send_json("POST", f"{self._path}/{encode_segment(name)}/restore", {})
        return account


class AccountControl:
    """Controls the account of one API key and makes assertions about it.

    The account must exist when a method is called, not before. A method that fails raises ControlError.
    """

    def __init__(self, http: HttpClient, api_key: str) -> None:
        self._http = http
        self._path = f"/__admin/accounts/{encode_segment(api_key)}"
        #: The API key of the account.
        self.api_key = api_key
        #: The URL to use instead of https://nanophoto.ai.
        self.base_url = http.url
        self.clock = Clock(http, f"{self._path}/clock")
        self.tasks = Tasks(http, self._path)
        self.faults = Faults(http, f"{self._path}/faults")
        self.requests = Requests(http, f"{self._path}/requests")
        self.snapshots = Snapshots(http, f"{self._path}/snapshots")

    def __repr__(self) -> str:
        return f"AccountControl({self.api_key!r})"

    def get(self) -> t.Account:
        """Returns the account."""
        account: t.Account = self._http.send_json("GET", self._path)
        return account

    def change(
        self,
        *,
        rate_limit: Union[int, None, Absent] = ABSENT,
        speed: Optional[float] = None,
        failure_rate: Optional[float] = None,
        seed: Union[str, int, None] = None,
        revoked: Optional[bool] = None,
    ) -> t.Account:
        """Changes the given fields. `rate_limit` is the number of requests per hour, or None for no limit."""
        changes = _without_none({"speed": speed, "failureRate": failure_rate, "seed": seed, "revoked": revoked})
        if rate_limit is not ABSENT:
            changes["rateLimit"] = rate_limit
        account: t.Account = self._http.send_json("PATCH", self._path, changes)
        return account

    def remove(self) -> None:
        """Removes the account and all its data."""
        self._http.send("DELETE", self._path)

    def credit(self, amount: int, reason: Optional[str] = None) -> t.Account:
        """Grants credits, or deducts them if `amount` is negative."""
        body = _without_none({"amount": amount, "reason": reason})
        account: t.Account = self._http.send_json("POST", f"{self._path}/credits", body)
        return account

    def ledger(self) -> t.Ledger:
        """Returns the balance and all entries, oldest first."""
        entries: List[t.LedgerEntry] = _list_all(self._http, f"{self._path}/ledger", "entries")
        page = self._http.send_json("GET", f"{self._path}/ledger?limit=1")
        return {"balance": page["balance"], "held": page["held"], "entries": entries}

    def verify_ledger(self) -> t.Verification:
        """Verifies the ledger from the stored rows."""
        verification: t.Verification = self._http.send_json("GET", f"{self._path}/ledger/verify")
        return verification

    def rate_limit(self, limit: Union[int, None, Absent] = ABSENT, *, remaining: Optional[int] = None) -> t.Account:
        """Sets the requests per hour, or None for no limit, and the requests that remain in the current hour."""
        body = _without_none({"remaining": remaining})
        if limit is not ABSENT:
            body["limit"] = limit
        account: t.Account = self._http.send_json("PUT", f"{self._path}/rate-limit", body)
        return account

    def verdict(self) -> t.Verdict:
        """Returns the findings about the client: what it does wrong, according to the journal."""
        verdict: t.Verdict = self._http.send_json("GET", f"{self._path}/verdict")
        return verdict

    def summary(self) -> str:
        """Returns one page of Markdown for people: balance, verdict, tasks, the last requests and the fault rules."""
        return self._http.send("GET", f"{self._path}/summary").decode()

    def write_artifacts(self, folder: Path) -> None:
        """Writes the account to a folder: `account.json` with its state, `requests.har` and `summary.md`."""
        files = {
            "account.json": self._http.send("GET", f"{self._path}/export?include=requests,verdict"),
            "requests.har": self._http.send("GET", f"{self._path}/requests?format=har"),
            "summary.md": f"{self.summary()}\n{OPEN_NOTE}\n".encode(),
        }
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            file = folder / name
            if name == "account.json":
                # It contains the key: replace an existing file, which others may be able to read.
                file.unlink(missing_ok=True)
                file.touch(mode=0o600, exist_ok=False)
            file.write_bytes(content)

    def fork(self, to: str) -> "AccountControl":
        """Copies everything except the journal and the snapshots to a new account with the key `to`."""
        self._http.send("POST", f"{self._path}/fork", {"to": to})
        return AccountControl(self._http, to)

    def export_state(self, *, include: Iterable[Literal["requests", "verdict"]] = ()) -> t.AccountState:
        """Returns the account as a document, optionally with its journal and the verdict."""
        query = to_query_string(include=",".join(include) or None)
        state: t.AccountState = self._http.send_json("GET", f"{self._path}/export{query}")
        return state

    def reset(self) -> t.Account:
        """Resets the account to its initial state."""
        account: t.Account = self._http.send_json("POST", f"{self._path}/reset", {})
        return account

    @property
    def balance(self) -> int:
        """The credits that can still be spent."""
        return self.get()["credits"]

    @property
    def spent(self) -> int:
        """The credits that were deducted for tasks and not refunded, including those of unfinished tasks."""
        return _sum_spent(self.ledger())

    def fail_next(self, error_code: Optional[str] = None, *, match: Optional[t.Match] = None) -> t.Fault:
        """Makes the next task fail: it is created, fails at its end, and is refunded.

        With an error code, the next request is rejected with that code: it creates no task and is not charged.
        """
        if error_code is None:
            return self.faults.add("task", {"fail": True}, times=1, match=match)
        return self.faults.add("charge", {"errorCode": error_code}, times=1, match=match)

    def sleep(self, seconds: float) -> None:
        """Advances the clock of the account. Pass it to the code under test in place of `time.sleep`."""
        self.clock.advance(math.ceil(seconds * 1000))

    def assert_spent(self, credits: int) -> None:
        """Fails unless exactly this number of credits was spent; see `spent`."""
        __tracebackhide__ = True
        ledger = self.ledger()
        if _sum_spent(ledger) != credits:
            expected = f"Expected the spent credits to be {credits}, but they are {_sum_spent(ledger)}."
            raise AssertionError(f"{expected}\n{_describe_ledger(ledger)}")

    def assert_balance(self, credits: int) -> None:
        """Fails unless exactly this number of credits can still be spent."""
        __tracebackhide__ = True
        ledger = self.ledger()
        if ledger["balance"] != credits:
            expected = f"Expected the balance to be {credits}, but it is {ledger['balance']}."
            raise AssertionError(f"{expected}\n{_describe_ledger(ledger)}")

    def assert_well_behaved(self) -> None:
        """Fails if the verdict has findings: the client polls too often, ignores Retry-After, and the like."""
        __tracebackhide__ = True
        findings = self.verdict()["findings"]
        if findings:
            lines = [f"  {finding['code']}: {finding['message']}" for finding in findings]
            raise AssertionError("\n".join(["Expected a well-behaved client, but the verdict has findings:", *lines]))


class Emulator:
    """Controls a running emulator. A method that fails raises ControlError."""

    def __init__(self, url: str, admin_token: Optional[str] = None) -> None:
        self._http = HttpClient(url, admin_token)
        #: The URL to use instead of https://nanophoto.ai.
        self.url = self._http.url
        self.accounts = Accounts(self._http)
        #: The fault rules for all accounts.
        self.faults = Faults(self._http, "/__admin/faults")

    def account(self, api_key: str) -> AccountControl:
        """Returns the methods for the account of a key."""
        return AccountControl(self._http, api_key)

    def reset(self) -> int:
        """Resets everything to the state of the first start and returns the number of accounts."""
        accounts: int = self._http.send_json("POST", "/__admin/reset", {})["accounts"]
        return accounts

    def activity(self) -> t.Activity:
        """Returns the busiest accounts, the latest requests of all accounts, and those without a valid key."""
        activity: t.Activity = self._http.send_json("GET", "/__admin/activity")
        return activity

    def is_healthy(self) -> bool:
        """Returns True if the emulator responds."""
        return bool(self._http.send_json("GET", "/health")["status"] == "ok")

    def is_ready(self) -> bool:
        """Returns False while the emulator stops."""
        try:
            return bool(self._http.send_json("GET", "/ready")["status"] == "ready")
        except ControlError as error:
            if error.status == 503:
                return False
            raise

    def metrics(self) -> str:
        """Returns the metrics in Prometheus text format."""
        return self._http.send("GET", "/metrics").decode()

    def openapi(self) -> dict[str, Any]:
        """Returns the OpenAPI document of the control plane."""
        document: dict[str, Any] = self._http.send_json("GET", "/__admin/openapi.json")
        return document

    @contextmanager
    def events(self, api_key: Optional[str] = None) -> Generator[Iterator[t.Event], None, None]:
        """Listens to the events of one account, or of all. Reading an event blocks until there is one.

        Use it as `with emulator.events() as events`.
        """
        with self._http.open("GET", f"/__admin/events{to_query_string(key=api_key)}") as response:
            yield _parse_events(response)


class Accounts:
    """The accounts of an emulator."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def create(
        self,
        *,
        key: Optional[str] = None,
        credits: Optional[int] = None,
        rate_limit: Union[int, None, Absent] = ABSENT,
        clock: Union[t.ClockMode, t.ClockStart, None] = None,
        speed: Optional[float] = None,
        failure_rate: Optional[float] = None,
        seed: Union[str, int, None] = None,
    ) -> AccountControl:
        """Creates an account. `key` is generated when absent; `rate_limit` is None for no limit."""
        settings = {"clock": clock, "speed": speed, "failureRate": failure_rate, "seed": seed}
        body = _without_none({"key": key, "credits": credits, **settings})
        if rate_limit is not ABSENT:
            body["rateLimit"] = rate_limit
        account: t.Account = self._http.send_json("POST", "/__admin/accounts", body)
        return AccountControl(self._http, account["key"])

    def import_state(
        self, state: t.AccountState, *, key: Optional[str] = None, replace: bool = False
    ) -> AccountControl:
        """Creates an account from a document of `export_state`. `key` renames it.

        With `replace`, it takes the place of an account with the same key.
        """
        query = to_query_string(key=key, replace="true" if replace else None)
        account: t.Account = self._http.send_json("POST", f"/__admin/accounts/import{query}", state)
        return AccountControl(self._http, account["key"])

    def list(self) -> List[t.Account]:
        """Returns all accounts, ordered by key."""
        return _list_all(self._http, "/__admin/accounts", "accounts")


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _list_all(http: HttpClient, list_path: str, name: str, /, **query: Union[str, int, None]) -> List[Any]:
    """Fetches all pages of a list."""
    items: List[Any] = []
    after: Optional[str] = None
    while True:
        page = http.send_json("GET", list_path + to_query_string(**query, limit=PAGE_SIZE, after=after))
        items += page[name]
        after = page["next"]
        if after is None:
            return items


def _parse_events(lines: Iterable[bytes]) -> Iterator[t.Event]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name and value:
            fields[name] = value
        elif "data" in fields:
            yield {"id": fields["id"], "event": fields["event"], "data": json.loads(fields["data"])}
            fields = {}


def _sum_spent(ledger: t.Ledger) -> int:
    return -sum(entry["amount"] for entry in ledger["entries"] if entry["kind"] in ("hold", "refund"))


def _describe_ledger(ledger: t.Ledger) -> str:
    lines = ["The ledger has:"]
    for entry in ledger["entries"]:
        note = entry["taskId"] or entry["reason"] or ""
        lines.append(f"  {entry['kind']:8}{entry['amount']:+6}  {note}".rstrip())
    if ledger["held"]:
        lines.append(f"  held for unfinished tasks: {ledger['held']}")
    return "\n".join(lines)

"""Requests and responses of the control plane: see docs/reference/control-plane.md of the emulator.

Timestamps are ISO 8601 in UTC, durations are milliseconds. tests/test_types.py keeps these types equal to the
emulator's OpenAPI document.
"""

from typing import Any, Literal, Optional, TypedDict, Union

ClockMode = Literal["real", "frozen", "auto"]
TaskStatus = Literal["processing", "completed", "failed"]
Stage = Literal["request", "charge", "accepted", "task", "stream", "media"]
Family = Literal[
    "sora-2",
    "veo-3",
    "seedance-1-5-pro",
    "sora-2-tvc",
    "sora-watermark",
    "nano-banana-pro",
    "nano-banana-2",
    "prompt-generator",
    "reverse-prompt",
]


# The document of an exported account. Tests pass it on unchanged, so its fields have no types here.
AccountState = dict[str, Any]


class AccountRateLimit(TypedDict):
    """The rate limiter of an account. All fields are None if it is off."""

    limit: Optional[int]
    remaining: Optional[int]
    resetAt: Optional[str]


class AccountClock(TypedDict):
    """The clock of an account."""

    mode: ClockMode
    now: str


class Account(TypedDict):
    """An account. `credits` is the amount that can still be spent."""

    key: str
    credits: int
    rateLimit: AccountRateLimit
    clock: AccountClock
    speed: float
    failureRate: float
    seed: str
    createdAt: str
    revoked: bool


class _ClockStartMode(TypedDict):
    mode: ClockMode


class ClockStart(_ClockStartMode, total=False):
    """The clock of a new account. Without `now`, it starts at wall-clock time."""

    now: str


class LedgerEntry(TypedDict):
    """A change of an account's credits. `balance` is the balance after it."""

    id: str
    kind: Literal["grant", "hold", "capture", "refund", "adjust"]
    amount: int
    balance: int
    taskId: Optional[str]
    reason: Optional[str]
    at: str


class Ledger(TypedDict):
    """The balance and its history. `held` is the sum of the open holds."""

    balance: int
    held: int
    entries: list[LedgerEntry]


class Verification(TypedDict):
    """The result of a check of the ledger."""

    ok: bool
    problems: list[str]


# `from` is a keyword, so that this type cannot be written as a class.
Transition = TypedDict("Transition", {"taskId": str, "from": str, "to": str, "at": str})


class Advance(TypedDict):
    """The time after a move of the clock, and the transitions that fell due."""

    now: str
    transitions: list[Transition]


class ClockChange(TypedDict):
    """The mode and the time after a change of the clock, and the transitions that fell due."""

    mode: ClockMode
    now: str
    transitions: list[Transition]


class PlanStep(TypedDict):
    """A step of a task, with its time after the submission."""

    name: str
    atMs: int


class Completes(TypedDict):
    """The planned outcome of a task that completes."""

    status: Literal["completed"]


class Fails(TypedDict):
    """The planned outcome of a task that fails."""

    status: Literal["failed"]
    errorCode: str


class Hangs(TypedDict):
    """The planned outcome of a task that never ends."""

    status: Literal["hangs"]


class Plan(TypedDict):
    """The timed steps and the outcome of a task."""

    steps: list[PlanStep]
    endMs: int
    outcome: Union[Completes, Fails, Hangs]


class _Task(TypedDict):
    id: str
    family: Family
    status: TaskStatus
    price: int
    input: dict[str, Any]
    plan: Plan
    step: Optional[str]
    createdAt: str
    dueAt: Optional[str]
    finishedAt: Optional[str]
    simulatedMs: Optional[int]
    result: Optional[dict[str, str]]


class Task(_Task, total=False):
    """One unit of simulated generation.

    `price` is in credits, `input` the request body with defaults filled in. `result` has the URLs of a completed task
    by response field, or the `errorCode` of a failed one. Only images have a `generationId`.
    """

    generationId: str


class Match(TypedDict, total=False):
    """The requests that a fault rule applies to. A request must meet all given conditions."""

    family: Family
    endpoint: str
    contains: str


class _CannedResponse(TypedDict):
    status: int


class CannedResponse(_CannedResponse, total=False):
    """A complete response. `body` is sent as JSON, `text` unchanged; give only one of them."""

    body: Any
    text: str
    headers: dict[str, str]
    contentType: str


class Effect(TypedDict, total=False):
    """The effect of a fault rule. `durationMs` is simulated time, `delayMs` wall-clock time."""

    errorCode: str
    status: int
    fail: Literal[True]
    hang: Literal[True]
    durationMs: int
    delayMs: int
    reset: Literal[True]
    empty: Literal[True]
    truncateAfter: int
    malformed: Literal[True]
    answer: CannedResponse


class _Fault(TypedDict):
    id: str
    match: Match
    at: Stage
    effect: Effect
    fired: int


class Fault(_Fault, total=False):
    """A fault rule. `fired` is the number of times it has fired."""

    times: int
    after: int
    probability: float
    seed: str


class NearMiss(TypedDict):
    """A request that came close to a fault rule, and what kept the rule from firing."""

    requestId: str
    at: str
    path: str
    reason: str


class FaultDetails(Fault):
    """A fault rule with the last ten requests that came close to it, oldest first."""

    nearMisses: list[NearMiss]


class _JournalRequest(TypedDict):
    headers: dict[str, Union[str, list[str]]]
    body: Any


class JournalRequest(_JournalRequest, total=False):
    """A request in the journal, without the API key and without headers that carry credentials."""

    truncated: Literal[True]


class _JournalResponse(TypedDict):
    headers: dict[str, Union[str, int, float]]
    body: Any


class JournalResponse(_JournalResponse, total=False):
    """A response in the journal."""

    truncated: Literal[True]


class JournalEntry(TypedDict):
    """A request of the client and its response.

    `status` is None if no response was sent, or not yet. `requestId` is the header `x-request-id` of the response.
    """

    id: str
    requestId: str
    at: str
    method: str
    path: str
    status: Optional[int]
    errorCode: Optional[str]
    durationMs: Optional[float]
    request: JournalRequest
    response: JournalResponse
    taskIds: list[str]
    fault: Optional[str]
    warnings: list[str]


class HarCreator(TypedDict):
    """The program that wrote an HTTP Archive."""

    name: str
    version: str


class HarLog(TypedDict):
    """The contents of an HTTP Archive."""

    version: Literal["1.2"]
    creator: HarCreator
    comment: str
    entries: list[dict[str, Any]]


class Har(TypedDict):
    """An HTTP Archive 1.2."""

    log: HarLog


class ActiveAccount(TypedDict):
    """The numbers of running and of failed tasks of an account, and its requests since the start or the last reset."""

    key: str
    processing: int
    failed: int
    requestCount: int
    lastRequestAt: Optional[str]


class LatestRequest(TypedDict):
    """A request of any account. `id` is the id of its journal entry."""

    key: str
    id: str
    requestId: str
    receivedAt: str
    method: str
    path: str
    status: Optional[int]
    errorCode: Optional[str]
    durationMs: Optional[float]


class UnauthorizedRequest(TypedDict):
    """A request without a valid key. `key` is masked, and None if the request has none."""

    requestId: str
    receivedAt: str
    method: str
    path: str
    key: Optional[str]
    reason: Literal["missing", "malformed", "unknown", "revoked"]


class Activity(TypedDict):
    """The busiest accounts and the latest requests of all accounts. All timestamps are wall time."""

    now: str
    requestCount: int
    accounts: list[ActiveAccount]
    requests: list[LatestRequest]
    unauthorized: list[UnauthorizedRequest]


class Finding(TypedDict):
    """A mistake of the client. `requests` are ids of journal entries."""

    code: str
    message: str
    requests: list[str]


class Verdict(TypedDict):
    """The findings about a client. It is `ok` if there are none."""

    ok: bool
    findings: list[Finding]


class Snapshot(TypedDict):
    """A named copy of an account."""

    name: str
    at: str


class Event(TypedDict):
    """A server-sent event. `event` is its type: `task`, `ledger`, `request`, `fault` or `account`."""

    id: str
    event: str
    data: dict[str, Any]

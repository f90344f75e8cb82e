"""Requests to the control plane, using only the standard library."""

import json
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import Any, Optional
from urllib.parse import quote, urlencode

# Longer than any response takes, except for waits. A request must not block the test session forever.
REQUEST_TIMEOUT_S = 30.0


class ControlError(Exception):
    """An error response of the control plane: its message, code and HTTP status."""

    def __init__(self, message: str, code: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class _RefusedRedirects(urllib.request.HTTPRedirectHandler):
    """Turns redirects into errors: their target would receive the admin token."""

    def redirect_request(self, *args: Any) -> None:
        """Returns no request to follow."""


class HttpClient:
    """Sends requests to one emulator."""

    def __init__(self, url: str, admin_token: Optional[str] = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {} if admin_token is None else {"X-Admin-Token": admin_token}
        # Without the proxies of the environment: an emulator is on this machine or in a local network.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _RefusedRedirects)

    def open(self, method: str, path: str, body: Any = None, timeout_s: float = REQUEST_TIMEOUT_S) -> HTTPResponse:
        """Sends a request and returns the response, whose body is not read yet.

        Raises ControlError for an error response, or with the code NO_EMULATOR if none is received.
        """
        headers, data = dict(self._headers), None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        try:
            request = urllib.request.Request(self.url + path, data, headers, method=method)
            response: HTTPResponse = self._opener.open(request, timeout=timeout_s)
            return response
        except urllib.error.HTTPError as error:
            with error:
                raise self._to_control_error(error) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ControlError(f"No emulator responds at {self.url}: {reason}.", "NO_EMULATOR", 0) from None

    def send(self, method: str, path: str, body: Any = None, timeout_s: float = REQUEST_TIMEOUT_S) -> bytes:
        """Sends a request and returns the body of the response. Raises the same errors as `open`."""
        with self.open(method, path, body, timeout_s) as response:
            try:
                return response.read()
            except (OSError, HTTPException) as error:
                message = f"The response of {self.url} ended early: {error!r}."
                raise ControlError(message, "NO_EMULATOR", response.status) from None

    def send_json(self, method: str, path: str, body: Any = None, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """Sends a request and returns the parsed body of the response, or None if it is empty."""
        content = self.send(method, path, body, timeout_s)
        try:
            return json.loads(content) if content else None
        except ValueError:
            message = f"{self.url} is not an emulator: its response is not JSON."
            raise ControlError(message, "NO_EMULATOR", 200) from None

    def _to_control_error(self, error: urllib.error.HTTPError) -> ControlError:
        if 300 <= error.code < 400:
            message = f"{self.url} is not an emulator: it redirects to another address."
            return ControlError(message, "NO_EMULATOR", error.code)
        try:
            body = json.loads(error.read())
            return ControlError(str(body["error"]), str(body["code"]), error.code)
        except (OSError, HTTPException, ValueError, KeyError, TypeError):
            return ControlError(f"HTTP status {error.code}", "UNKNOWN", error.code)


def encode_segment(name: str) -> str:
    """Encodes one segment of a path. Raises ControlError if the name would change the path: empty, `.` or `..`."""
    if name in ("", ".", ".."):
        raise ControlError(f'"{name}" is not a valid key, id or name.', "INVALID_NAME", 400)
    return quote(name, safe="")


def to_query_string(**values: Any) -> str:
    """Encodes the values that are not None, with a leading question mark if there are any."""
    defined = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(defined)}" if defined else ""

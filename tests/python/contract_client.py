"""A client of the worker contract, written from its description alone.

It knows the four calls, the fields of their bodies and the status that every 2xx answer is. Each status that it
receives is checked against the contract before the caller sees it: the six documented fields and `positionMs`,
their types, and that no URL is in it.
"""

import re
import time

import requests

WORKER_STATUSES = {"connecting", "connected", "reconnecting", "disconnected", "error"}
PLAYBACK_STATES = {"idle", "loading", "playing", "paused", "ended", "stopped"}
END_REASONS = {"finished", "skipped", "stopped", "failed"}

#: `play` and `control` wait at most 5 s before they answer 202; the rest is for a busy machine.
CALL_TIMEOUT_SECONDS = 30


class ContractBroken(AssertionError):
    """An answer is not what the contract documents."""


class Refused(Exception):
    """A 4xx or 5xx answer; `problem` is its problem+json body."""

    def __init__(self, response):
        self.status_code = response.status_code
        self.headers = response.headers
        self.problem = checked_problem(response)
        super().__init__(f"{self.status_code} {self.problem}")

    @property
    def code(self):
        return self.problem["code"]


class Status(dict):
    """A checked status, with the HTTP status that it came with."""

    http_status = None

    @property
    def state(self):
        return self["playbackState"]

    @property
    def position_ms(self):
        return self["positionMs"]


class ContractClient:
    def __init__(self, base_url, token, header="Authorization"):
        self.base_url = base_url.rstrip("/")
        self.http = requests.Session()
        # Proxies of the environment have no part in this.
        self.http.trust_env = False
        self.http.headers[header] = f"Bearer {token}" if header == "Authorization" else token

    def create(self, session_id, guild_id, voice_channel_id="222", text_channel_id="333", **more):
        body = {
            "sessionId": session_id,
            "guildId": guild_id,
            "voiceChannelId": voice_channel_id,
            "textChannelId": text_channel_id,
        }
        return self.call("POST", "/sessions", body | more, expected={200, 201})

    def play(self, session_id, body, command_id=None):
        return self.call("POST", f"/sessions/{session_id}/play", body, {200, 202}, command_id)

    def control(self, session_id, body, command_id=None):
        """`body` is an action's name or a whole body."""
        body = {"action": body} if isinstance(body, str) else body
        return self.call("POST", f"/sessions/{session_id}/control", body, {200, 202}, command_id)

    def seek(self, session_id, seconds, command_id=None):
        return self.control(session_id, {"action": "seek", "positionSeconds": seconds}, command_id)

    def get(self, session_id):
        return self.call("GET", f"/sessions/{session_id}", None, expected={200})

    def call(self, method, path, body, expected, command_id=None):
        headers = {"Idempotency-Key": command_id} if command_id else {}
        response = self.http.request(
            method, self.base_url + path, json=body, headers=headers, timeout=CALL_TIMEOUT_SECONDS
        )
        if response.status_code >= 400:
            raise Refused(response)
        if response.status_code not in expected:
            raise ContractBroken(f"{method} {path} answered {response.status_code}: {response.text}")
        return checked_status(response)

    def wait_until(self, session_id, what, condition, within=45.0):
        """Polls, as the bot does, until `condition(status)` holds; answers the status that it held for."""
        deadline = time.monotonic() + within
        while True:
            status = self.get(session_id)
            if condition(status):
                return status
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within} s: {what}; last status: {dict(status)}")
            time.sleep(0.1)

    def wait_for_state(self, session_id, state, within=45.0):
        return self.wait_until(session_id, state, lambda status: status.state == state, within)

    def wait_until_it_grows(self, session_id, seconds=2, within=45.0):
        """Waits until it plays and `positionSeconds` has grown."""
        first = self.wait_for_state(session_id, "playing", within)
        target = first["positionSeconds"] + seconds
        return self.wait_until(
            session_id,
            f"playing at {target} s",
            lambda status: status.state == "playing" and status["positionSeconds"] >= target,
            within,
        )


def checked_status(response):
    """The status in a 2xx answer. Raises ContractBroken where it differs from the contract."""
    if media_type(response) != "application/json":
        raise ContractBroken(f"content type {response.headers.get('Content-Type')}")
    body = response.json()
    if not isinstance(body, dict):
        raise ContractBroken(f"not an object: {body}")
    for field, is_right in FIELDS.items():
        if field not in body:
            raise ContractBroken(f"{field} is missing: {body}")
        if not is_right(body[field]):
            raise ContractBroken(f"{field} is {body[field]!r}")
    for field, is_right in FIELDS_THAT_MAY_FOLLOW.items():
        if field in body and not is_right(body[field]):
            raise ContractBroken(f"{field} is {body[field]!r}")
    if abs(body["positionMs"] - 1000 * body["positionSeconds"]) > 1000:
        raise ContractBroken(f"positionSeconds and positionMs differ: {body}")
    # Set in the same update, so that no poller ever sees the one without the other.
    if body.get("endReason") == "failed" and not body["lastError"]:
        raise ContractBroken(f"failed without lastError: {body}")
    if body["playbackState"] == "ended" and body.get("endReason") is None:
        raise ContractBroken(f"ended without endReason: {body}")
    if re.search(r"[a-z]+://", response.text):
        raise ContractBroken(f"a URL in a status: {body}")
    status = Status(body)
    status.http_status = response.status_code
    return status


def checked_problem(response):
    """The problem in a 4xx or 5xx answer. Raises ContractBroken where it is none."""
    what = f"{response.status_code} {response.headers.get('Content-Type')} {response.text[:500]!r}"
    if media_type(response) != "application/problem+json":
        raise ContractBroken(f"not problem+json: {what}")
    problem = response.json()
    if not isinstance(problem, dict) or not is_text(problem.get("code")):
        raise ContractBroken(f"no code: {what}")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", problem["code"]):
        raise ContractBroken(f"not a stable code: {what}")
    if problem.get("status", response.status_code) != response.status_code:
        raise ContractBroken(f"two statuses: {what}")
    return problem


def media_type(response):
    return response.headers.get("Content-Type", "").partition(";")[0].strip()


def is_integer(value):
    # bool is an int in Python, but not in JSON.
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value):
    return isinstance(value, str)


def is_position(value):
    return is_integer(value) and value >= 0


def or_null(is_right):
    return lambda value: value is None or is_right(value)


FIELDS = {
    "workerStatus": lambda value: value in WORKER_STATUSES,
    "playbackState": lambda value: value in PLAYBACK_STATES,
    "currentTitle": or_null(is_text),
    "positionSeconds": is_position,
    "durationSeconds": or_null(is_position),
    "lastError": or_null(is_text),
    "positionMs": is_position,
}

FIELDS_THAT_MAY_FOLLOW = {
    "sessionId": is_text,
    "queueEntryId": or_null(is_integer),
    "endReason": or_null(lambda value: value in END_REASONS),
    "updatedAt": or_null(is_text),
    "plan": or_null(is_text),
    "capabilities": lambda value: isinstance(value, list) and all(map(is_text, value)),
}

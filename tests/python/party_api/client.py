"""A client of the party API, written from its page and its document: nothing of the program is known here."""

import json
import threading

import requests

TIMEOUT_SECONDS = 30


class Party:
    """One party of an `orb`, by HTTP."""

    def __init__(self, orb, party, guild):
        self.http = requests.Session()
        # Proxies of the environment have no part in this.
        self.http.trust_env = False
        self.http.headers["Authorization"] = f"Bearer {orb.token}"
        self.url = f"{orb.url}/api/v1/parties"
        self.path = f"/{party}"
        self.film = orb.stream_url.rsplit("/", 2)[1]
        self.creation = {"id": party, "guildId": guild, "voiceChannelId": "222", "textChannelId": "333"}

    def call(self, method, path, body=None, key=None, if_match=None):
        """The answer, whatever it is."""
        headers = {"Idempotency-Key": key, "If-Match": if_match}
        headers = {name: value for name, value in headers.items() if value is not None}
        return self.http.request(method, self.url + path, json=body, headers=headers, timeout=TIMEOUT_SECONDS)

    def create(self):
        return self.call("POST", "", self.creation)

    def add(self, count=1, **headers):
        return self.call("POST", f"{self.path}/queue", {"itemIds": [self.film] * count}, **headers)

    def queue(self):
        return self.call("GET", f"{self.path}/queue")

    def waiting(self):
        return [entry["entryId"] for entry in self.queue().json()["entries"] if entry["status"] == "queued"]

    def all_events(self):
        """Page by page."""
        events, after = [], 0
        while after is not None:
            page = self.call("GET", f"{self.path}/events?limit=7&after={after}").json()
            events += page["events"]
            after = page["next"]
        return events


class Listener:
    """Reads a party's stream in a thread of its own, until the connection ends."""

    def __init__(self, party, last_event_id=None):
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        self.rows = []
        self.states = []
        self.heard = threading.Condition()
        self.answer = party.http.get(
            f"{party.url}{party.path}/events", headers=headers, stream=True, timeout=TIMEOUT_SECONDS
        )
        self.answer.raise_for_status()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            fields = {}
            for line in self.answer.iter_lines(chunk_size=1, decode_unicode=True):
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    self.take(fields)
                    fields = {}
        except requests.RequestException:
            # The server was killed.
            pass

    def take(self, fields):
        if "data" not in fields:
            return
        data = json.loads(fields["data"])
        with self.heard:
            if "id" in fields:
                assert (int(fields["id"]), fields["event"]) == (data["id"], data["type"]), fields
                self.rows.append(data)
            else:
                assert fields["event"] == "state", fields
                self.states.append(data)
            self.heard.notify_all()

    def wait(self, condition):
        with self.heard:
            assert self.heard.wait_for(lambda: condition(self), TIMEOUT_SECONDS), (self.rows, self.states[-1:])

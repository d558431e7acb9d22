"""jellyfin-sim as a process, and the official client connected to it."""

import logging

import jellyfin_apiclient_python
import requests

import processes

FILM_SECONDS = 20
GENERATED = 20_000
CONTENTS = ["--show", "The Long Show", "--collection", "Everything", "--library", str(GENERATED)]

# The client logs each refusal, of which the tests ask for many.
for name in ("JELLYFIN", "Jellyfin"):
    logging.getLogger(name).addHandler(logging.NullHandler())


class Simulator(processes.Process):
    """One version of the server (`10.11` or `12`) with a film, a show, a collection and a large library."""

    def __init__(self, folder, version):
        folder.mkdir(exist_ok=True)
        flags = ["--auth", version, "--seconds", str(FILM_SECONDS), "--min-resume-seconds", "0"]
        super().__init__("jellyfin-sim", [*flags, *CONTENTS], {}, folder / "jellyfin-sim.log")
        self.version = version
        self.url = self.printed(r"^url (\S+)$")
        self.api_key = self.printed(r"^api-key (\S+)$")
        self.series = self.printed(r"^show (\S+)$")

    def reports(self):
        return requests.get(f"{self.url}/_sim/reports", timeout=10).json()

    def fault(self, **fault):
        requests.post(f"{self.url}/_sim/fault", json=fault, timeout=10).raise_for_status()

    def clear_faults(self):
        requests.delete(f"{self.url}/_sim/fault", timeout=10).raise_for_status()

    def client(self):
        """A client that is nobody yet."""
        client = jellyfin_apiclient_python.JellyfinClient()
        client.config.app("Judge", "1.0", "Test bench", "python-judge")
        client.config.data["auth.ssl"] = True
        client.config.http(max_retries=0, timeout=20)
        return client

    def logged_in(self, name="orb"):
        """A user's client, connected and logged in as an application does it."""
        client = self.client()
        state = client.auth.connect_to_address(self.url)
        assert state["State"] != 0, f"it is not reachable: {state}"
        result = client.auth.login(self.url, name, name)
        assert result, "the login failed"
        client.logged_in = True
        client.config.auth(self.url, result["User"]["Id"], result["AccessToken"], True)
        return client

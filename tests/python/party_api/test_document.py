"""The API document, judged by others: is it OpenAPI 3.1, and does a real `orb up` answer as it says?

schemathesis makes requests out of the document, right ones and wrong ones, and compares each answer with it: its
status, its content type, its headers, its schema. The schemas of refusals name the codes of each call, so a code that
is not documented there is found as well. No answer may be a fault of the server's own.
"""

import pathlib
import subprocess
import sys
import time
import unittest

import openapi_spec_validator
import requests

import processes

HERE = pathlib.Path(__file__).parent

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)

#: Requests a call and phase, at most: enough for each field to be wrong once, and the whole run below a minute.
MAX_EXAMPLES = 25

#: Each party holds an account, and that all are taken is a 503, as it should be. Here it shall not come to that.
ACCOUNTS = ",".join(f"fuzzed-{number}" for number in range(30))

TIMEOUT_SECONDS = 180


class Document(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.orb = processes.start_up(processes.folder() / "document", accounts=ACCOUNTS)
        cls.addClassCleanup(cls.orb.stop)

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.orb.token}"}
        answer = requests.request(method, self.orb.url + path, json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def test_it_is_openapi(self):
        openapi_spec_validator.validate(self.call("GET", "/api/openapi.json"))

    def test_every_answer_is_as_documented(self):
        self.play_something()
        began = time.monotonic()
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", str(HERE / "schemathesis.toml")),
                *("run", f"{self.orb.url}/api/openapi.json"),
                *("--header", f"Authorization: Bearer {self.orb.token}"),
                *("--checks", ",".join(CHECKS)),
                *("--phases", "examples,coverage,fuzzing"),
                *("--max-examples", str(MAX_EXAMPLES)),
                *("--request-timeout", "20"),
                # The same requests in each run: what fails here fails again.
                *("--generation-deterministic", "--continue-on-failure", "--warnings", "off", "--no-color"),
            ],
            # It remembers what failed in the folder that it is started in.
            cwd=processes.folder(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        self.assertEqual(run.returncode, 0, run.stdout[-6000:] + run.stderr[-2000:])
        self.assertIn("Tested:", run.stdout)
        print(f"{run.stdout.strip().splitlines()[-1].strip('= ')}; {time.monotonic() - began:.0f} s", file=sys.stderr)
        # It outlived all of that.
        self.assertEqual(requests.get(f"{self.orb.url}/readyz", timeout=10).status_code, 200)

    def play_something(self):
        ids = {"guildId": "111", "voiceChannelId": "222", "textChannelId": "333"}
        self.call("POST", "/api/v1/parties", {"id": "fuzzed"} | ids)
        film = self.orb.stream_url.rsplit("/", 2)[1]
        self.call("POST", "/api/v1/parties/fuzzed/queue", {"itemIds": [film] * 3})
        self.call("POST", "/api/v1/parties/fuzzed/play")


if __name__ == "__main__":
    unittest.main()

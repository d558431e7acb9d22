"""Runs all tests of this folder and ends with the line `N passed, N failed`.

Most of them wait most of the time, so three parts run side by side, each a process of its own with what it starts.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

import processes

HOW_TO_BUILD = "build them with: cargo build -p orb -p discord-sim -p jellyfin-sim -p orb-voice --bins --examples"


class Result(unittest.TextTestResult):
    """Counts tests: one with several failed sub-tests is one that failed. Says how long each took."""

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.began:.1f} s")

    def failed_tests(self):
        broken = [test for test, _ in self.failures + self.errors]
        # A sub-test knows the test that it is a part of.
        return len({id(getattr(test, "test_case", test)) for test in broken}) + len(self.unexpectedSuccesses)


#: By the processes that they share (see `processes.up` and `processes.demo`): about a minute and a half each. What is in
#: none of them is a part of its own.
PARTS = (
    ("test_contract.UpTest", "test_contract.RestartTest", "test_bad_input", "test_grpc_reflection"),
    ("test_contract.DemoTest", "cli"),
)


def main(names):
    missing = processes.missing_binaries()
    if missing:
        sys.exit(f"missing in {processes.BINARIES}: {', '.join(missing)}; {HOW_TO_BUILD}")
    passed, failed = run(names) if names else run_parts()
    sys.stderr.flush()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def run(names):
    """These tests, in this process. Answers how many passed and failed."""
    suite = unittest.TestLoader().loadTestsFromNames(names)
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    failed = result.failed_tests()
    # A set-up that failed ran no test, but is a failure: it must not make the other count negative.
    passed = max(0, result.testsRun - failed)
    return passed, max(failed, 1) if result.testsRun == 0 else failed


def run_parts():
    """All tests, each part in a process of its own; what one prints comes out when it has ended."""
    children = []
    for names in parts():
        output = tempfile.TemporaryFile("w+")
        command = [sys.executable, "-B", __file__, *names]
        children.append((subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT), output))
    passed = failed = 0
    for child, output in children:
        child.wait()
        output.seek(0)
        text = output.read()
        print(text, end="", flush=True)
        said = re.search(r"^(\d+) passed, (\d+) failed\Z", text.strip(), re.MULTILINE)
        # One that ended before it could say so is a failure.
        passed += int(said[1]) if said else 0
        failed += int(said[2]) if said else 1
    return passed, failed


def parts():
    """The names of all tests, part by part."""
    tests = all_tests()
    shared = [[name for name in tests if any(f"{name}.".startswith(f"{of}.") for of in part)] for part in PARTS]
    return [*shared, [name for name in tests if not any(name in part for part in shared)]]


def all_tests():
    def flat(suite):
        for test in suite:
            yield from flat(test) if isinstance(test, unittest.TestSuite) else [test.id()]

    return list(flat(unittest.TestLoader().discover(str(pathlib.Path(__file__).parent))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Runs all tests of this folder and ends with the line `N passed, N failed`."""

import pathlib
import sys
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


def main(names):
    missing = processes.missing_binaries()
    if missing:
        sys.exit(f"missing in {processes.BINARIES}: {', '.join(missing)}; {HOW_TO_BUILD}")
    loader = unittest.TestLoader()
    if names:
        suite = loader.loadTestsFromNames(names)
    else:
        suite = loader.discover(str(pathlib.Path(__file__).parent))
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    failed = result.failed_tests()
    # A set-up that failed ran no test, but is a failure: it must not make the other count negative.
    passed = max(0, result.testsRun - failed)
    if result.testsRun == 0:
        failed = max(failed, 1)
    sys.stderr.flush()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

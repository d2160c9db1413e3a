# SPDX-License-Identifier: GPL-3.0-or-later
"""run_suite.py RESULTS MODULE: runs one unittest module and writes one JSON object a line to RESULTS.

Each has "name", "outcome" (passed, failed or skipped), "seconds" and "detail". A test made of
subtests counts by these.
"""
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Recorder(unittest.TestResult):
    def __init__(self, stream):
        super().__init__()
        self.stream, self.began, self.in_parts = stream, time.monotonic(), set()

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def tell(self, test, outcome, detail=""):
        name = test.id() if hasattr(test, "id") else str(test)
        name = name.replace("integration.", "", 1)
        print(json.dumps({"name": name, "outcome": outcome, "seconds": round(time.monotonic() - self.began, 2),
                          "detail": detail}), file=self.stream, flush=True)

    def addSuccess(self, test):
        if test.id() not in self.in_parts:
            self.tell(test, "passed")

    def addError(self, test, err):
        super().addError(test, err)
        self.tell(test, "failed", self._exc_info_to_string(err, test))

    addFailure = addError

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.tell(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        self.tell(test, "failed", "expected failures are not accepted here")

    def addUnexpectedSuccess(self, test):
        self.tell(test, "failed", "unexpected success")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        self.in_parts.add(test.id())
        self.tell(subtest, "failed" if err else "passed", self._exc_info_to_string(err, test) if err else "")


def main(results, module):
    with open(results, "a", encoding="utf-8") as stream:
        recorder = Recorder(stream)
        suite = unittest.defaultTestLoader.loadTestsFromName(module)
        suite.run(recorder)
    return 0 if recorder.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of integration tests: one sandbox a suite file, fresh accounts a test."""
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from .mail import open_pop3
from .processes import wait_until
from .sandbox import ROOT, Sandbox

ALL = os.environ.get("POSTERN_TEST_ALL") == "1"
SANITIZED = "sanitize" in os.environ.get("POSTERN_BUILD", "")

# What a log must never hold after a test, whatever the test was about.
FAULTS = re.compile(r"CRITICAL \*\*|-CRITICAL|AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed")


def slow(reason):
    """Marks a test that only `tools/test --all` runs."""
    return unittest.skipUnless(ALL, f"slow ({reason}): run by tools/test --all")


def needs(program):
    """Marks a test that drives a program, for machines where tools/setup did not install it."""
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


class SandboxCase(unittest.TestCase):
    """A suite whose tests share one sandbox. Options of Sandbox go into `options`."""
    options = {}
    longMessage = True
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="postern-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.sandbox = Sandbox(cls.folder, **cls.options)
        cls.sandbox.up()
        cls.addClassCleanup(cls.sandbox.down)

    @classmethod
    def tearDownClass(cls):
        if cls.sandbox.daemon is not None and cls.sandbox.daemon.poll() is None:
            status = cls.sandbox.stop_daemon()
            if status != 0:
                raise AssertionError(f"posternd ended with status {status}:\n{cls.sandbox.group.tail('posternd')}")
        assert_clean_logs(cls.sandbox)

    def fresh(self, name=None):
        """An account that no other test uses."""
        return self.sandbox.add_account(name)

    def inbound(self, account, raw, sender="somebody@elsewhere.test"):
        """Brings a message in through email(), which must take it."""
        status, text = self.sandbox.worker.inbound(account["address"], raw, sender)
        self.assertEqual(status, 200, text)

    def wait_for_mail(self, account, count=1, timeout=20):
        """Waits until POP3 lists so many messages."""
        def listed():
            pop = open_pop3(self.sandbox, account)
            try:
                return pop.stat()[0] >= count
            finally:
                pop.quit()
        wait_until(listed, timeout, f"{count} messages in {account['address']}", interval=0.02)

    def wait_for_outbound(self, count=1, timeout=30, to=None):
        """Waits for messages that left for the outside; returns [(envelope, octets)]."""
        def there():
            left = outbound(self.sandbox, to)
            return left if len(left) >= count else None
        return wait_until(there, timeout, f"{count} messages to leave" + (f" for {to}" if to else ""), interval=0.02)


def outbound(sandbox, to=None):
    """What has left so far: [(envelope, octets)], only for one recipient when told."""
    import json
    left = []
    for name in sorted(os.listdir(sandbox.path("outbound"))):
        if not name.endswith(".eml"):
            continue
        with open(sandbox.path("outbound-envelopes", name[:-4] + ".json"), encoding="utf-8") as file:
            envelope = json.load(file)
        if to is None or envelope["to"] == to:
            with open(sandbox.path("outbound", name), "rb") as file:
                left.append((envelope, file.read()))
    return left


def assert_clean_logs(sandbox):
    for name in os.listdir(sandbox.group.logs):
        with open(os.path.join(sandbox.group.logs, name), encoding="utf-8", errors="replace") as log:
            for line in log:
                if FAULTS.search(line):
                    raise AssertionError(f"{name}: {line.strip()}\n{sandbox.group.tail(name[:-4], 40)}")


def run(command, env=None, input=None, timeout=60):
    """Runs a program in the C locale; returns (status, output of both streams as text)."""
    done = subprocess.run(command, env=env, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=timeout, check=False)
    return done.returncode, done.stdout.decode(errors="replace")

# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of integration tests: one sandbox a suite file, fresh accounts a test."""
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from .mail import open_pop3
from .processes import wait_until
from .sandbox import Sandbox

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
    """A suite whose tests share one sandbox, with those of the same file and the same options."""
    options = {}  # of Sandbox
    own = False  # a sandbox for this class alone, since its tests break things
    maxDiff = 2000
    _shared = {}

    @classmethod
    def setUpClass(cls):
        key = (cls.__module__, cls.__qualname__ if cls.own else "", str(sorted(cls.options.items())))
        if key not in cls._shared:
            folder = tempfile.mkdtemp(prefix="postern-test-")
            unittest.addModuleCleanup(shutil.rmtree, folder, True)
            sandbox = Sandbox(os.path.join(folder, "sandbox"), **cls.options)
            sandbox.up()
            unittest.addModuleCleanup(end_well, sandbox)
            cls._shared[key] = (folder, sandbox)
        cls.folder, cls.sandbox = cls._shared[key]

    def run(self, result=None):
        """A daemon that died in one test is that test's fault, and must not become the next one's."""
        super().run(result)
        sandbox = getattr(self, "sandbox", None)
        if sandbox is not None and sandbox.daemon is not None and sandbox.daemon.returncode is None:
            status = sandbox.daemon.poll()
            if status is not None:
                died = AssertionError(f"posternd died with status {status}:\n{sandbox.group.tail('posternd')}")
                (result.addError if result else print)(self, (AssertionError, died, None))
                sandbox.start_daemon()

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


def end_well(sandbox):
    """Stops a sandbox, and holds it to what must be true of every one at its end."""
    try:
        if sandbox.daemon is not None and sandbox.daemon.poll() is None:
            status = sandbox.stop_daemon()
            if status != 0:
                raise AssertionError(f"posternd ended with status {status}:\n{sandbox.group.tail('posternd')}")
        assert_clean_logs(sandbox)
        assert_no_secrets(sandbox)
    finally:
        sandbox.down()


def assert_clean_logs(sandbox):
    for name, line in log_lines(sandbox):
        if FAULTS.search(line):
            raise AssertionError(f"{name}: {line.strip()}\n{sandbox.group.tail(name[:-4], 40)}")


def secrets_of(sandbox):
    """What must appear nowhere but where secrets are kept."""
    known = [sandbox.saved["setup_secret"], sandbox.saved["keyring_password"]]
    for account in sandbox.every_account:
        known += [account[name] for name in ("password", "worker_password", "worker_token") if account[name]]
    return known


def assert_no_secrets(sandbox):
    """No password or token in any log, nor in the configuration, nor as base64 or in a login's exchange."""
    known = secrets_of(sandbox)
    hidden = known + [base64.b64encode(secret.encode()).decode().rstrip("=") for secret in known]
    for account in sandbox.every_account:
        login = f"\0{account['address']}\0{account['password']}".encode()
        hidden.append(base64.b64encode(login).decode().rstrip("="))
    with open(sandbox.path("config.json"), encoding="utf-8") as file:
        lines = [("config.json", file.read()), *log_lines(sandbox)]
    for name, line in lines:
        for secret in hidden:
            if secret in line:
                raise AssertionError(f"{name} shows a secret: {line.replace(secret, '<the secret>').strip()[:300]}")


def log_lines(sandbox):
    for name in sorted(os.listdir(sandbox.path("logs"))):
        with open(sandbox.path("logs", name), encoding="utf-8", errors="replace") as log:
            for line in log:
                yield name, line


def run(command, env=None, input=None, timeout=60):
    """Runs a program in the C locale; returns (status, output of both streams as text)."""
    done = subprocess.run(command, env=env, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=timeout, check=False)
    return done.returncode, done.stdout.decode(errors="replace")

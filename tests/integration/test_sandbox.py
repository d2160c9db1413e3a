# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/sandbox as the design promises it: the line of JSON, two side by side, and nothing left behind."""
import http.client
import json
import os
import poplib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from contextlib import nullcontext
from unittest import mock

from support.case import SANITIZED, run
from support.mail import message
from support.processes import port_is_free, wait_until
from support.sandbox import ROOT, Sandbox
from support.worker import Worker

TOOL = os.path.join(ROOT, "tools/sandbox")
INTEGERS = ("pop3", "pop3s", "smtp", "smtps", "admin", "daemon_pid", "worker_pid")
STRINGS = ("ca", "worker_url", "inbound_url", "outbound_dir", "dbus_address", "state_dir", "config")
LIMIT = 60 if SANITIZED else 5


class Running:
    """tools/sandbox as a person starts it."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.process = subprocess.Popen([TOOL, folder, "--json", *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        began = time.monotonic()
        line = b""
        while not line.endswith(b"\n") and select.select([self.process.stdout], [], [], 60)[0]:
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                break
            line += more
        self.took = time.monotonic() - began
        if not line:
            self.process.kill()
            raise AssertionError("no line of JSON: " + self.process.stderr.read().decode())
        self.ready = json.loads(line)

    def end(self, how=None):
        if how is not None:
            self.process.send_signal(how)
        else:
            self.process.stdin.close()
        self.process.wait(20)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        return self.process.returncode

    def left_behind(self):
        """Processes that still have to do with the folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                        continue
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read()
                with open(f"/proc/{pid}/environ", "rb") as file:
                    line += file.read()
            except OSError:
                continue
            if self.folder.encode() in line and int(pid) != os.getpid():
                found.append(line.split(b"\0")[0].decode())
        return found

    def fetch(self, account=0):
        account = self.ready["accounts"][account]
        pop = poplib.POP3("localhost", self.ready["pop3"], timeout=20)
        pop.user(account["address"])
        pop.pass_(account["password"])
        got = [b"\n".join(pop.retr(number + 1)[1]) for number in range(pop.stat()[0])]
        pop.quit()
        return got

    def inbound(self, subject):
        worker = Worker(self.ready["worker_url"], self.ready["inbound_url"])
        return worker.inbound(self.ready["accounts"][0]["address"], message(subject))


class Tool(unittest.TestCase):
    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="postern-sandbox-")
        self.addCleanup(shutil.rmtree, self.base, True)

    def start(self, name="one", *options):
        running = Running(os.path.join(self.base, name), *options)
        self.addCleanup(lambda: running.process.poll() is not None or running.process.kill())
        return running

    def check_contract(self, *options):
        running = self.start("one", "--accounts", "2", *options)
        ready = running.ready
        self.assertLess(running.took, LIMIT, "up in time")
        for name in INTEGERS:
            self.assertIsInstance(ready[name], int, name)
        for name in STRINGS:
            self.assertTrue(isinstance(ready[name], str) and ready[name], name)
        self.assertTrue(all(20000 <= ready[name] < 30000 for name in INTEGERS[:5]))
        self.assertEqual(len(ready["accounts"]), 2)
        for account in ready["accounts"]:
            self.assertTrue(all(account[name] for name in ("address", "password", "worker_password", "worker_token")))
        self.assertTrue(os.path.isfile(ready["ca"]) and os.path.isfile(ready["config"]))
        self.assertTrue(os.path.isdir(ready["outbound_dir"]) and os.path.isdir(ready["state_dir"]))
        self.assertEqual(running.inbound("hello")[0], 200)
        wait_until(running.fetch, 20, "the message")
        connection = http.client.HTTPConnection("127.0.0.1", ready["admin"], timeout=10)
        connection.request("GET", "/health")
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        self.assertTrue(json.loads(response.read()))
        connection.close()
        worker = Worker(ready["worker_url"], ready["inbound_url"])
        me = worker.api("GET", "me", token=ready["accounts"][0]["worker_token"])
        self.assertEqual(me["role"], "administrator")
        self.assertEqual(running.end(signal.SIGTERM), 0)
        self.assertEqual(running.left_behind(), [])

    def test_contract(self):
        self.check_contract()

    def test_contract_headless(self):
        self.check_contract("--headless")

    def test_two_do_not_disturb_each_other(self):
        one, two = self.start("one"), self.start("two", "--headless")
        ports = [{ready[name] for name in INTEGERS[:5]} for ready in (one.ready, two.ready)]
        self.assertFalse(ports[0] & ports[1])
        self.assertEqual(one.inbound("for one")[0], 200)
        self.assertEqual(two.inbound("for two")[0], 200)
        for running, own in ((one, b"Subject: for one"), (two, b"Subject: for two")):
            got, = wait_until(running.fetch, 20, "its message")
            self.assertIn(own, got)
        one.end()
        self.assertEqual(len(two.fetch()), 1)
        two.end()

    def test_the_end_of_standard_input_ends_it(self):
        running = self.start()
        self.assertEqual(running.end(), 0)
        self.assertEqual(running.left_behind(), [])

    def test_sigkill_leaves_nothing(self):
        for options in ((), ("--headless",)):
            with self.subTest(options=options):
                running = self.start("killed" + "".join(options), *options)
                running.end(signal.SIGKILL)
                wait_until(lambda: not running.left_behind(), 5, f"the end of {running.left_behind()}")

    def test_a_folder_comes_up_again_as_it_was(self):
        for options, how in (((), signal.SIGTERM), (("--headless",), signal.SIGKILL)):
            with self.subTest(options=options):
                name = "again" + "".join(options)
                first = self.start(name, "--accounts", "2", *options)
                first.inbound("still there")
                wait_until(first.fetch, 20, "the message")
                first.end(how)
                wait_until(lambda: not first.left_behind(), 5, "the end of all of it")
                second = self.start(name, "--accounts", "2", *options)
                for key in INTEGERS[:5]:
                    self.assertEqual(second.ready[key], first.ready[key], key)
                self.assertEqual(second.ready["accounts"], first.ready["accounts"])
                got, = second.fetch()
                self.assertIn(b"Subject: still there", got)
                second.end()

    def test_a_folder_can_have_more_accounts_than_before(self):
        first = self.start("grows")
        first.end()
        second = self.start("grows", "--accounts", "3")
        self.assertEqual(second.ready["accounts"][0], first.ready["accounts"][0])
        self.assertEqual(len(second.ready["accounts"]), 3)
        self.assertEqual(second.fetch(2), [])
        second.end()

    def test_ports_that_are_taken_are_left_to_who_has_them(self):
        folder = os.path.join(self.base, "ports")
        with Sandbox(folder) as sandbox:
            before = sandbox.contract()
        for racing in (False, True):
            with self.subTest(racing=racing), socket.create_server(("127.0.0.1", before["smtp"])):
                # Racing: they were free when the sandbox looked, and no more when the daemon came.
                looks = iter([True] * 10)
                blind = mock.patch("support.processes.port_is_free", lambda port: next(looks, None) or port_is_free(port))
                with blind if racing else nullcontext():
                    with Sandbox(folder) as sandbox:
                        after = sandbox.contract()
                        self.assertNotEqual(after["smtp"], before["smtp"])
                        self.assertEqual(after["accounts"], before["accounts"])
                        sandbox.saved["ports"] = before["pop3"] - 1
                        sandbox._save()

    def test_a_folder_in_use_is_refused(self):
        running = self.start("busy")
        status, output = run([TOOL, running.folder, "--json"])
        self.assertEqual(status, 1)
        self.assertIn("another sandbox", output)
        running.end()

    def test_another_domain(self):
        running = self.start("domain", "--domain", "elsewhere.example")
        self.assertEqual(running.ready["accounts"][0]["address"], "user1@elsewhere.example")
        running.end()

    def test_no_secret_is_in_an_argument_or_an_environment(self):
        running = self.start("quiet")
        with open(os.path.join(running.folder, "sandbox.json"), encoding="utf-8") as file:
            saved = json.load(file)
        account = saved["accounts"][0]
        hidden = [account["password"], account["worker_password"], account["worker_token"], saved["keyring_password"]]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as one, open(f"/proc/{pid}/environ", "rb") as two:
                    arguments, environment = one.read(), two.read()
            except OSError:
                continue
            for secret in hidden:
                self.assertNotIn(secret.encode(), arguments + environment)
            self.assertNotIn(saved["setup_secret"].encode(), arguments)
            if saved["setup_secret"].encode() in environment:
                self.assertIn(b"workerd", os.readlink(f"/proc/{pid}/exe").encode())
        running.end()


class FirstLook(unittest.TestCase):
    """tools/run, the first command of the README."""

    def test_shows_mail_coming_and_going(self):
        folder = tempfile.mkdtemp(prefix="postern-run-")
        self.addCleanup(shutil.rmtree, folder, True)
        status, output = run([os.path.join(ROOT, "tools/run"), "--once", os.path.join(folder, "demo")], timeout=300)
        self.assertEqual(status, 0, output)
        self.assertEqual(output.count("every octet as it was sent"), 4, output)
        self.assertIn("周五的会议", output)
        self.assertIn("accepted with 250", output)
        self.assertIn(os.path.join(folder, "demo", "outbound"), output)

# SPDX-License-Identifier: GPL-3.0-or-later
"""posternctl asks for a secret on a terminal, as a person meets it."""
import fcntl
import os
import pty
import signal
import subprocess
import termios
import time

from support.case import SandboxCase
from support.processes import wait_until
from support.sandbox import build_folder

ECHO = 3  # index of the local modes in what tcgetattr gives


class OnATerminal(SandboxCase):
    def begin(self, *arguments):
        """Starts posternctl on a terminal of its own; returns (process, the other end)."""
        here, there = pty.openpty()
        self.addCleanup(os.close, here)
        self.terminal = there
        self.addCleanup(os.close, there)
        process = subprocess.Popen([os.path.join(build_folder(), "src/posternctl"), *arguments],
                                   env={**self.sandbox.environment(), "TERM": "dumb"}, stdin=there, stdout=there,
                                   stderr=there, start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.set_blocking(here, False)
        self.shown = b""
        return process, here

    def read(self, here):
        try:
            self.shown += os.read(here, 65536)
        except BlockingIOError:
            pass
        return self.shown

    def echoes(self):
        return bool(termios.tcgetattr(self.terminal)[ECHO] & termios.ECHO)

    def wait_for_prompt(self, here):
        wait_until(lambda: not self.echoes(), 10, "the echo to be off", interval=0.01)
        wait_until(lambda: self.read(here), 10, "the question", interval=0.01)

    def test_a_secret_is_asked_for_and_not_shown(self):
        user = self.sandbox._new_account("prompted")
        self.sandbox._make_user(user)
        self.sandbox.every_account.append(user)
        process, here = self.begin("account", "add", user["address"], "--url", self.sandbox.worker.url, "--password")
        self.wait_for_prompt(here)
        with open(f"/proc/{process.pid}/cmdline", "rb") as file:
            self.assertNotIn(user["worker_password"].encode(), file.read())
        os.write(here, user["worker_password"].encode() + b"\n")
        wait_until(lambda: self.read(here) is not None and process.poll() is not None, 20, "the end", interval=0.01)
        shown = self.read(here).decode()
        self.assertEqual(process.returncode, 0, shown)
        self.assertNotIn(user["worker_password"], shown)
        self.assertIn(user["address"], shown)
        self.assertTrue(self.echoes())
        _, answer = self.sandbox.posternctl("password", "list", user["address"])
        _, first = self.sandbox.posternctl("password", "show", user["address"], answer["passwords"][0]["id"])
        user["password"] = first["password"]
        self.assertIn(first["password"], shown)  # this one a person is to copy

    def test_ctrl_c_ends_it_and_leaves_the_terminal_as_it_was(self):
        process, here = self.begin("account", "add", "never@example.test", "--url", self.sandbox.worker.url, "--token")
        self.wait_for_prompt(here)
        time.sleep(0.05)  # past the switch, into the read
        os.write(here, b"\x03")
        wait_until(lambda: process.poll() is not None, 10, "the end", interval=0.01)
        self.assertIn(process.returncode, (-signal.SIGINT, 1), self.read(here))
        self.assertTrue(self.echoes(), "the shell that follows would show nothing that is typed")

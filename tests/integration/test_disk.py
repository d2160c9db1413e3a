# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk fills up: what cannot be kept is not taken, and what is there is still served."""
import os
import shutil
import subprocess
import tempfile
import unittest

from support.mail import RawPop3, RawSmtp, message, open_pop3
from support.case import outbound
from support.processes import wait_until
from support.sandbox import Sandbox

RESERVE = 200 * 1000 * 1000


class Full(unittest.TestCase):
    """The daemon's state is on a file system of 300 MB of memory, which a file of no use fills."""

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="postern-full-")
        self.addCleanup(shutil.rmtree, folder, True)
        self.disk = os.path.join(folder, "disk")
        os.mkdir(self.disk, 0o700)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m,mode=700", "postern-test", self.disk],
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            self.skipTest(f"mounting is not allowed here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        self.sandbox = Sandbox(os.path.join(folder, "sandbox"), headless=True,
                               state_dir=os.path.join(self.disk, "state"))
        self.sandbox.up()
        self.addCleanup(self.sandbox.down)
        self.account = self.sandbox.accounts[0]

    def fill(self, leave):
        """Takes what is free but for so many octets."""
        facts = os.statvfs(self.disk)
        with open(os.path.join(self.disk, "of-no-use"), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, facts.f_bavail * facts.f_frsize - leave)

    def bodies(self):
        return [name for _, _, names in os.walk(os.path.join(self.disk, "state", "bodies")) for name in names]

    def mail(self, smtp):
        return smtp.command(b"MAIL FROM:<%s>" % self.account["address"].encode())

    def test_mail_waits_outside_and_what_is_there_is_served(self):
        self.fill(RESERVE - 10_000_000)
        status, text = self.sandbox.worker.inbound(self.account["address"], message("served though full"))
        self.assertEqual(status, 200, text)

        def listed():
            with RawPop3(self.sandbox, self.account) as pop:
                return len(pop.listing()) == 1
        wait_until(listed, 20, "the message to be listed")
        pop = open_pop3(self.sandbox, self.account)
        self.assertIn(b"Subject: served though full", pop.retr(1)[1])
        pop.quit()
        self.assertEqual(self.bodies(), [], "a body was cached although the disk has only its reserve left")

        # The answer to "is there room" may be some seconds old.
        with RawSmtp(self.sandbox, self.account) as smtp:
            def refused():
                answer = self.mail(smtp)
                smtp.command(b"RSET")
                return answer if answer[0] != 250 else None
            code, text = wait_until(refused, 30, "MAIL to be refused", interval=0.2)
            self.assertEqual(code, 452, text)
            self.assertIn("4.3.1", text)

            # There is room again: no restart is needed.
            os.unlink(os.path.join(self.disk, "of-no-use"))
            wait_until(lambda: self.mail(smtp)[0] == 250 or not smtp.command(b"RSET"), 30, "MAIL to be taken again",
                       interval=0.2)
            self.assertEqual(smtp.command(b"RCPT TO:<room@away.test>")[0], 250)
            self.assertEqual(smtp.command(b"DATA")[0], 354)
            smtp.send(message("room again", sender=self.account["address"]) + b".\r\n")
            self.assertEqual(smtp.answer()[0], 250)
        wait_until(lambda: outbound(self.sandbox, "room@away.test"), 30, "the message to leave")

    def test_a_message_that_finds_no_room_is_refused_for_now_and_nothing_is_lost(self):
        """The disk fills while messages come: each answer is true."""
        self.sandbox.stop_worker()
        with RawSmtp(self.sandbox, self.account) as smtp:
            self.assertEqual(self.mail(smtp)[0], 250)  # while there was room
            self.assertEqual(smtp.command(b"RCPT TO:<late@away.test>")[0], 250)
            self.fill(200_000)
            self.assertEqual(smtp.command(b"DATA")[0], 354)
            smtp.send(message("too late", sender=self.account["address"], body=(b"x" * 70 + b"\r\n") * 50_000) + b".\r\n")
            code, text = smtp.answer()
            self.assertIn(code, (451, 452), text)
            self.assertIn("4.3.", text)
        os.unlink(os.path.join(self.disk, "of-no-use"))
        self.sandbox.restart_daemon()
        self.assertEqual(self.sandbox.queue(), [])
        with RawSmtp(self.sandbox, self.account) as smtp:
            answer = smtp.submit(self.account["address"], ["after@away.test"],
                                 message("after", sender=self.account["address"]) + b".\r\n")
            self.assertEqual(answer[0], 250, answer)
        self.sandbox.start_worker()
        wait_until(lambda: outbound(self.sandbox, "after@away.test"), 40, "the message to leave")

# SPDX-License-Identifier: GPL-3.0-or-later
"""The trace that shows it: what a 250 promises is synced before the 250 is written."""
import os
import re
import unittest

from support.case import SANITIZED, SandboxCase, needs, run
from support.mail import RawSmtp, message

CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")


def events(path):
    """[(what, detail)] in the order they were done: ("sync", path) and ("sent", octets as strace shows them)."""
    pending, found = {}, []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = CALL.match(line)
            if not match:
                continue
            thread, call, rest = match.groups()
            if call in ("fsync", "fdatasync"):
                name = re.search(r"<([^>]*)>", rest)
                if "<unfinished" in rest:
                    pending[thread] = name[1].replace(" (deleted)", "")
                elif rest.rstrip().endswith("= 0"):
                    found.append(("sync", name[1] if name else pending.pop(thread, "?")))
            elif call in ("sendto", "sendmsg", "write", "writev", "send") and "resumed" not in line[:40]:
                found.append(("sent", rest))
    return found


def tracing_works():
    return run(["strace", "-o", "/dev/null", "true"])[0] == 0


@needs("strace")
@unittest.skipIf(SANITIZED, "LeakSanitizer and strace do not go together")
class SyncOrder(SandboxCase):
    own = True

    @classmethod
    def setUpClass(cls):
        if not tracing_works():
            raise unittest.SkipTest("strace may not trace here")
        cls.options = {"wrap_daemon": ("strace", "-f", "-y", "-s", "80", "-o", cls.trace_path(), "-e",
                                       "trace=fsync,fdatasync,sendto,sendmsg,write,writev")}
        super().setUpClass()

    @classmethod
    def trace_path(cls):
        return f"/tmp/postern-trace-{os.getpid()}"

    @classmethod
    def tearDownClass(cls):
        if os.path.exists(cls.trace_path()):
            unittest.addModuleCleanup(os.unlink, cls.trace_path())

    def between_data_and_250(self, size):
        account = self.sandbox.accounts[0]
        with RawSmtp(self.sandbox, account) as smtp:
            code, text = smtp.submit(account["address"], ["sync@away.test"],
                                     message(sender=account["address"], body=(b"x" * 70 + b"\r\n") * (size // 72)) + b".\r\n")
            self.assertEqual(code, 250, text)
            reply = text.strip()
        done = events(self.trace_path())
        end = max(i for i, (what, detail) in enumerate(done) if what == "sent" and reply[:60] in detail)
        begin = max(i for i, (what, detail) in enumerate(done[:end]) if what == "sent" and '"354' in detail)
        return [os.path.basename(path) if "spool" not in path else path[path.index("spool"):].rstrip("/")
                for what, path in done[begin:end] if what == "sync"]

    def test_a_small_message(self):
        synced = self.between_data_and_250(10_000)
        self.assertIn("queue.db-wal", synced)
        self.assertFalse([name for name in synced if name.startswith("spool")], "one sync is enough for a small one")

    def test_a_large_message(self):
        synced = self.between_data_and_250(1_000_000)
        files = [i for i, name in enumerate(synced) if name.startswith("spool/")]
        folder = [i for i, name in enumerate(synced) if name == "spool"]
        rows = [i for i, name in enumerate(synced) if name == "queue.db-wal"]
        self.assertTrue(files and folder and rows, synced)
        # A row never names a file that is not there: the file, its name, then the row.
        self.assertLess(files[0], folder[-1])
        self.assertLess(folder[-1], rows[-1])

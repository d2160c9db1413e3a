# SPDX-License-Identifier: GPL-3.0-or-later
"""Every octet that comes in is there to be fetched, and every octet that may leave leaves."""
import os
import subprocess

from support.bodies import BIG, HEAD, MIB, RECEIVED, random_octets
from support.case import SandboxCase, needs
from support.mail import RawPop3, RawSmtp, canonical, message, stuffed


class FromEmailHandler(SandboxCase):
    """email() → JMAP download exactly, → RETR in canonical lines."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # One mailbox for all of them: the order of arrival is that of the dictionary.
        cls.account = cls.sandbox.add_account()
        for name, raw in RECEIVED.items():
            status, text = cls.sandbox.worker.inbound(cls.account["address"], raw)
            assert status == 200, (name, text)

    def setUp(self):
        self.wait_for_mail(self.account, len(RECEIVED))

    def test_jmap_download_is_exact(self):
        emails = self.sandbox.worker.emails(self.account["worker_token"])
        self.assertEqual(len(emails), len(RECEIVED))
        for email, (name, raw) in zip(emails, RECEIVED.items()):
            with self.subTest(name):
                self.assertEqual(email["size"], len(raw))
                got = self.sandbox.worker.download(self.account["worker_token"], email["blobId"])
                self.assertTrue(got == raw, f"{len(got)} octets came back of {len(raw)}")

    def test_jmap_download_of_a_range_is_exact(self):
        email = self.sandbox.worker.emails(self.account["worker_token"])[list(RECEIVED).index("binary")]
        got = self.sandbox.worker.download(self.account["worker_token"], email["blobId"], "bytes=5000-69999")
        self.assertEqual(got, RECEIVED["binary"][5000:70000])

    def check_retr(self, tls):
        with RawPop3(self.sandbox, self.account, tls=tls) as pop:
            sizes = dict(pop.listing())
            for number, (name, raw) in enumerate(RECEIVED.items(), 1):
                with self.subTest(name, tls=tls):
                    expected = canonical(raw)
                    wire = pop.retr(number)
                    self.assertTrue(wire == stuffed(expected), self.difference(wire, stuffed(expected)))
                    self.assertEqual(sizes[number], len(expected), "the size that LIST tells")

    def test_retr_is_canonical(self):
        self.check_retr(tls=False)

    def test_retr_over_tls_is_the_same(self):
        self.check_retr(tls=True)

    def test_retr_is_the_same_again_from_the_cache_after_a_restart(self):
        with RawPop3(self.sandbox, self.account) as pop:
            before = [pop.retr(number) for number in range(1, len(RECEIVED) + 1)]
            ids = pop.uidl()
        self.sandbox.restart_daemon()
        with RawPop3(self.sandbox, self.account) as pop:
            self.assertEqual(pop.uidl(), ids)
            for number, wire in enumerate(before, 1):
                self.assertTrue(pop.retr(number) == wire, list(RECEIVED)[number - 1])

    def test_top_gives_the_header_and_the_first_lines(self):
        number = list(RECEIVED).index("leading dots") + 1
        with RawPop3(self.sandbox, self.account) as pop:
            self.assertTrue(pop.ask(b"TOP %d 3" % number).startswith(b"+OK"))
            self.assertEqual(pop.body(), HEAD + b"..\r\n...\r\n....\r\n")
            self.assertTrue(pop.ask(b"TOP %d 0" % number).startswith(b"+OK"))
            self.assertEqual(pop.body(), HEAD)

    def difference(self, got, expected):
        at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        return (f"{len(got)} octets, expected {len(expected)}; they differ at {at}: "
                f"{got[max(0, at - 20):at + 20]!r} for {expected[max(0, at - 20):at + 20]!r}")


class Big(SandboxCase):
    """25 MiB, by the socket and by curl."""

    def test_received(self):
        account = self.fresh()
        self.inbound(account, BIG)
        self.wait_for_mail(account, timeout=60)
        email, = self.sandbox.worker.emails(account["worker_token"])
        self.assertTrue(self.sandbox.worker.download(account["worker_token"], email["blobId"]) == BIG)
        for tls in (False, True):
            with self.subTest("RETR", tls=tls), RawPop3(self.sandbox, account, tls=tls) as pop:
                self.assertEqual(pop.listing(), [(1, len(BIG))])
                self.assertTrue(pop.retr(1) == stuffed(BIG))

    @needs("curl")
    def test_received_by_curl(self):
        account = self.fresh()
        self.inbound(account, BIG)
        self.wait_for_mail(account, timeout=60)
        path = os.path.join(self.folder, "big")
        subprocess.run(["/usr/bin/curl", "-sS", "-K", "-", "--cacert", self.sandbox.path("ca.pem"), "-o", path,
                        f"pop3s://localhost:{self.sandbox.ports['pop3s']}/1"], check=True, timeout=120,
                       input=f'user = "{account["address"]}:{account["password"]}"\n'.encode())
        with open(path, "rb") as file:
            self.assertTrue(file.read() == BIG)

    def test_too_large_for_the_worker_is_refused(self):
        account = self.fresh()
        status, text = self.sandbox.worker.inbound(account["address"], BIG + b"x" * MIB)
        self.assertEqual(status, 400)
        self.assertIn("552", text)

    def test_sent(self):
        account = self.fresh()
        to = f"big.{account['address'].split('@')[0]}@verified.test"
        body = b"".join(b".%d " % i + b"x" * 900 + b"\r\n" for i in range(25 * MIB // 910 - 100))
        sent = message("big", to=to, sender=account["address"], body=body)
        with RawSmtp(self.sandbox, account, tls=True, timeout=120) as smtp:
            code, text = smtp.submit(account["address"], [to], stuffed(sent) + b".\r\n")
            self.assertEqual(code, 250, text)
        (_, got), = self.wait_for_outbound(to=to, timeout=90)
        self.assertTrue(got == sent, f"{len(got)} octets left of {len(sent)}")

    def test_larger_than_the_route_carries_is_refused_at_mail(self):
        account = self.fresh()
        with RawSmtp(self.sandbox, account) as smtp:
            code, text = smtp.command(b"MAIL FROM:<%s> SIZE=99999999" % account["address"].encode())
            self.assertEqual(code, 552, text)
            self.assertIn("5.3.4", text)

    def test_larger_than_promised_is_refused_at_the_end(self):
        account = self.fresh()
        with RawSmtp(self.sandbox, account, timeout=120) as smtp:
            self.assertEqual(smtp.command(b"MAIL FROM:<%s>" % account["address"].encode())[0], 250)
            self.assertEqual(smtp.command(b"RCPT TO:<a@away.test>")[0], 250)
            self.assertEqual(smtp.command(b"DATA")[0], 354)
            smtp.send(HEAD + b"y" * 70 * 1024 + b"\r\n")
            for _ in range(27):
                smtp.send((b"x" * 1022 + b"\r\n") * 1024)
            smtp.send(b".\r\n")
            code, text = smtp.answer()
            self.assertEqual(code, 552, text)
            self.assertEqual(smtp.command(b"NOOP")[0], 250)


# What a mail program hands over, and what has to leave: the same, when it has all that it must have.
SENT = {
    "plain": b"Hello.\r\n",
    "leading dots": b".\r\n..\r\n...\r\n.dot\r\n\r\n.\r\nend\r\n",
    "eight-bit": "Grüße, 你好.\r\n".encode(),
    "line of 998": b"x" * 998 + b"\r\n",
    "empty body": b"",
    "many lines": b"".join(b"line %d\r\n" % i for i in range(20_000)),
    "blank lines at the end": b"x\r\n\r\n\r\n\r\n",
    "looks like SMTP": b"QUIT\r\nMAIL FROM:<x@y.test>\r\nDATA\r\n",
}


class FromData(SandboxCase):
    """DATA → outbound_dir, for messages that need no rewriting."""

    def send(self, account, wire, to):
        with RawSmtp(self.sandbox, account) as smtp:
            code, text = smtp.submit(account["address"], [to], wire)
            self.assertEqual(code, 250, text)
        (_, got), = self.wait_for_outbound(to=to)
        return got

    def test_leaves_as_it_came(self):
        account = self.fresh()
        for number, (name, body) in enumerate(SENT.items()):
            with self.subTest(name):
                to = f"{number}.{account['address'].split('@')[0]}@away.test"
                sent = message(name, to=to, sender=account["address"], body=body)
                self.assertEqual(self.send(account, stuffed(sent) + b".\r\n", to), sent)

    def test_random_text_leaves_as_it_came(self):
        account = self.fresh()
        to = f"random.{account['address'].split('@')[0]}@away.test"
        letters = bytes(b"abc .=-\t"[octet % 8] for octet in random_octets(200_000, seed=3))
        lines = b"".join(letters[at:at + 60] + b"\r\n" for at in range(0, len(letters), 60))
        sent = message("random", to=to, sender=account["address"], body=lines)
        self.assertEqual(self.send(account, stuffed(sent) + b".\r\n", to), sent)

    def test_data_in_single_octets_leaves_as_it_came(self):
        account = self.fresh()
        to = f"slowly.{account['address'].split('@')[0]}@away.test"
        sent = message("slowly", to=to, sender=account["address"], body=b".a\r\n..\r\nb\r\n")
        with RawSmtp(self.sandbox, account) as smtp:
            for command in (b"MAIL FROM:<%s>" % account["address"].encode(), b"RCPT TO:<%s>" % to.encode()):
                self.assertEqual(smtp.command(command)[0], 250)
            self.assertEqual(smtp.command(b"DATA")[0], 354)
            for octet in stuffed(sent) + b".\r\n":
                smtp.send(bytes([octet]))
            self.assertEqual(smtp.answer()[0], 250)
        self.assertEqual(self.wait_for_outbound(to=to)[0][1], sent)

    def test_bdat_leaves_as_it_came(self):
        account = self.fresh()
        to = f"chunks.{account['address'].split('@')[0]}@away.test"
        sent = message("chunks", to=to, sender=account["address"], body=b".\r\nQUIT\r\n.\r\n..\r\nend\r\n")
        half = len(sent) // 2
        with RawSmtp(self.sandbox, account) as smtp:
            for command in (b"MAIL FROM:<%s>" % account["address"].encode(), b"RCPT TO:<%s>" % to.encode()):
                self.assertEqual(smtp.command(command)[0], 250)
            smtp.send(b"BDAT %d\r\n" % half + sent[:half])
            self.assertEqual(smtp.answer()[0], 250)
            smtp.send(b"BDAT %d LAST\r\n" % (len(sent) - half) + sent[half:])
            self.assertEqual(smtp.answer()[0], 250)
        self.assertEqual(self.wait_for_outbound(to=to)[0][1], sent)

    def test_between_two_accounts_arrives_as_it_left(self):
        sender, reader = self.fresh(), self.fresh()
        sent = message("inside", to=reader["address"], sender=sender["address"], body=b".dot\r\n..\r\nend\r\n")
        with RawSmtp(self.sandbox, sender) as smtp:
            self.assertEqual(smtp.submit(sender["address"], [reader["address"]], stuffed(sent) + b".\r\n")[0], 250)
        self.wait_for_mail(reader)
        with RawPop3(self.sandbox, reader) as pop:
            self.assertEqual(pop.retr(1), stuffed(sent))

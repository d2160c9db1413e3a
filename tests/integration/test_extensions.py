# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions of both protocols, where more than one room has to do its part."""
import re

from support.case import SandboxCase
from support.mail import RawPop3, RawSmtp, message, stuffed

MIB = 1024 * 1024


class Submission(SandboxCase):
    def setUp(self):
        self.account = self.fresh()
        self.to = f"ext.{self.account['address'].split('@')[0]}@away.test"

    def begin(self, smtp, parameters=b""):
        code, text = smtp.command(b"MAIL FROM:<%s>%s" % (self.account["address"].encode(), parameters))
        self.assertEqual(code, 250, text)
        code, text = smtp.command(b"RCPT TO:<%s>" % self.to.encode())
        self.assertEqual(code, 250, text)

    def test_size_is_told_before_and_after_login(self):
        def told(smtp):
            return int(re.search(r"SIZE (\d+)", smtp.command(b"EHLO client.test")[1])[1])
        with RawSmtp(self.sandbox) as stranger, RawSmtp(self.sandbox, self.account) as known:
            before, after = told(stranger), told(known)
        # What the Worker takes, less room for the fields that are added on the way.
        self.assertEqual((before, after), (26 * MIB - 65536, 26 * MIB - 65536))

    def test_size_is_held_to_the_octet(self):
        with RawSmtp(self.sandbox, self.account) as smtp:
            limit = int(re.search(r"SIZE (\d+)", smtp.command(b"EHLO client.test")[1])[1])
            self.begin(smtp, b" SIZE=%d" % limit)
            smtp.command(b"RSET")
            code, text = smtp.command(b"MAIL FROM:<%s> SIZE=%d" % (self.account["address"].encode(), limit + 1))
            self.assertEqual((code, text[4:9]), (552, "5.3.4"))

    def test_chunks_are_carried_as_data_is(self):
        """Any octet, in chunks that end anywhere, several in one write, the last one empty."""
        sent = message("chunks", to=self.to, sender=self.account["address"],
                       body="Grüße\r\n.\r\n..\r\nBDAT 5\r\n".encode() + b"x" * 70_000 + b"\r\n")
        with RawSmtp(self.sandbox, self.account) as smtp:
            self.begin(smtp, b" BODY=8BITMIME")
            cuts = [0, 1, 7, 300, 301, 65_536, len(sent)]
            for begin, end in zip(cuts, cuts[1:]):
                smtp.send(b"BDAT %d\r\n" % (end - begin) + sent[begin:end])
            smtp.send(b"BDAT 0 LAST\r\n")
            for _ in cuts:
                self.assertEqual(smtp.answer()[0], 250)
        self.assertEqual(self.wait_for_outbound(to=self.to)[0][1], sent)

    def test_a_header_in_utf8_goes_out_as_it_is(self):
        sent = message("Grüße", to=self.to, sender=self.account["address"], body="你好\r\n".encode())
        with RawSmtp(self.sandbox, self.account) as smtp:
            self.begin(smtp, b" BODY=8BITMIME SMTPUTF8")
            self.assertEqual(smtp.command(b"DATA")[0], 354)
            smtp.send(stuffed(sent) + b".\r\n")
            code, text = smtp.answer()
            self.assertEqual(code, 250, text)
        self.assertEqual(self.wait_for_outbound(to=self.to)[0][1], sent)


class Retrieval(SandboxCase):
    def setUp(self):
        self.account = self.fresh()
        self.raw = message("Grüße an 李雷", to=self.account["address"], body="你好\r\n".encode())
        self.inbound(self.account, self.raw)
        self.wait_for_mail(self.account)

    def test_utf8_is_switched_on_before_login_and_changes_no_octet(self):
        with RawPop3(self.sandbox) as pop:
            self.assertTrue(pop.ask(b"UTF8").startswith(b"+OK"))
            self.assertTrue(pop.ask(b"USER " + self.account["address"].encode()).startswith(b"+OK"))
            self.assertTrue(pop.ask(b"PASS " + self.account["password"].encode()).startswith(b"+OK"))
            self.assertEqual(pop.retr(1), self.raw)
            self.assertEqual(pop.listing(), [(1, len(self.raw))])
        with RawPop3(self.sandbox, self.account) as pop:
            self.assertEqual(pop.retr(1), self.raw)

    def test_languages_are_listed_and_chosen(self):
        with RawPop3(self.sandbox, self.account) as pop:
            self.assertTrue(pop.ask(b"LANG").startswith(b"+OK"))
            listed = pop.body().decode().splitlines()
            self.assertTrue(any(line.startswith("en") for line in listed), listed)
            self.assertTrue(pop.ask(b"LANG en").startswith(b"+OK en"))
            self.assertTrue(pop.ask(b"LANG *").startswith(b"+OK"))
            self.assertTrue(pop.ask(b"LANG tlh").startswith(b"-ERR"))

    def test_top_of_no_lines_is_the_header(self):
        with RawPop3(self.sandbox, self.account) as pop:
            self.assertTrue(pop.ask(b"TOP 1 0").startswith(b"+OK"))
            self.assertEqual(pop.body(), self.raw[:self.raw.index(b"\r\n\r\n") + 4])

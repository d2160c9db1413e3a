# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that goes out: to whom, what is changed on the way, and what becomes of trouble."""
import email
import email.policy
import re
import smtplib
import time

from support.case import SandboxCase, outbound
from support.mail import RawPop3, RawSmtp, message, open_smtp, stuffed
from support.processes import wait_until


class SendingCase(SandboxCase):
    def setUp(self):
        self.account = self.fresh()
        self.name = self.account["address"].split("@")[0]

    def outside(self, word, domain="away.test"):
        """An address nobody else sends to."""
        return f"{word}.{self.name}@{domain}"

    def submit(self, recipients, sent, sender=None):
        with RawSmtp(self.sandbox, self.account) as smtp:
            code, text = smtp.submit(self.account["address"] if sender is None else sender, recipients,
                                     stuffed(sent) + b".\r\n")
        self.assertEqual(code, 250, text)

    def mine(self):
        """What of this account has not left."""
        return [entry for entry in self.sandbox.queue() if entry["sender"] == self.account["address"]]

    def inbox(self, account=None):
        return self.sandbox.worker.emails((account or self.account)["worker_token"], "inbox")


class Recipients(SendingCase):
    def test_two_hundred_get_one_each(self):
        to = [self.outside(f"r{number}") for number in range(200)]
        self.submit(to, message(sender=self.account["address"]))
        wait_until(lambda: len(self.left()) >= 200, 60, "200 messages to leave")
        self.assertEqual(sorted(self.left()), sorted(to))

    def left(self):
        return [envelope["to"] for envelope, _ in outbound(self.sandbox) if f".{self.name}@" in envelope["to"]]

    def test_the_envelope_decides_and_never_the_header(self):
        to, named = self.outside("real"), self.outside("named")
        self.submit([to], message(to=named, sender=self.account["address"], extra=f"Cc: <{named}>\r\n".encode()))
        self.wait_for_outbound(to=to)
        # Whatever else would have gone left before or with it: one envelope at a time, in order.
        self.submit([self.outside("later")], message(sender=self.account["address"]))
        self.wait_for_outbound(to=self.outside("later"))
        self.assertEqual(outbound(self.sandbox, named), [])

    def test_outside_and_inside_at_once(self):
        reader, to = self.fresh(), self.outside("out")
        self.submit([to, reader["address"]], message("both", sender=self.account["address"]))
        self.wait_for_outbound(to=to)
        self.wait_for_mail(reader)

    def test_two_names_of_one_mailbox_get_one_copy(self):
        reader = self.fresh()
        local, domain = reader["address"].split("@")
        self.submit([reader["address"], f"{local}+tag@{domain}"], message("once", sender=self.account["address"]))
        self.wait_for_mail(reader)
        time.sleep(0.5)  # time enough for a second copy, were there one
        self.assertEqual(len(self.inbox(reader)), 1)

    def test_non_ascii_addresses(self):
        to = f"grüße.{self.name}@例え.test"
        with RawSmtp(self.sandbox, self.account) as smtp:
            self.assertIn("SMTPUTF8", smtp.command(b"EHLO client.test")[1])
            code, text = smtp.command(f"MAIL FROM:<{self.account['address']}> SMTPUTF8".encode())
            self.assertEqual(code, 250, text)
            code, text = smtp.command(f"RCPT TO:<{to}>".encode())
            self.assertEqual(code, 250, text)
            self.assertEqual(smtp.command(b"DATA")[0], 354)
            sent = message(to=to, sender=self.account["address"], body="Grüße\r\n".encode())
            smtp.send((sent.decode("latin-1")).encode("latin-1") + b".\r\n")
            self.assertEqual(smtp.answer()[0], 250)

        def there():
            return [octets for envelope, octets in outbound(self.sandbox)
                    if f".{self.name}@" in envelope["to"] and envelope["to"].startswith("grüße")]
        got, = wait_until(there, 20, "the message to leave")
        self.assertEqual(got, sent)

    def test_non_ascii_without_smtputf8_is_refused(self):
        with RawSmtp(self.sandbox, self.account) as smtp:
            smtp.command(b"MAIL FROM:<%s>" % self.account["address"].encode())
            code, text = smtp.command("RCPT TO:<grüße@away.test>".encode())
            self.assertIn(code, (550, 553), text)


class Sender(SendingCase):
    def refused(self, envelope, header):
        with RawSmtp(self.sandbox, self.account) as smtp:
            answer = smtp.submit(envelope, [self.outside("x")], message(sender=header) + b".\r\n")
        self.assertEqual(answer[0], 550, answer)
        self.assertIn("5.7.1", answer[1])

    def test_another_ones_envelope_is_refused(self):
        self.refused("somebody@else.test", self.account["address"])

    def test_another_ones_from_is_refused(self):
        self.refused(self.account["address"], "president@else.test")

    def test_another_account_of_the_same_bridge_is_refused(self):
        other = self.fresh()
        self.refused(other["address"], other["address"])

    def test_subaddress_and_case_are_owned(self):
        local, domain = self.account["address"].split("@")
        to = self.outside("tagged")
        self.submit([to], message(to=to, sender=f"{local}+tag@{domain.upper()}"), sender=f"{local}+tag@{domain}")
        self.wait_for_outbound(to=to)

    def test_a_new_alias_may_send_at_once(self):
        administrator = self.sandbox.accounts[0]["worker_token"]
        alias, to = "new-" + self.account["address"], self.outside("alias")
        self.sandbox.worker.api("PUT", f"users/{self.account['address']}/aliases/{alias}", None, administrator)
        self.submit([to], message(to=to, sender=alias), sender=alias)
        (envelope, _), = self.wait_for_outbound(to=to)
        self.assertEqual(envelope["from"], alias)

    def test_mail_before_login_is_refused(self):
        with RawSmtp(self.sandbox) as smtp:
            smtp.command(b"EHLO client.test")
            code, text = smtp.command(b"MAIL FROM:<%s>" % self.account["address"].encode())
            self.assertEqual(code, 530, text)


class Rewriting(SendingCase):
    """Each change that is made to what a mail program hands over, and nothing besides it."""

    def left(self, raw, word):
        to = self.outside(word)
        self.submit([to], raw.replace(b"TO", to.encode()))
        return self.wait_for_outbound(to=to)[0][1].replace(to.encode(), b"TO")

    def head(self):
        return f"From: <{self.account['address']}>\r\nTo: <TO>\r\nSubject: x\r\n".encode()

    def test_a_missing_date_is_added(self):
        raw = self.head() + b"Message-ID: <m1@example.test>\r\n\r\nbody\r\n"
        got = self.left(raw, "date")
        added = re.findall(rb"(?m)^Date: [A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n", got)
        self.assertEqual(len(added), 1, got)
        self.assertEqual(got.replace(added[0], b""), raw)

    def test_a_missing_message_id_is_added(self):
        raw = self.head() + b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nbody\r\n"
        got = self.left(raw, "id")
        added = re.findall(rb"(?m)^Message-ID: <[^<>@\s]+@[^<>@\s]+>\r\n", got)
        self.assertEqual(len(added), 1, got)
        self.assertEqual(got.replace(added[0], b""), raw)

    def test_bcc_is_removed(self):
        raw = message(to="TO", sender=self.account["address"], body=b"Bcc: in the body stays\r\n")
        hidden = raw.replace(b"Subject:", b"Bcc: <a@hidden.test>,\r\n <b@hidden.test>\r\nSubject:", 1)
        self.assertEqual(self.left(hidden, "bcc"), raw)

    def test_trace_headers_are_removed_for_the_binding(self):
        raw = message(to="TO", sender=self.account["address"])
        traced = b"Received: from a by b;\r\n Sun, 22 Nov 2026 10:00:00 +0000\r\nReturn-Path: <a@b.test>\r\n" + raw
        self.assertEqual(self.left(traced, "trace"), raw)

    def test_bare_line_ends_do_not_end_the_data_and_leave_as_crlf(self):
        raw = message(to="TO", sender=self.account["address"])
        for word, ending in (("lf", b"\n.\n"), ("lfcr", b"\n.\r\n"), ("crlf", b"\r\n.\n"), ("cr", b"\r.\r")):
            with self.subTest(word):
                to = self.outside("bare-" + word)
                smuggled = b"one" + ending + b"MAIL FROM:<evil@else.test>\r\ntwo\r\n"
                with RawSmtp(self.sandbox, self.account) as smtp:
                    code, text = smtp.submit(self.account["address"], [to],
                                             raw.replace(b"TO", to.encode()) + smuggled + b".\r\n")
                    # Refusing such a message is as good as carrying it; taking the rest for commands is not.
                    self.assertIn(code, (250, 550, 554), text)
                    self.assertEqual(smtp.command(b"NOOP")[0], 250)
                if code == 250:
                    got = self.wait_for_outbound(to=to)[0][1]
                    self.assertIn(b"MAIL FROM:<evil@else.test>\r\ntwo\r\n", got)
                    self.assertEqual(got.replace(b"\r\n", b"").count(b"\n"), 0, "a bare LF left")
                    self.assertEqual(got.replace(b"\r\n", b"").count(b"\r"), 0, "a bare CR left")

    def test_a_copy_is_kept_in_sent_without_bcc(self):
        to = self.outside("sent-copy")
        self.submit([to], message("kept", to=to, sender=self.account["address"], extra=b"Bcc: <a@hidden.test>\r\n"))
        self.wait_for_outbound(to=to)
        kept, = self.sandbox.worker.emails(self.account["worker_token"], "sent")
        self.assertEqual((kept["subject"], kept["keywords"].get("$seen")), ("kept", True))
        self.assertNotIn(b"hidden.test", self.sandbox.worker.download(self.account["worker_token"], kept["blobId"]))


class Trouble(SendingCase):
    def bounces(self, account=None):
        pieces = []
        for item in self.inbox(account):
            raw = self.sandbox.worker.download((account or self.account)["worker_token"], item["blobId"])
            parsed = email.message_from_bytes(raw, policy=email.policy.default)
            if parsed.get_content_type() == "multipart/report":
                pieces.append(parsed)
        return pieces

    def test_a_refused_recipient_bounces_once_into_the_inbox(self):
        refused, fine = self.outside("no", "refuse.test"), self.outside("yes")
        self.submit([refused, fine], message("bouncing", to=refused, sender=self.account["address"]))
        self.wait_for_outbound(to=fine)
        wait_until(self.bounces, 30, "the bounce")
        time.sleep(1)  # time enough for a second one, were there one
        bounce, = self.bounces()
        self.assertEqual(bounce.get_param("report-type"), "delivery-status")
        text = bounce.as_string()
        self.assertIn(refused, text)
        self.assertNotIn(fine, text.replace(f"To: <{fine}>", ""))
        self.assertRegex(text, r"(?m)^Action: failed$")
        self.assertRegex(text, r"(?m)^Status: 5\.\d+\.\d+$")
        self.wait_for_mail(self.account)

    def test_an_unknown_local_recipient_bounces(self):
        self.submit(["nobody-there@example.test"], message("lost", sender=self.account["address"]))
        bounce, = wait_until(self.bounces, 30, "the bounce")
        self.assertIn("nobody-there@example.test", bounce.as_string())

    def test_a_null_sender_gets_no_bounce(self):
        refused, after = self.outside("no", "refuse.test"), self.outside("again", "refuse.test")
        self.submit([refused], message("from nobody", to=refused, sender=self.account["address"]), sender="")
        self.submit([after], message("from me", to=after, sender=self.account["address"]))
        wait_until(self.bounces, 30, "the bounce of the second message")
        time.sleep(1)
        bounce, = self.bounces()
        self.assertIn(after, bounce.as_string())

    def test_temporary_refusal_is_tried_again(self):
        to = f"once+{self.name}@tempfail.test"
        once = "once@tempfail.test"
        sent = message("twice", to=to, sender=self.account["address"])
        self.submit([once], sent)
        wait_until(lambda: any(octets == sent for _, octets in outbound(self.sandbox, once)), 60, "the second attempt")
        self.assertEqual(self.bounces(), [])

    def test_offline_is_accepted_and_leaves_later(self):
        to = self.outside("offline")
        self.sandbox.stop_worker()
        try:
            self.submit([to], message("patient", to=to, sender=self.account["address"]))
            self.assertEqual([entry["subject"] for entry in self.mine()], ["patient"])
            self.sandbox.kill_daemon()
            self.sandbox.start_daemon()
        finally:
            self.sandbox.start_worker()
        self.wait_for_outbound(to=to, timeout=60)
        wait_until(lambda: not self.mine(), 20, "the queue to be empty")
        time.sleep(0.5)
        self.assertEqual(len(outbound(self.sandbox, to)), 1)

    def test_a_lost_answer_sends_nothing_twice(self):
        """The Worker is killed again and again while messages pass."""
        to = [self.outside(f"lost{number}") for number in range(30)]
        for number, address in enumerate(to):
            self.submit([address], message(f"lost {number}", to=address, sender=self.account["address"]))
            if number % 10 == 4:
                self.sandbox.worker_process.kill()
                self.sandbox.stop_worker()
                self.sandbox.start_worker()
        for address in to:
            self.wait_for_outbound(to=address, timeout=60)
        wait_until(lambda: not self.mine(), 40, "the queue to be empty")
        doubled = [address for address in to if len(outbound(self.sandbox, address)) != 1]
        self.assertEqual(doubled, [])


class Extensions(SendingCase):
    def test_ehlo_offers_what_was_promised_and_keeps_the_login(self):
        with RawSmtp(self.sandbox, self.account) as smtp:
            told = smtp.command(b"EHLO again.test")[1]
            for wanted in ("SIZE ", "PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING", "8BITMIME", "SMTPUTF8", "DSN"):
                with self.subTest(wanted):
                    self.assertIn(wanted, told)
            self.assertEqual(smtp.command(b"MAIL FROM:<%s>" % self.account["address"].encode())[0], 250)

    def test_pipelined_transactions(self):
        to = [self.outside(f"p{number}") for number in range(3)]
        with RawSmtp(self.sandbox, self.account) as smtp:
            for address in to:
                smtp.send(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nRCPT TO:<not an address>\r\nDATA\r\n" % (
                    self.account["address"].encode(), address.encode()))
                self.assertEqual([smtp.answer()[0] // 100 for _ in range(4)], [2, 2, 5, 3])
                smtp.send(message(to=address, sender=self.account["address"]) + b".\r\nNOOP\r\n")
                self.assertEqual([smtp.answer()[0] for _ in range(2)], [250, 250])
        for address in to:
            self.wait_for_outbound(to=address)

    def test_what_was_sent_in_clear_behind_starttls_is_dropped(self):
        with RawSmtp(self.sandbox) as smtp:
            smtp.command(b"EHLO client.test")
            smtp.send(b"STARTTLS\r\nMAIL FROM:<injected@else.test>\r\n")
            self.assertEqual(smtp.answer()[0], 220)
            smtp.socket.settimeout(1)
            try:
                self.assertNotIn(b"530", smtp.socket.recv(100))
            except (TimeoutError, ConnectionResetError):
                pass

    def test_wrong_password_is_535(self):
        with self.assertRaises(smtplib.SMTPAuthenticationError) as caught:
            open_smtp(self.sandbox, self.account, password="not the password")
        self.assertEqual(caught.exception.smtp_code, 535)

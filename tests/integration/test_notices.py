# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sender is told about its message: as NOTIFY, RET, ENVID and ORCPT ask (RFC 3461), and once."""
import email
import email.policy
import time

from support.case import SandboxCase
from support.mail import RawSmtp, message, stuffed
from support.processes import wait_until


class Notices(SandboxCase):
    def setUp(self):
        self.account = self.fresh()
        self.name = self.account["address"].split("@")[0]

    def outside(self, word, domain="away.test"):
        return f"{word}.{self.name}@{domain}"

    def submit(self, recipients, sender_parameters="", body=b"Hello.\r\n"):
        """`recipients`: [(address, parameters)]."""
        with RawSmtp(self.sandbox, self.account) as smtp:
            code, text = smtp.command(f"MAIL FROM:<{self.account['address']}> {sender_parameters}".strip().encode())
            self.assertEqual(code, 250, text)
            for address, parameters in recipients:
                code, text = smtp.command(f"RCPT TO:<{address}> {parameters}".strip().encode())
                self.assertEqual(code, 250, text)
            self.assertEqual(smtp.command(b"DATA")[0], 354)
            smtp.send(stuffed(message("noticed", sender=self.account["address"], body=body)) + b".\r\n")
            code, text = smtp.answer()
            self.assertEqual(code, 250, text)

    def reports(self):
        found = []
        for item in self.sandbox.worker.emails(self.account["worker_token"], "inbox"):
            raw = self.sandbox.worker.download(self.account["worker_token"], item["blobId"])
            parsed = email.message_from_bytes(raw, policy=email.policy.default)
            if parsed.get_content_type() == "multipart/report":
                found.append(raw.decode())
        return found

    def wait_for_reports(self, count=1):
        wait_until(lambda: len(self.reports()) >= count, 30, f"{count} reports")
        time.sleep(0.5)  # time enough for one too many, were there one
        found = self.reports()
        self.assertEqual(len(found), count, found)
        return found

    def test_never_is_never(self):
        self.submit([(self.outside("never", "refuse.test"), "NOTIFY=NEVER"),
                     ("nobody-of-that-name@example.test", "NOTIFY=NEVER"),
                     (self.outside("told", "refuse.test"), "NOTIFY=FAILURE")])
        report, = self.wait_for_reports()
        self.assertIn(self.outside("told", "refuse.test"), report)
        self.assertNotIn("never.", report)
        self.assertNotIn("nobody-of-that-name", report)

    def test_success_outside_is_told_once_as_relayed(self):
        to = self.outside("success")
        self.submit([(to, "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Old+2BName@old.test"), (self.outside("silent"), "")],
                    "RET=HDRS ENVID=order+2B7", body=b"not to be given back\r\n")
        report, = self.wait_for_reports()
        self.assertIn("\r\nOriginal-Envelope-Id: order+7\r\n", report)
        self.assertIn("\r\nOriginal-Recipient: rfc822;Old+Name@old.test\r\n", report)
        self.assertIn(f"\r\nFinal-Recipient: rfc822; {to}\r\nAction: relayed\r\nStatus: 2.", report)
        self.assertNotIn("silent.", report)
        self.assertNotIn("not to be given back", report)

    def test_success_inside_is_told_as_delivered(self):
        reader = self.fresh()
        self.submit([(reader["address"], "NOTIFY=SUCCESS")])
        report, = self.wait_for_reports()
        self.assertIn(f"\r\nFinal-Recipient: rfc822; {reader['address']}\r\nAction: delivered\r\n", report)

    def test_only_success_is_asked_for_and_it_fails(self):
        refused = self.outside("no", "refuse.test")
        self.submit([(refused, "NOTIFY=SUCCESS"), (self.outside("other", "refuse.test"), "")])
        report, = self.wait_for_reports()
        self.assertNotIn(refused, report)

    def test_the_message_comes_back_whole_when_asked_for(self):
        self.submit([(self.outside("no", "refuse.test"), "")], "RET=FULL", body=b"to be given back\r\n")
        report, = self.wait_for_reports()
        self.assertIn("to be given back", report)

    def test_what_makes_no_sense_is_refused(self):
        with RawSmtp(self.sandbox, self.account) as smtp:
            sender = b"MAIL FROM:<%s>" % self.account["address"].encode()
            for wrong in (b" RET=HALF", b" ENVID=a+b", b" RET"):
                self.assertEqual(smtp.command(sender + wrong)[0], 501, wrong)
            self.assertEqual(smtp.command(sender)[0], 250)
            for wrong in (b" NOTIFY=NEVER,SUCCESS", b" NOTIFY=ALWAYS", b" ORCPT=nothing"):
                self.assertEqual(smtp.command(b"RCPT TO:<a@away.test>" + wrong)[0], 501, wrong)

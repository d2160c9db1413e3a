# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyring is locked when the session begins, as it is with automatic login, and opens later."""
from support.case import SandboxCase, outbound
from support.mail import PopRefused, message, open_pop3, open_smtp
from support.processes import wait_until


class Locked(SandboxCase):
    own = True

    def keyring_state(self):
        return self.sandbox.posternctl("status")[1]["keyring_state"]

    def restart_keyring(self, locked):
        self.sandbox.group.stop(self.sandbox.keyring)
        self.sandbox.start_keyring(locked=locked)

    def test_mail_is_served_and_taken_and_leaves_when_it_opens(self):
        account = self.fresh()
        self.inbound(account, message("cached", to=account["address"]))
        self.wait_for_mail(account)
        pop = open_pop3(self.sandbox, account)
        pop.retr(1)
        pop.quit()

        self.sandbox.stop_daemon()
        self.restart_keyring(locked=True)
        self.sandbox.start_daemon()
        wait_until(lambda: self.keyring_state() == "locked", 10, "the lock to be told")

        pop = open_pop3(self.sandbox, account)
        self.assertIn(b"Subject: cached", pop.retr(1)[1])
        pop.quit()
        with self.assertRaisesRegex(PopRefused, r"\[AUTH\]"):
            open_pop3(self.sandbox, account, password="wrong")
        smtp = open_smtp(self.sandbox, account)
        smtp.sendmail(account["address"], ["locked@away.test"],
                      message("waits", to="locked@away.test", sender=account["address"]))
        smtp.quit()
        self.assertEqual([entry["subject"] for entry in self.sandbox.queue()], ["waits"])
        self.assertEqual(outbound(self.sandbox, "locked@away.test"), [])

        # A new password must not be made where it cannot be kept.
        code, answer = self.sandbox.posternctl("password", "add", account["address"], "--name", "x", check=False)
        self.assertEqual((code, answer["error"]["code"]), (1, "KeyringLocked"))

        self.restart_keyring(locked=False)
        self.wait_for_outbound(to="locked@away.test", timeout=40)
        self.assertEqual(self.keyring_state(), "ready")

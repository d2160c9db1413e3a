# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrong password, a server that is away and a token that was revoked are three different things."""
import smtplib

from support.case import SandboxCase, outbound
from support.mail import MODES, PopRefused, message, open_pop3, open_smtp
from support.processes import wait_until


class Logins(SandboxCase):
    own = True

    def setUp(self):
        self.account = self.fresh()
        self.inbound(self.account, message("cached", to=self.account["address"]))
        self.wait_for_mail(self.account)
        pop = open_pop3(self.sandbox, self.account)
        pop.retr(1)
        pop.quit()

    def state(self):
        accounts = self.sandbox.posternctl("account", "list")[1]["accounts"]
        return next(account for account in accounts if account["address"] == self.account["address"])

    def test_every_mode_wants_the_right_password(self):
        for mode in MODES:
            with self.subTest(mode):
                open_pop3(self.sandbox, self.account, mode).quit()
                open_smtp(self.sandbox, self.account, mode).quit()
        # No more wrong ones than a person would type: the login is shared with the tests above.
        with self.assertRaisesRegex(PopRefused, r"\[AUTH\]"):
            open_pop3(self.sandbox, self.account, password=self.account["worker_password"])
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            open_smtp(self.sandbox, self.account, password=self.account["worker_token"])

    def test_an_unknown_login_sounds_like_a_wrong_password(self):
        nobody = {"address": "nobody@example.test", "password": "x" * 20}
        with self.assertRaisesRegex(PopRefused, r"\[AUTH\]"):
            open_pop3(self.sandbox, nobody)

    def test_backend_down_is_no_wrong_password(self):
        self.sandbox.stop_worker()
        try:
            pop = open_pop3(self.sandbox, self.account)
            self.assertIn(b"Subject: cached", pop.retr(1)[1])
            pop.quit()
            with self.assertRaisesRegex(PopRefused, r"\[AUTH\]"):
                open_pop3(self.sandbox, self.account, password="wrong")
        finally:
            self.sandbox.start_worker()

    def test_a_revoked_token_leaves_the_cache_open_and_keeps_what_is_sent(self):
        worker = self.sandbox.worker
        self.account["worker_token"] = fresh = worker.sign_in(self.account["address"], self.account["worker_password"], "another")
        for listed in worker.api("GET", "me/tokens", token=fresh)["tokens"]:
            if not listed["current"]:
                worker.api("DELETE", "me/tokens/" + listed["id"], token=fresh)

        wait_until(lambda: self.state()["state"] in ("signed-out", "attention"), 20, "the account to be told signed out")
        pop = open_pop3(self.sandbox, self.account)
        self.assertIn(b"Subject: cached", pop.retr(1)[1])
        pop.quit()
        to = "held." + self.account["address"].split("@")[0] + "@away.test"
        smtp = open_smtp(self.sandbox, self.account)
        smtp.sendmail(self.account["address"], [to], message(to=to, sender=self.account["address"]))
        smtp.quit()

        waiting, = [entry for entry in self.sandbox.queue() if entry["sender"] == self.account["address"]]
        self.assertIn(waiting["status"], ("waiting", "held"))
        self.assertEqual(outbound(self.sandbox, to), [])

        # Signed in again, it leaves by itself.
        self.sandbox.posternctl("account", "sign-in", self.account["address"], "--token", stdin=fresh + "\n")
        self.wait_for_outbound(to=to)
        self.assertEqual(self.state()["state"], "connected")

    def test_a_disabled_user_is_told_as_attention(self):
        administrator = self.sandbox.accounts[0]["worker_token"]
        self.sandbox.worker.api("PATCH", "users/" + self.account["address"], {"state": "disabled"}, administrator)
        wait_until(lambda: self.state()["state"] in ("signed-out", "attention"), 20, "the account to be told signed out")
        open_pop3(self.sandbox, self.account).quit()

    def test_plain_login_may_be_switched_off(self):
        with self.sandbox.changed_config(lambda config: config.update(plaintext_login=False)):
            with self.assertRaises(PopRefused):
                open_pop3(self.sandbox, self.account)
            open_pop3(self.sandbox, self.account, "tls").quit()

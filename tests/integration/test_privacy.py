# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords and tokens stay where they belong, also when everything is logged that can be."""
import base64
import os

from support.case import SandboxCase, assert_no_secrets, log_lines, secrets_of
from support.mail import MODES, PopRefused, RawPop3, RawSmtp, message, open_pop3, open_smtp

WRONG = "a-wrong-password-that-somebody-typed"


class EverythingLogged(SandboxCase):
    own = True
    options = {"extra_env": {"G_MESSAGES_DEBUG": "all", "SOUP_DEBUG": "1"}}

    def test_no_log_shows_a_secret(self):
        account = self.fresh()
        self.inbound(account, message("a subject that is nobody's business", body=b"and a body\r\n"))
        self.wait_for_mail(account)
        for mode in MODES:
            pop = open_pop3(self.sandbox, account, mode)
            pop.retr(1)
            pop.quit()
            with self.assertRaises(PopRefused):
                open_pop3(self.sandbox, account, mode, password=WRONG)
        smtp = open_smtp(self.sandbox, account)
        smtp.sendmail(account["address"], ["log@away.test"], message("another subject", sender=account["address"]))
        smtp.quit()
        self.wait_for_outbound(to="log@away.test")
        # Slips of the hand: a password where a name, or a command, should be.
        with RawPop3(self.sandbox) as pop:
            pop.ask(b"USER " + account["password"].encode())
            pop.ask(b"PASS x")
            pop.ask(account["password"].encode())
        with RawSmtp(self.sandbox) as smtp:
            smtp.command(b"EHLO client.test")
            smtp.command(b"AUTH LOGIN " + base64.b64encode(account["password"].encode()))
            smtp.command(base64.b64encode(WRONG.encode()))
            smtp.command(account["password"].encode())
        self.sandbox.posternctl("account", "test", account["address"])
        self.sandbox.posternctl("log")

        assert_no_secrets(self.sandbox)
        for name, line in log_lines(self.sandbox):
            for hidden in (WRONG, base64.b64encode(WRONG.encode()).decode(), "nobody's business", "another subject",
                           "and a body"):
                self.assertNotIn(hidden, line, name)
        records = self.sandbox.posternctl("log")[1]["records"]
        for record in records:
            for hidden in [*secrets_of(self.sandbox), WRONG]:
                self.assertNotIn(hidden, record["message"])

    def test_no_secret_is_in_the_arguments_or_environment_of_the_daemon(self):
        for name in ("cmdline", "environ"):
            with open(f"/proc/{self.sandbox.daemon_pid}/{name}", "rb") as file:
                text = file.read()
            for secret in secrets_of(self.sandbox):
                self.assertNotIn(secret.encode(), text)

    def test_nothing_that_is_kept_is_readable_by_others(self):
        account = self.fresh()
        self.inbound(account, message("kept"))
        self.wait_for_mail(account)
        for folder, _, names in os.walk(self.sandbox.state_dir):
            for path in [folder] + [os.path.join(folder, name) for name in names]:
                if os.path.lexists(path) and not path.endswith("ca.pem"):
                    self.assertEqual(os.lstat(path).st_mode & 0o077, 0, path)

    def test_the_state_holds_no_secret_in_clear(self):
        """With the Secret Service the databases have hashes only."""
        self.sandbox.stop_daemon()
        known = [account[name].encode() for account in self.sandbox.every_account
                 for name in ("password", "worker_token", "worker_password") if account[name]]
        for folder, _, names in os.walk(self.sandbox.state_dir):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    text = file.read()
                for secret in known:
                    self.assertNotIn(secret, text, name)
        self.sandbox.start_daemon()


class WithoutCoreFiles(SandboxCase):
    def test_the_daemon_leaves_no_core(self):
        with open(f"/proc/{self.sandbox.daemon_pid}/limits", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("Max core file size"))
        self.assertEqual(line.split()[4:6], ["0", "0"])


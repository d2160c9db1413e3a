# SPDX-License-Identifier: GPL-3.0-or-later
"""posternctl against the running daemon, on the session bus and on the private socket."""
import json
import os
import subprocess

from support.case import SandboxCase, run
from support.mail import PopRefused, message, open_pop3, open_smtp
from support.processes import wait_until
from support.sandbox import build_folder


class Control:
    """The same for both ways to the daemon."""

    def ctl(self, *arguments, stdin=None, expect=0):
        status, answer = self.sandbox.posternctl(*arguments, stdin=stdin, check=False)
        self.assertEqual(status, expect, answer)
        return answer

    def text(self, *arguments, stdin=None):
        """What a person sees: no --json."""
        done = subprocess.run([os.path.join(build_folder(), "src/posternctl"), *arguments], input=stdin, text=True,
                              env=self.sandbox.environment(), capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def submit(self, account, to, subject="queued"):
        smtp = open_smtp(self.sandbox, account)
        smtp.sendmail(account["address"], [to], message(subject, to=to, sender=account["address"]))
        smtp.quit()

    def test_status_tells_everything(self):
        status = self.ctl("status")
        self.assertEqual(status["state"], "running")
        self.assertEqual(os.path.realpath(status["state_dir"]), os.path.realpath(self.sandbox.state_dir))
        self.assertTrue(os.path.isfile(status["ca_path"]))
        self.assertIn(self.sandbox.accounts[0]["address"], [account["address"] for account in status["accounts"]])
        ports = {listener["port"] for listener in status["listeners"]}
        self.assertEqual(ports, {self.sandbox.ports[name] for name in ("pop3", "pop3s", "smtp", "smtps")})
        self.assertTrue(all(listener["state"] == "listening" for listener in status["listeners"]), status["listeners"])

    def test_text_is_for_people(self):
        for command in (["status"], ["account", "list"], ["queue", "list"], ["log"], ["listener", "list"]):
            with self.subTest(command):
                code, text = self.text(*command)
                self.assertEqual(code, 0, text)
                self.assertTrue(text.strip())
                self.assertNotIn("\x1b", text)

    def test_account_list_and_test(self):
        account = self.fresh()
        listed = next(one for one in self.ctl("account", "list")["accounts"] if one["address"] == account["address"])
        self.assertEqual(listed["state"], "connected")
        tested = self.ctl("account", "test", account["address"])
        self.assertGreater(tested["max_size"], 20_000_000)

    def test_a_wrong_token_adds_nothing(self):
        user = self.sandbox._new_account("wrong-token-" + type(self).__name__.lower())
        self.sandbox._make_user(user)
        answer = self.ctl("account", "add", user["address"], "--url", self.sandbox.worker.url, "--token",
                          stdin=user["worker_token"][:-6] + "AAAAAA\n", expect=1)
        self.assertEqual(answer["error"]["code"], "Credentials")
        self.assertTrue(answer["error"]["message"] and answer["error"]["remedy"])
        self.assertNotIn(user["address"], [one["address"] for one in self.ctl("account", "list")["accounts"]])

    def test_the_worker_password_signs_in(self):
        user = self.sandbox._new_account("by-password-" + type(self).__name__.lower())
        self.sandbox._make_user(user)
        self.sandbox.every_account.append(user)
        user["password"] = self.ctl("account", "add", user["address"], "--url", self.sandbox.worker.url, "--password",
                                    stdin=user["worker_password"] + "\n")["password"]
        self.sandbox.wait_listed(user)

    def test_an_account_twice_is_refused(self):
        account = self.sandbox.accounts[0]
        answer = self.ctl("account", "add", account["address"], "--url", self.sandbox.worker.url, "--token",
                          stdin=account["worker_token"] + "\n", expect=1)
        self.assertEqual(answer["error"]["code"], "Exists")

    def test_account_remove(self):
        account = self.fresh()
        self.ctl("account", "remove", account["address"])
        self.assertNotIn(account["address"], [one["address"] for one in self.ctl("account", "list")["accounts"]])
        with self.assertRaises(PopRefused):
            open_pop3(self.sandbox, account)
        with open(self.sandbox.path("config.json"), encoding="utf-8") as file:
            self.assertNotIn(account["address"], file.read())

    def test_an_account_with_queued_mail_is_not_removed_unasked(self):
        account = self.fresh()
        self.submit(account, "stuck@tempfail.test")
        self.sandbox.stop_worker()
        try:
            self.submit(account, "waiting@away.test")
            answer = self.ctl("account", "remove", account["address"], expect=1)
            self.assertEqual(answer["error"]["code"], "Busy")
            self.ctl("account", "remove", account["address"], "--discard")
        finally:
            self.sandbox.start_worker()

    def test_passwords_are_many_and_revoked_one_by_one(self):
        account = self.fresh()
        made = self.ctl("password", "add", account["address"], "--name", "Second program")
        self.sandbox.every_account.append(dict(account, password=made["password"]))
        open_pop3(self.sandbox, account, password=made["password"]).quit()
        listed = self.ctl("password", "list", account["address"])["passwords"]
        self.assertEqual([one["name"] for one in listed][-1], "Second program")
        self.assertNotIn(made["password"], json.dumps(listed))
        self.assertEqual(self.ctl("password", "show", account["address"], made["id"])["password"], made["password"])
        self.ctl("password", "revoke", account["address"], made["id"])
        with self.assertRaisesRegex(PopRefused, r"\[AUTH\]"):
            open_pop3(self.sandbox, account, password=made["password"])
        open_pop3(self.sandbox, account).quit()

    def test_queue_hold_retry_discard_restore(self):
        account, to = self.fresh(), "queued-" + type(self).__name__.lower() + "@away.test"
        self.sandbox.stop_worker()
        try:
            self.submit(account, to, "one of the queue")
            entry, = [one for one in self.sandbox.queue() if one["subject"] == "one of the queue"]
            shown = self.ctl("queue", "show", entry["id"])
            self.assertEqual(shown["recipients"][0]["address"], to)
            self.assertEqual(shown["sender"], account["address"])
            saved = os.path.join(self.folder, "saved-" + entry["id"])
            self.ctl("queue", "save", entry["id"], saved)
            with open(saved, "rb") as file:
                self.assertIn(b"Subject: one of the queue\r\n", file.read())
            for command, status in (("hold", "held"), ("discard", "discarded"), ("restore", "held")):
                with self.subTest(command):
                    self.assertEqual(self.ctl("queue", command, entry["id"])["count"], 1)
                    self.assertEqual(self.ctl("queue", "show", entry["id"])["status"], status)
        finally:
            self.sandbox.start_worker()
        self.ctl("queue", "retry", entry["id"])
        self.wait_for_outbound(to=to)

    def test_an_unknown_entry_is_refused_with_a_sentence(self):
        answer = self.ctl("queue", "show", "nothing-like-that", expect=1)
        self.assertEqual(answer["error"]["code"], "NotFound")

    def test_the_log_has_no_addresses_of_mail(self):
        account, to = self.fresh(), "nobody-should-log-me@away.test"
        self.submit(account, to, "a subject nobody should log")
        self.wait_for_outbound(to=to)
        records = json.dumps(self.ctl("log"))
        self.assertNotIn(to, records)
        self.assertNotIn("nobody should log", records)

    def test_config_check(self):
        self.ctl("config", "check", self.sandbox.path("config.json"))
        wrong = os.path.join(self.folder, "wrong.json")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write('{"version": 1,\n "listeners": [{"service": "imap", "security": "tls", "port": 1}]}\n')
        answer = self.ctl("config", "check", wrong, expect=1)
        self.assertIn("service", answer["error"]["message"])
        self.assertIn("2", answer["error"]["message"])  # the line

    def test_usage_is_2(self):
        for command in (["fly"], ["account"], ["account", "add"], ["queue", "show"], ["status", "--fly"]):
            with self.subTest(command):
                self.assertEqual(self.text(*command)[0], 2)

    def test_sync_is_done(self):
        self.ctl("sync")

    def test_a_second_daemon_names_the_first_and_exits_3(self):
        code, text = run([os.path.join(build_folder(), "src/posternd"), "--config", self.sandbox.path("config.json"),
                          "--state-dir", self.sandbox.state_dir], env=self.sandbox.environment(), timeout=20)
        self.assertEqual(code, 3, text)
        self.assertIn(str(self.sandbox.daemon_pid), text)


class OnTheSessionBus(Control, SandboxCase):
    pass


class OnThePrivateSocket(Control, SandboxCase):
    options = {"headless": True}

    def test_the_private_socket_is_private(self):
        path = self.sandbox.dbus_address.split("path=")[1]
        self.assertEqual(os.stat(os.path.dirname(path)).st_mode & 0o077, 0)

    def test_secrets_are_in_a_file_of_0600(self):
        secrets = [os.path.join(folder, name) for folder, _, names in os.walk(self.sandbox.state_dir) for name in names
                   if "secret" in name]
        self.assertTrue(secrets)
        for path in secrets:
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)


class WithoutADaemon(SandboxCase):
    own = True

    def test_is_3_and_says_so(self):
        self.sandbox.stop_daemon()
        status, answer = self.sandbox.posternctl("status", check=False)
        self.assertEqual(status, 3)
        self.assertTrue(answer["error"]["remedy"])
        self.sandbox.start_daemon()

    def test_a_lost_keyring_is_told_and_recovered_from(self):
        account = self.sandbox.accounts[0]
        self.sandbox.group.stop(self.sandbox.keyring)
        wait_until(lambda: self.sandbox.posternctl("status")[1]["keyring_state"] != "ready", 10, "the loss to be told")
        open_pop3(self.sandbox, account).quit()  # a login is checked by hashes
        self.sandbox.start_keyring()
        wait_until(lambda: self.sandbox.posternctl("status")[1]["keyring_state"] == "ready", 20, "the keyring again")

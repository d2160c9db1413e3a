# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that comes in: who gets it, how soon it is listed, and when it is gone."""
import time

from support.case import SandboxCase
from support.mail import LineSocket, PopRefused, RawPop3, message, open_pop3
from support.processes import wait_until


class Inbound(SandboxCase):
    def setUp(self):
        self.account = self.fresh()

    def test_an_unknown_user_is_refused(self):
        status, text = self.sandbox.worker.inbound("nobody-here@example.test", message())
        self.assertEqual(status, 400)
        self.assertRegex(text, r"^550 5\.1\.1 ")

    def test_another_domain_is_refused(self):
        status, text = self.sandbox.worker.inbound("user1@somewhere.test", message())
        self.assertEqual((status, text[:9]), (400, "550 5.1.1"))

    def test_case_and_subaddress_do_not_matter(self):
        local, domain = self.account["address"].split("@")
        for address in (f"{local.upper()}@{domain.upper()}", f"{local}+lists@{domain}"):
            with self.subTest(address):
                self.assertEqual(self.sandbox.worker.inbound(address, message())[0], 200)
        self.wait_for_mail(self.account, 2)

    def test_a_full_mailbox_is_refused(self):
        administrator = self.sandbox.accounts[0]["worker_token"]
        self.sandbox.worker.api("PATCH", "users/" + self.account["address"], {"quota": 10_000}, administrator)
        self.inbound(self.account, message("fits"))
        status, text = self.sandbox.worker.inbound(self.account["address"], message("does not", body=b"x" * 20_000))
        self.assertEqual(status, 400)
        self.assertRegex(text, r"^552 5\.2\.2 ")

    def test_an_alias_gets_its_mail(self):
        administrator = self.sandbox.accounts[0]["worker_token"]
        alias = "alias-of-" + self.account["address"]
        self.sandbox.worker.api("PUT", f"users/{self.account['address']}/aliases/{alias}", None, administrator)
        self.assertEqual(self.sandbox.worker.inbound(alias, message())[0], 200)
        self.wait_for_mail(self.account)


class Listing(SandboxCase):
    def setUp(self):
        self.account = self.fresh()

    def test_new_mail_is_pushed_and_not_polled_for(self):
        self.inbound(self.account, message("first"))
        self.wait_for_mail(self.account)
        delays = []
        for number in range(5):
            began = time.monotonic()
            self.inbound(self.account, message(f"pushed {number}"))
            self.wait_for_mail(self.account, number + 2, timeout=5)
            delays.append(time.monotonic() - began)
        # A poll would take its interval; a push takes milliseconds. Both cores may be busy with other tests.
        self.assertLess(sorted(delays)[2], 1.0, delays)

    def test_push_comes_back_after_the_worker_was_away(self):
        self.sandbox.stop_worker()
        self.sandbox.start_worker()
        self.inbound(self.account, message("while away"))
        self.wait_for_mail(self.account, timeout=40)

    def test_numbers_follow_arrival_and_ids_are_stable(self):
        for number in range(5):
            self.inbound(self.account, message(f"number {number}"))
        self.wait_for_mail(self.account, 5)
        with RawPop3(self.sandbox, self.account) as pop:
            ids = pop.uidl()
            for number in range(5):
                self.assertIn(b"Subject: number %d\r\n" % number, pop.retr(number + 1))
        self.assertEqual(len(set(ids)), 5)
        self.sandbox.restart_daemon()
        with RawPop3(self.sandbox, self.account) as pop:
            self.assertEqual(pop.uidl(), ids)

    def test_ids_survive_the_loss_of_what_was_kept(self):
        for number in range(3):
            self.inbound(self.account, message(f"number {number}"))
        self.wait_for_mail(self.account, 3)
        with RawPop3(self.sandbox, self.account) as pop:
            ids = pop.uidl()
        self.sandbox.lose_maildrops()
        self.sandbox.wait_listed(self.account)
        with RawPop3(self.sandbox, self.account) as pop:
            self.assertEqual(pop.uidl(), ids)

    def test_a_session_sees_a_snapshot(self):
        self.inbound(self.account, message("before"))
        self.wait_for_mail(self.account)
        with RawPop3(self.sandbox, self.account) as pop:
            self.inbound(self.account, message("during"))
            self.wait_for_mail(self.account, 2)
            self.assertEqual(len(pop.listing()), 1)


class Deleting(SandboxCase):
    def setUp(self):
        self.account = self.fresh()
        for number in range(3):
            self.inbound(self.account, message(f"number {number}"))
        self.wait_for_mail(self.account, 3)

    def on_the_server(self):
        return [email["subject"] for email in self.sandbox.worker.emails(self.account["worker_token"], "inbox")]

    def test_happens_at_quit(self):
        pop = open_pop3(self.sandbox, self.account)
        pop.dele(2)
        self.assertEqual(len(self.on_the_server()), 3)
        pop.quit()
        wait_until(lambda: self.on_the_server() == ["number 0", "number 2"], 10, "the message to be destroyed")
        with RawPop3(self.sandbox, self.account) as pop:
            self.assertEqual(len(pop.listing()), 2)

    def test_does_not_happen_without_quit(self):
        pop = open_pop3(self.sandbox, self.account)
        pop.dele(1)
        pop.close()
        self.sandbox.posternctl("sync")
        with RawPop3(self.sandbox, self.account) as again:
            self.assertEqual(len(again.listing()), 3)
        self.assertEqual(len(self.on_the_server()), 3)

    def test_does_not_happen_after_rset(self):
        pop = open_pop3(self.sandbox, self.account)
        pop.dele(1)
        pop.rset()
        pop.quit()
        with RawPop3(self.sandbox, self.account) as again:
            self.assertEqual(len(again.listing()), 3)

    def test_survives_a_kill_between_quit_and_the_server(self):
        self.sandbox.stop_worker()
        pop = open_pop3(self.sandbox, self.account)
        pop.dele(1)
        pop.dele(3)
        pop.quit()
        self.sandbox.kill_daemon()
        self.sandbox.start_daemon()
        with RawPop3(self.sandbox, self.account) as again:
            self.assertEqual(len(again.listing()), 1, "a deleted message came back")
        self.sandbox.start_worker()
        wait_until(lambda: self.on_the_server() == ["number 1"], 40, "the deletions to reach the server")

    def test_two_sessions_may_delete_at_once(self):
        one, two = open_pop3(self.sandbox, self.account), open_pop3(self.sandbox, self.account)
        one.dele(1)
        two.dele(1)
        two.dele(2)
        one.quit()
        # A cached body lives until the last snapshot that has it ends.
        self.assertIn(b"Subject: number 2", two.retr(3)[1])
        two.quit()
        wait_until(lambda: self.on_the_server() == ["number 2"], 10, "both deletions")

    def test_a_deleted_message_can_still_be_read_by_another_session(self):
        one, two = open_pop3(self.sandbox, self.account), open_pop3(self.sandbox, self.account)
        two.retr(1)
        one.dele(1)
        one.quit()
        wait_until(lambda: len(self.on_the_server()) == 2, 10, "the deletion")
        self.assertIn(b"Subject: number 0", two.retr(1)[1])
        two.quit()


class Conversation(SandboxCase):
    def setUp(self):
        self.account = self.fresh()

    def test_pipelined_commands_are_answered_in_order(self):
        for number in range(3):
            self.inbound(self.account, message(f"number {number}", body=b".dot\r\n"))
        self.wait_for_mail(self.account, 3)
        with RawPop3(self.sandbox) as pop:
            pop.send(b"USER %s\r\nPASS %s\r\nSTAT\r\nRETR 1\r\nRETR 2\r\nNOOP\r\nRETR 3\r\nQUIT\r\n" % (
                self.account["address"].encode(), self.account["password"].encode()))
            for _ in range(3):
                self.assertTrue(pop.line().startswith(b"+OK"))
            for expected in (0, 1):
                self.assertTrue(pop.line().startswith(b"+OK"))
                self.assertIn(b"Subject: number %d\r\n" % expected, pop.body())
            self.assertTrue(pop.line().startswith(b"+OK"))
            self.assertTrue(pop.line().startswith(b"+OK"))
            self.assertTrue(pop.body().endswith(b"\r\n..dot\r\n"))
            self.assertTrue(pop.line().startswith(b"+OK"))
            self.assertEqual(pop.line(), b"")

    def test_http_is_cut_at_the_first_line(self):
        for port in ("pop3", "smtp"):
            for request in (b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n"):
                with self.subTest(port, request=request), LineSocket(self.sandbox, port, timeout=10) as web:
                    web.line()
                    web.send(request + b"Host: localhost\r\nContent-Length: 30\r\n\r\nUSER a\r\nPASS b\r\nMAIL FROM:<>\r\n")
                    try:
                        rest = web.file.read()
                    except ConnectionResetError:
                        rest = b""
                    # At most one word of refusal, and never an answer to what follows the first line.
                    self.assertLessEqual(rest.count(b"\r\n"), 1, rest)

    def test_capabilities_are_those_promised(self):
        with RawPop3(self.sandbox) as pop:
            self.assertTrue(pop.ask(b"CAPA").startswith(b"+OK"))
            told = {line.split()[0] for line in pop.body().splitlines()}
        for wanted in (b"TOP", b"UIDL", b"USER", b"SASL", b"STLS", b"PIPELINING", b"RESP-CODES", b"AUTH-RESP-CODE",
                       b"EXPIRE", b"UTF8", b"LANG", b"IMPLEMENTATION"):
            with self.subTest(wanted):
                self.assertIn(wanted, told)

    def test_what_was_sent_in_clear_behind_stls_is_dropped(self):
        with RawPop3(self.sandbox) as pop:
            pop.send(b"STLS\r\nUSER injected@example.test\r\n")
            self.assertTrue(pop.line().startswith(b"+OK"))
            # What follows is the handshake or the end; an answer to USER would be plain text.
            pop.socket.settimeout(1)
            try:
                self.assertNotIn(b"+OK", pop.socket.recv(100))
            except (TimeoutError, ConnectionResetError):
                pass

    def test_a_wrong_password_is_refused_as_such(self):
        with self.assertRaisesRegex(PopRefused, r"-ERR \[AUTH\]"):
            open_pop3(self.sandbox, self.account, password="not the password")
        open_pop3(self.sandbox, self.account).quit()

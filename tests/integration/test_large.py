# SPDX-License-Identifier: GPL-3.0-or-later
"""Large mailboxes, many sessions, and an hour's traffic in a minute."""
import concurrent.futures
import os
import random
import socket
import time

from support.case import SANITIZED, SandboxCase, slow
from support.mail import RawPop3, RawSmtp, message, open_pop3, open_smtp
from support.processes import wait_until

COUNT = 10_500


def anonymous_kib(pid):
    """Memory that is the process's alone and in no file."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))


class Memory(SandboxCase):
    own = True

    def test_idle_with_a_hundred_messages_stays_small(self):
        if SANITIZED:
            self.skipTest("the sanitizers have memory of their own")
        account = self.sandbox.accounts[0]
        for number in range(100):
            self.inbound(account, message(f"number {number}", body=b"x" * 5000 + b"\r\n"))
        self.wait_for_mail(account, 100)
        self.sandbox.restart_daemon()
        self.sandbox.wait_listed(account)
        wait_until(lambda: anonymous_kib(self.sandbox.daemon_pid) < 4096, 10,
                   f"less than 4 MB, not {anonymous_kib(self.sandbox.daemon_pid)} KiB", interval=0.5)

    def test_a_stalled_reader_of_25_mib_costs_little(self):
        if SANITIZED:
            self.skipTest("the sanitizers have memory of their own")
        account = self.fresh()
        self.inbound(account, message("big", body=(b"x" * 76 + b"\r\n") * (20 * 1024 * 1024 // 78)))
        self.wait_for_mail(account)
        before = anonymous_kib(self.sandbox.daemon_pid)
        readers = [RawPop3(self.sandbox, account) for _ in range(5)]
        for reader in readers:
            reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.send(b"RETR 1\r\n")
        time.sleep(1)  # what they do not read must stay on the disk
        grown = anonymous_kib(self.sandbox.daemon_pid) - before
        for reader in readers:
            reader.close()
        self.assertLess(grown, 5 * 1024 + 2048, "KiB for five stalled readers")


class Sessions(SandboxCase):
    def test_two_hundred_idle_connections_do_not_stop_a_login(self):
        account = self.fresh()
        idle = []
        for number in range(200):
            connection = socket.create_connection(("127.0.0.1", self.sandbox.ports["pop3" if number % 2 else "smtp"]), 10)
            connection.recv(200)
            idle.append(connection)
        try:
            began = time.monotonic()
            open_pop3(self.sandbox, account).quit()
            open_smtp(self.sandbox, account).quit()
            self.assertLess(time.monotonic() - began, 2)
        finally:
            for connection in idle:
                connection.close()

    def test_stalled_handshakes_do_not_stop_an_honest_one(self):
        account = self.fresh()
        stalled = [socket.create_connection(("127.0.0.1", self.sandbox.ports["pop3s"]), 10) for _ in range(40)]
        for connection in stalled:
            connection.send(b"\x16\x03\x01")
        try:
            began = time.monotonic()
            open_pop3(self.sandbox, account, "tls").quit()
            self.assertLess(time.monotonic() - began, 2)
        finally:
            for connection in stalled:
                connection.close()


@slow("ten thousand messages")
class LargeMailbox(SandboxCase):
    own = True

    def test_ten_thousand_messages(self):
        account = self.fresh()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: self.inbound(account, message(f"number {number}")), range(COUNT)))
        self.wait_for_mail(account, COUNT, timeout=300)
        with RawPop3(self.sandbox, account, timeout=300) as pop:
            began = time.monotonic()
            self.assertEqual(len(pop.listing()), COUNT)
            ids = pop.uidl()
            self.assertEqual(len(set(ids)), COUNT)
            self.assertLess(time.monotonic() - began, 10 if SANITIZED else 3, "LIST and UIDL")
            self.assertIn(b"Subject: number ", pop.retr(COUNT))
        # Without what was kept, the first sync of all of it tells the same.
        self.sandbox.lose_maildrops()
        self.sandbox.wait_listed(account)
        with RawPop3(self.sandbox, account, timeout=300) as pop:
            self.assertEqual(pop.uidl(), ids)
            for number in range(1, 501):
                self.assertTrue(pop.ask(b"DELE %d" % number).startswith(b"+OK"))
            self.assertTrue(pop.ask(b"QUIT").startswith(b"+OK"))
        wait_until(lambda: self.sandbox.worker.count(account["worker_token"]) == COUNT - 500, 120,
                   "500 messages to be destroyed", interval=1)


@slow("a minute of mixed traffic")
class Soak(SandboxCase):
    own = True

    def test_a_minute_of_everything(self):
        accounts = [self.fresh() for _ in range(4)]
        deadline = time.monotonic() + 60
        sent = [0] * len(accounts)

        def live(index):
            account, chance = accounts[index], random.Random(index)
            while time.monotonic() < deadline:
                what = chance.random()
                if what < 0.3:
                    self.inbound(account, message("in", body=b"x" * chance.choice([10, 5000, 200_000]) + b"\r\n"))
                elif what < 0.6:
                    with RawSmtp(self.sandbox, account, tls=chance.random() < 0.5) as smtp:
                        to = chance.choice([accounts[(index + 1) % 4]["address"], f"soak{index}@away.test"])
                        code, text = smtp.submit(account["address"], [to], message("out", sender=account["address"]) + b".\r\n")
                        self.assertEqual(code, 250, text)
                        sent[index] += to.endswith("away.test")
                elif what < 0.95:
                    pop = open_pop3(self.sandbox, account, chance.choice(["plain", "starttls", "tls"]))
                    count = pop.stat()[0]
                    if count:
                        number = chance.randint(1, count)
                        pop.retr(number)
                        pop.dele(number)
                    pop.quit() if chance.random() < 0.9 else pop.close()
                else:
                    socket.create_connection(("127.0.0.1", self.sandbox.ports["smtp"]), 10).close()

        with concurrent.futures.ThreadPoolExecutor(len(accounts)) as pool:
            for one in [pool.submit(live, index) for index in range(len(accounts))]:
                one.result()
        pid = self.sandbox.daemon_pid
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.assertLess(descriptors, 100)
        if not SANITIZED:
            self.assertLess(anonymous_kib(pid), 24 * 1024)
        for index, count in enumerate(sent):
            if count:
                self.wait_for_outbound(count, timeout=120, to=f"soak{index}@away.test")
        wait_until(lambda: not self.sandbox.queue(), 60, "an empty queue")

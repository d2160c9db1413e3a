# SPDX-License-Identifier: GPL-3.0-or-later
"""posternd is killed under load, again and again: what was answered 250 arrives, and arrives once."""
import collections
import os
import random
import re
import subprocess

from support.case import SandboxCase, slow
from support.processes import wait_until
from support.sandbox import build_folder


class Load:
    """smtp-load in the background, with the Message-IDs that were acknowledged so far."""

    def __init__(self, sandbox, account, folder, tag, to, messages=300, connections=8, size=10240):
        self.path = os.path.join(folder, "acknowledged-" + tag)
        self.tag = tag
        self.process = subprocess.Popen(
            [os.path.join(build_folder(), "tests/bench/smtp-load"), "--port", str(sandbox.ports["smtp"]),
             "--connections", str(connections), "--messages", str(messages), "--size", str(size), "--pipeline", "--auth",
             "--from", account["address"], "--to", to, "--tag", tag, "--acknowledged", self.path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.process.stdin.write(f"{account['address']}\n{account['password']}\n")
        self.process.stdin.close()

    def acknowledged(self):
        try:
            with open(self.path, encoding="ascii") as file:
                return [line.strip() for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def wait_for(self, count):
        wait_until(lambda: len(self.acknowledged()) >= count or self.process.poll() is not None, 60,
                   f"{count} acknowledged messages", interval=0.001)

    def end(self):
        """Waits for its end and returns what it said. It ends by itself when the server is gone."""
        try:
            output = self.process.stdout.read()
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.stdout.close()
        return output


MESSAGE_ID = re.compile(rb"(?mi)^Message-ID: (<[^>]*@load\.test>)\r$")


def left_by_id(sandbox):
    """How often each Message-ID of the load has left."""
    count = collections.Counter()
    for name in os.listdir(sandbox.path("outbound")):
        if name.endswith(".eml"):
            with open(sandbox.path("outbound", name), "rb") as file:
                found = MESSAGE_ID.search(file.read(4096))
            if found:
                count[found[1].decode()] += 1
    return count


def settled(sandbox, acknowledged, timeout):
    """Waits until all of these have left and the queue is empty; returns the count by Message-ID."""
    wanted = set(acknowledged)
    wait_until(lambda: not wanted - set(left_by_id(sandbox)), timeout,
               f"{len(wanted)} acknowledged messages to leave", interval=0.2)
    wait_until(lambda: not sandbox.queue(), timeout, "the queue to be empty",
               interval=0.1)
    return left_by_id(sandbox)


class Kill(SandboxCase):
    own = True

    def rounds(self, count, messages, seed):
        chance = random.Random(seed)
        account = self.fresh()
        acknowledged = []
        for number in range(count):
            load = Load(self.sandbox, account, self.folder, f"k{seed}r{number}", "kill@away.test", messages,
                        size=chance.choice([200, 10240, 10240, 100_000]))
            load.wait_for(chance.randint(1, messages * 9 // 10))
            self.sandbox.kill_daemon()
            output = load.end()
            self.assertNotIn("answered", output, "something was refused")
            acknowledged += load.acknowledged()
            self.sandbox.start_daemon()
        count = settled(self.sandbox, acknowledged, 120 + len(acknowledged) / 20)
        missing = [one for one in acknowledged if one not in count]
        doubled = [one for one, times in count.items() if times > 1]
        self.assertEqual((missing, doubled), ([], []), f"{len(acknowledged)} were acknowledged")
        self.assertGreater(len(acknowledged), 10)

    def test_killed_under_load(self):
        self.rounds(3, 150, seed=1)

    @slow("many kills")
    def test_killed_under_load_many_times(self):
        self.rounds(20, 400, seed=2)

    def test_killed_while_the_worker_is_away(self):
        """Nothing can leave meanwhile, so every message is in the queue when the daemon dies."""
        account = self.fresh()
        self.sandbox.stop_worker()
        try:
            load = Load(self.sandbox, account, self.folder, "away", "kill@away.test", 100)
            load.wait_for(60)
            self.sandbox.kill_daemon()
            load.end()
            self.sandbox.start_daemon()
        finally:
            self.sandbox.start_worker()
        acknowledged = load.acknowledged()
        count = settled(self.sandbox, acknowledged, 120)
        self.assertEqual([one for one in acknowledged if count[one] != 1], [])


class Starting(SandboxCase):
    """With a session bus: GIO then connects on a thread while the rest starts, and once hung with it."""
    own = True

    def test_a_hundred_starts_all_listen(self):
        for _ in range(100):
            self.assertEqual(self.sandbox.stop_daemon(), 0)
            self.sandbox.start_daemon(wait_for_bus=False)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The power fails: a copy of the disk, made at some moment, holds every message answered 250 before it.

The state lives on an ext4 image that writes nothing back by itself for five minutes, so what the
copy lacks is what nobody synced.
"""
import os
import random
import shutil
import signal
import subprocess
import tempfile
import unittest

from integration import test_kill
from support.case import slow
from support.sandbox import Sandbox


class Image:
    """An ext4 file system in a file, mounted at a folder."""

    def __init__(self, folder):
        self.file, self.mount_point = os.path.join(folder, "image"), os.path.join(folder, "mounted")
        os.makedirs(self.mount_point)
        self.mounted = False

    def make(self, mebibytes=256):
        with open(self.file, "wb") as file:
            file.truncate(mebibytes * 1024 * 1024)
        self.run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.file)

    def run(self, *command):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True,
                              env=dict(os.environ, PATH="/usr/sbin:/sbin:" + os.environ.get("PATH", "")))
        if done.returncode:
            raise OSError(f"{' '.join(command)}: {done.stdout.strip()}")

    def mount(self):
        self.run("mount", "-o", "loop,commit=300", self.file, self.mount_point)
        self.mounted = True

    def unmount(self):
        if self.mounted:
            self.run("umount", self.mount_point)
            self.mounted = False


@slow("mounts and copies a file system")
class PowerCut(unittest.TestCase):
    def test_what_was_answered_250_is_on_the_disk(self):
        folder = tempfile.mkdtemp(prefix="postern-power-")
        self.addCleanup(shutil.rmtree, folder, True)
        image = Image(folder)
        try:
            image.make()
            image.mount()
        except OSError as error:
            self.skipTest(f"mounting is not allowed here: {error}")
        self.addCleanup(image.unmount)
        # Headless, so that the secrets are on the image too: a power cut takes all or nothing.
        sandbox = Sandbox(os.path.join(folder, "sandbox"), headless=True,
                          state_dir=os.path.join(image.mount_point, "state"))
        sandbox.up()
        self.addCleanup(sandbox.down)
        os.sync()
        chance = random.Random(4)
        for number in range(6):
            with self.subTest(cut=number):
                self.cut(sandbox, image, folder, number, chance)

    def cut(self, sandbox, image, folder, number, chance):
        sandbox.stop_worker()  # whatever leaves later comes from the copy
        load = test_kill.Load(sandbox, sandbox.accounts[0], folder, f"cut{number}", "power@away.test", 2000,
                              size=chance.choice([500, 10240, 100_000]))
        load.wait_for(chance.randint(5, 400))
        acknowledged = load.acknowledged()
        os.kill(sandbox.daemon_pid, signal.SIGSTOP)  # so that the copy is of one moment
        copy = image.file + ".copy"
        subprocess.run(["cp", "--sparse=always", image.file, copy], check=True)
        os.kill(sandbox.daemon_pid, signal.SIGKILL)
        sandbox.stop_daemon()
        load.end()
        image.unmount()
        os.replace(copy, image.file)
        image.mount()
        sandbox.start_daemon()
        sandbox.start_worker()
        count = test_kill.settled(sandbox, acknowledged, 120 + len(acknowledged) / 20)
        self.assertEqual([one for one in acknowledged if count[one] != 1], [], f"of {len(acknowledged)} acknowledged")

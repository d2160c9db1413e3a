# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sandbox is made of: ports that are its own, and children that never outlive it."""
import errno
import fcntl
import os
import select
import signal
import socket
import subprocess
import tempfile
import time

FIRST_PORT, LAST_PORT, BLOCK = 20000, 30000, 10


class PortBlock:
    """Ten ports in a row that no other sandbox of this user takes while the lock is held."""

    def __init__(self, wanted=None):
        """Takes the block at `wanted` if it is free, else the first free one."""
        folder = os.path.join(tempfile.gettempdir(), f"postern-ports-{os.getuid()}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.stat(folder).st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to somebody else; remove it")
        # Where we begin looking differs, so that sandboxes started together rarely meet.
        blocks = (LAST_PORT - FIRST_PORT) // BLOCK
        start = os.getpid() * 7 % blocks
        bases = [FIRST_PORT + (start + i) % blocks * BLOCK for i in range(blocks)]
        for base in ([wanted] if wanted else []) + bases:
            lock = os.open(os.path.join(folder, str(base)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            if all(port_is_free(base + i) for i in range(BLOCK)):
                self.base, self._lock = base, lock
                return
            os.close(lock)
        raise OSError(errno.EADDRINUSE, "no ten free ports in a row between 20000 and 30000")

    def release(self):
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def port_is_free(port):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # a machine without IPv6
                raise
    return True


class ChildEnded(Exception):
    """A child that should have come up ended instead."""


class Group:
    """Children in one process group, with a watchdog in it that kills them all when we are gone.

    The watchdog reads a pipe whose other end only this process holds. However this process ends,
    by SIGKILL too, the pipe ends with it.
    """

    def __init__(self, logs):
        self.logs = logs
        os.makedirs(logs, mode=0o700, exist_ok=True)
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", "trap '' HUP INT TERM; read _; kill -KILL 0"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0)
        self._children = []

    def start(self, name, command, env, stdin=subprocess.DEVNULL, stdout=None, **options):
        """Starts a child whose output goes to NAME.log, and returns its Popen."""
        with open(os.path.join(self.logs, name + ".log"), "ab") as log:
            child = subprocess.Popen(command, env=env, stdin=stdin, stdout=stdout or log, stderr=log,
                                     process_group=self._watchdog.pid, **options)
        child.name = name
        self._children.append(child)
        return child

    def stop(self, child, patience=2.0, how=signal.SIGTERM):
        """Ends one child: politely first, then not. Returns its exit status."""
        if child.poll() is None:
            child.send_signal(how)
            try:
                child.wait(patience)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if child in self._children:
            self._children.remove(child)
        return child.returncode

    def end(self):
        """Ends everything that is left, grandchildren included."""
        for child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + 1
        for child in self._children:
            try:
                child.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        self._watchdog.stdin.close()
        self._watchdog.wait()
        for child in self._children:
            child.wait()
        self._children.clear()

    def tail(self, name, lines=15):
        """The last lines of a child's log, for an error message."""
        try:
            with open(os.path.join(self.logs, name + ".log"), encoding="utf-8", errors="replace") as log:
                return "".join(log.readlines()[-lines:]).strip()
        except FileNotFoundError:
            return ""


def wait_until(condition, timeout, what, interval=0.01):
    """Returns the first true value of condition(); raises TimeoutError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(interval)


def wait_for_port(port, child, group, timeout=20):
    """Waits until a child accepts connections on a port of 127.0.0.1."""
    def accepts():
        if child.poll() is not None:
            raise ChildEnded(f"{child.name} ended with status {child.returncode}:\n{group.tail(child.name)}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    wait_until(accepts, timeout, f"{child.name} to listen on port {port}")


def read_line(stream, timeout, what):
    """One line, or what there is at the end, of a child's output."""
    line, deadline = b"", time.monotonic() + timeout
    while not line.endswith(b"\n"):
        if not select.select([stream], [], [], max(0, deadline - time.monotonic()))[0]:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        more = os.read(stream.fileno(), 65536)
        if not more:
            break
        line += more
    return line.decode()

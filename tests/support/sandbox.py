# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything for real in one folder: a Worker in workerd, a session bus with a keyring, and posternd.

    with Sandbox(folder, accounts=2) as sandbox:
        sandbox.contract()["pop3"]

A folder that was a sandbox before comes up with the same accounts, passwords and, if free, ports.
Nothing outlives the process that made the Sandbox, however it ends (see processes.Group).
"""
import concurrent.futures
import contextlib
import fcntl
import glob
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading

from .processes import ChildEnded, Group, PortBlock, port_is_free, read_line, wait_for_port, wait_until
from .worker import Worker, WorkerError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUS_NAME = "io.github.posternmail.Postern.Bridge"
RETRY_BASE_MS = 500  # how long the Worker waits before it tries an outgoing message again
PORTS = ("pop3", "pop3s", "smtp", "smtps", "admin", "worker", "inbound")

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <!-- No service directories: nothing is started that the sandbox did not start. -->
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class SandboxError(Exception):
    """What went wrong, in words for whoever started the sandbox."""


def build_folder():
    return os.path.abspath(os.environ.get("POSTERN_BUILD") or os.path.join(ROOT, "build"))


class Sandbox:
    def __init__(self, folder, accounts=1, headless=False, domain=None, wrap_daemon=(), state_dir=None,
                 first_name="user1", extra_env=None):
        """`wrap_daemon` is a command to run posternd under, such as strace with its options; `state_dir`
        puts the daemon's state elsewhere; `extra_env` goes into its environment."""
        self.folder = os.path.abspath(folder)
        self.wanted, self.headless, self.domain = accounts, headless, domain
        self.wrap_daemon = list(wrap_daemon)
        self.build = build_folder()
        self.first_name = first_name
        self.extra_env = extra_env or {}
        self.state_dir = state_dir or self.path("state")
        self.daemon = self.worker_process = self.bus = self.keyring = None
        self.group = self.block = self.run_dir = self._lock = None
        self._save_lock = threading.Lock()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    # Up and down

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    def up(self):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self._lock = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise SandboxError(f"another sandbox runs in {self.folder}; stop it or take another folder") from None
        try:
            self._load()
            self._make_folders()
            self.group = Group(self.path("logs"))
            self._bring_up()
        except BaseException:
            self.down()
            raise
        return self

    def _bring_up(self):
        for attempt in range(3):
            self.block = PortBlock(self.saved.get("ports") if attempt == 0 else None)
            self.ports = {name: self.block.base + i for i, name in enumerate(PORTS, 1)}
            self.worker = Worker(f"http://127.0.0.1:{self.ports['worker']}",
                                 f"http://127.0.0.1:{self.ports['inbound']}/email")
            self.saved["ports"] = self.block.base
            self._save()
            self._write_config()
            try:
                # The Worker with its users, and the desktop with the daemon, come up side by side.
                with concurrent.futures.ThreadPoolExecutor() as pool:
                    users = pool.submit(self._start_worker_and_users)
                    self._start_session()
                    self.start_daemon()
                    users.result()
                self._check_listeners()
                break
            except (ChildEnded, TimeoutError) as error:
                self._stop_children()
                # Somebody else may have taken a port since we looked: then another block, else it is ours to tell.
                if attempt == 2 or all(port_is_free(port) for port in self.ports.values()):
                    raise SandboxError(str(error)) from None
                self.block.release()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self._add_to_daemon, self.accounts))
        self._link_ca()
        for account in self.accounts:
            self.wait_listed(account)

    def _check_listeners(self):
        """A port that is taken does not end the daemon: it says so, and tries again by itself."""
        for listener in self.posternctl("status")[1]["listeners"]:
            if listener["state"] != "listening":
                raise ChildEnded(f"posternd does not listen on port {listener['port']}: {listener['detail']}")

    def down(self):
        """Stops everything that was started. Harmless when nothing was."""
        if self.group:
            self._stop_children()
            self.group.end()
            self.group = None
        if self.block:
            self.block.release()
            self.block = None
        if self.run_dir and self.run_dir != self.path("run"):
            shutil.rmtree(self.run_dir, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _stop_children(self):
        for child in (self.daemon, self.worker_process, self.keyring, self.bus):
            if child is not None:
                self.group.stop(child, patience=0.2 if child is self.worker_process else 5)
        self.daemon = self.worker_process = self.keyring = self.bus = None

    # What is kept between two lives of one folder

    def _load(self):
        try:
            with open(self.path("sandbox.json"), encoding="utf-8") as file:
                self.saved = json.load(file)
        except FileNotFoundError:
            self.saved = {"setup_secret": secrets.token_hex(32), "keyring_password": secrets.token_hex(16),
                          "domain": self.domain or "example.test", "headless": self.headless, "accounts": []}
        self.domain = self.saved["domain"]
        self.accounts = self.saved["accounts"]
        if self.saved["headless"] != self.headless:
            raise SandboxError(f"{self.folder} was made {'with' if self.saved['headless'] else 'without'} --headless; "
                               "its secrets are where that keeps them. Start it the same way, or take another folder.")
        while len(self.accounts) < self.wanted:
            name = f"user{len(self.accounts) + 1}" if self.accounts else self.first_name
            self.accounts.append(self._new_account(name))
        self.every_account = list(self.accounts)  # with those that tests add

    def _new_account(self, name):
        return {"address": f"{name}@{self.domain}", "password": None,
                "worker_password": secrets.token_urlsafe(18), "worker_token": None}

    def _save(self):
        """Atomic, since an account that is half made is finished at the next start."""
        with self._save_lock:
            aside = self.path("sandbox.json.new")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(self.saved, file, indent=2)
            os.replace(aside, self.path("sandbox.json"))

    def _make_folders(self):
        for name in ("home", "worker", "outbound", "outbound-envelopes"):
            os.makedirs(self.path(name), mode=0o700, exist_ok=True)
        os.makedirs(self.state_dir, mode=0o700, exist_ok=True)
        # A socket's path has no more than 107 octets.
        self.run_dir = self.path("run")
        if len(self.run_dir) > 70:
            self.run_dir = tempfile.mkdtemp(prefix="postern-run-")
        shutil.rmtree(self.run_dir, ignore_errors=True)
        os.makedirs(self.run_dir, mode=0o700)

    # The environment of everything inside

    def environment(self):
        """What the daemon, posternctl and the keyring see: a home and a bus of their own, no proxy, no display."""
        home = self.path("home")
        env = {"HOME": home, "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8",
               "XDG_CONFIG_HOME": home + "/.config", "XDG_DATA_HOME": home + "/.local/share",
               "XDG_STATE_HOME": home + "/.local/state", "XDG_CACHE_HOME": home + "/.cache",
               "XDG_RUNTIME_DIR": self.run_dir}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "G_MESSAGES_DEBUG", "G_DEBUG", "TZ"):
            if name in os.environ:
                env[name] = os.environ[name]
        if not self.headless:
            env["DBUS_SESSION_BUS_ADDRESS"] = self.dbus_address
        return env

    @property
    def dbus_address(self):
        return f"unix:path={self.run_dir}/postern/bus" if self.headless else f"unix:path={self.run_dir}/session-bus"

    def _start_session(self):
        """The private bus with a keyring that is open; nothing of both when headless."""
        if self.headless:
            return
        with open(self.path("bus.conf"), "w", encoding="utf-8") as file:
            file.write(BUS_CONFIG.format(socket=self.run_dir + "/session-bus"))
        env = self.environment()
        self.bus = self.group.start("bus", ["dbus-daemon", "--config-file=" + self.path("bus.conf"), "--nofork",
                                            "--nopidfile", "--print-address=1"], env, stdout=subprocess.PIPE)
        if not read_line(self.bus.stdout, 10, "the private D-Bus"):
            raise ChildEnded("dbus-daemon ended:\n" + self.group.tail("bus"))
        self.start_keyring()

    def start_keyring(self, locked=False):
        self.keyring = self.group.start(
            "keyring", ["gnome-keyring-daemon", "--foreground", "--components=secrets",
                        "--control-directory=" + self.run_dir + "/keyring"] + ["--unlock"] * (not locked),
            self.environment(), stdin=subprocess.PIPE)
        if not locked:
            self.keyring.stdin.write(self.saved["keyring_password"].encode())
        self.keyring.stdin.close()
        self._wait_for_name("org.freedesktop.secrets", self.keyring)

    def _wait_for_name(self, name, child):
        done = subprocess.run(["gdbus", "wait", "--address", self.dbus_address, "--timeout", "20", name],
                              env=self.environment(), stderr=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise ChildEnded(f"{child.name} did not take the name {name} on the bus:\n{self.group.tail(child.name)}")

    # The Worker

    def start_worker(self):
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.path("home"),
               "SETUP_SECRET": self.saved["setup_secret"], "POSTERN_RETRY_BASE_MS": str(RETRY_BASE_MS)}
        self.worker_process = self.group.start(
            "worker", [os.path.join(ROOT, "worker/local/start"), "--state", self.path("worker"),
                       "--outbound", self.path("outbound"), "--domains", self.domain,
                       "--http", str(self.ports["worker"]), "--inbound", str(self.ports["inbound"])], env)
        wait_for_port(self.ports["worker"], self.worker_process, self.group)
        wait_for_port(self.ports["inbound"], self.worker_process, self.group)

    def stop_worker(self, how=signal.SIGTERM):
        # workerd does not end on SIGTERM while a WebSocket is open; what it stored is safe either way.
        self.group.stop(self.worker_process, patience=0.2, how=how)

    def _start_worker_and_users(self):
        self.start_worker()
        for number, account in enumerate(self.accounts):
            if account["worker_token"] is None:
                self._make_user(account, first=number == 0)

    def _make_user(self, account, first=False):
        """Makes the user if the Worker does not have it yet, and signs in."""
        try:
            if first:
                self.worker.set_up(self.saved["setup_secret"], account["address"], account["worker_password"])
            else:
                self.worker.add_user(self.accounts[0]["worker_token"], account["address"], account["worker_password"])
        except WorkerError as error:
            if error.status != 409:  # it is there: an earlier start of this folder was cut short
                raise
        account["worker_token"] = self.worker.sign_in(account["address"], account["worker_password"])
        self._save()

    # The daemon

    def _write_config(self):
        """The daemon owns its configuration once it runs; all we ever set is what a sandbox is: its ports."""
        try:
            with open(self.path("config.json"), encoding="utf-8") as file:
                config = json.load(file)
        except FileNotFoundError:
            config = {"version": 1}
        addresses = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
        config["listeners"] = [
            {"service": service, "security": security, "addresses": addresses, "port": self.ports[name]}
            for service, security, name in (("pop3", "starttls", "pop3"), ("pop3", "tls", "pop3s"),
                                            ("smtp", "starttls", "smtp"), ("smtp", "tls", "smtps"))]
        config["admin"] = {"enabled": True, "port": self.ports["admin"]}
        config["secrets"] = {"store": "file" if self.headless else "secret-service"}
        for account in config.get("accounts", []):
            account["url"] = self.worker.url
        self._replace_config(json.dumps(config, indent=2))

    def start_daemon(self, wait_for_bus=True):
        command = [os.path.join(self.build, "src/posternd"), "--config", self.path("config.json"),
                   "--state-dir", self.state_dir]
        self.daemon = self.group.start("posternd", self.wrap_daemon + command,
                                       {**self.environment(), **self.extra_env})
        wait_for_port(self.ports["smtps"], self.daemon, self.group)
        wait_for_port(self.ports["pop3"], self.daemon, self.group)
        if not wait_for_bus:
            return
        if self.headless:
            wait_until(lambda: os.path.exists(self.run_dir + "/postern/bus"), 20, "the private bus of posternd")
        else:
            self._wait_for_name(BUS_NAME, self.daemon)

    @property
    def daemon_pid(self):
        """Of posternd itself, also when it runs under a tracer."""
        if not self.wrap_daemon:
            return self.daemon.pid
        with open(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children", encoding="ascii") as file:
            return int(file.read().split()[0])

    def stop_daemon(self):
        """Asks it to end, and returns its exit status."""
        if self.wrap_daemon and self.daemon.poll() is None:
            os.kill(self.daemon_pid, signal.SIGTERM)  # a tracer would only let go of it
            self.daemon.wait(10)
        return self.group.stop(self.daemon, patience=10)

    def kill_daemon(self):
        os.kill(self.daemon_pid, signal.SIGKILL)
        self.group.stop(self.daemon)

    def lose_maildrops(self):
        """Restarts the daemon without its cache of what the server has."""
        self.stop_daemon()
        for path in glob.glob(self.state_dir + "/maildrops.db*"):
            os.unlink(path)
        self.start_daemon()

    def restart_daemon(self):
        self.stop_daemon()
        self.start_daemon()

    def posternctl(self, *arguments, stdin=None, check=True):
        """Runs posternctl --json and returns (exit status, decoded answer)."""
        command = [os.path.join(self.build, "src/posternctl"), *arguments, "--bus", self.dbus_address, "--json"]
        done = subprocess.run(command, env=self.environment(), input=stdin, capture_output=True, timeout=60,
                              text=True, check=False)
        if check and done.returncode:
            raise SandboxError(f"posternctl {' '.join(arguments)} exited {done.returncode}: {done.stdout}{done.stderr}")
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None

    def queue(self):
        """What has not left, as posternctl lists it."""
        return self.posternctl("queue", "list")[1]["entries"]

    def _add_to_daemon(self, account):
        if account["password"] is None:
            _, answer = self.posternctl("account", "add", account["address"], "--url", self.worker.url, "--token",
                                        stdin=account["worker_token"] + "\n")
            account["password"] = answer["password"]
            self._save()

    def add_account(self, name=None):
        """A fresh user of the Worker, signed in and listed; returns it as the contract's accounts are."""
        account = self._new_account(name or "u" + secrets.token_hex(5))
        self.every_account.append(account)
        self._make_user(account)
        self._add_to_daemon(account)
        self.wait_listed(account)
        return account

    def wait_listed(self, account):
        """Waits until the maildrop is served: before its first complete listing PASS says try later."""
        from .mail import open_pop3, PopRefused

        def opens():
            try:
                open_pop3(self, account).quit()
                return True
            except PopRefused as refusal:
                if "[SYS/TEMP]" not in str(refusal):
                    raise
                return False
        wait_until(opens, 30, f"the first listing of {account['address']}")

    @contextlib.contextmanager
    def changed_config(self, change):
        """Has the daemon run with another configuration for a while: change(config) alters the decoded file."""
        with open(self.path("config.json"), encoding="utf-8") as file:
            before = file.read()
        config = json.loads(before)
        change(config)
        try:
            self._replace_config(json.dumps(config))
            self.restart_daemon()
            yield
        finally:
            self._replace_config(before)
            self.restart_daemon()

    def _replace_config(self, text):
        with open(self.path("config.json.new"), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.path("config.json.new"), self.path("config.json"))

    def _link_ca(self):
        made, = glob.glob(self.state_dir + "/**/ca.pem", recursive=True)
        shutil.copyfile(made, self.path("ca.pem"))

    # What the world is told

    def contract(self):
        """The line of JSON that tools/sandbox prints."""
        return {
            **{name: self.ports[name] for name in PORTS[:5]},
            "ca": self.path("ca.pem"),
            "daemon_pid": self.daemon_pid,
            "worker_pid": self.worker_process.pid,
            "worker_url": self.worker.url,
            "inbound_url": self.worker.inbound_url,
            "outbound_dir": self.path("outbound"),
            "dbus_address": self.dbus_address,
            "state_dir": self.state_dir,
            "config": self.path("config.json"),
            "accounts": [dict(account) for account in self.accounts],
        }


def has_ipv6():
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            return file.read().strip() != ""
    except FileNotFoundError:
        return False

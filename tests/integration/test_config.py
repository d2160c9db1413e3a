# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file is edited by hand while the daemon runs."""
import json
import socket
import urllib.request

from support.case import SandboxCase
from support.mail import PopRefused, open_pop3
from support.processes import wait_until


def port_is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except ConnectionRefusedError:
        return False


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Edited(SandboxCase):
    own = True

    def setUp(self):
        with open(self.sandbox.path("config.json"), encoding="utf-8") as file:
            self.text = file.read()
        self.addCleanup(self.put_back, dict(self.sandbox.ports))

    def put_back(self, ports):
        """The next test edits what is in force, and not what the daemon has yet to read."""
        self.sandbox._replace_config(self.text)
        self.sandbox.ports.update(ports)
        wait_until(lambda: port_is_open(ports["pop3"]) and not self.status()["config_problem"], 10,
                   "the configuration from before to be in force")

    def status(self):
        return self.sandbox.posternctl("status")[1]

    def edit(self, change):
        config = json.loads(self.text)
        change(config)
        self.sandbox._replace_config(json.dumps(config, indent=1))

    def test_a_mistake_names_its_place_and_what_runs_goes_on(self):
        broken = json.loads(self.text)
        broken["listeners"][0]["port"] = 700_000
        for what, text, place in (("a value", json.dumps(broken, indent=1), r"listeners\[0\]\.port"),
                                  ("half a file", self.text[:len(self.text) // 2], r":\d+")):
            with self.subTest(what):
                self.sandbox._replace_config(text)
                problem = wait_until(lambda: self.status()["config_problem"], 10, "the mistake to be told")
                self.assertRegex(problem, place)
                open_pop3(self.sandbox, self.sandbox.accounts[0]).quit()
                # It is somebody's work: a change of ours is refused and does not overwrite it.
                code, answer = self.sandbox.posternctl("account", "remove", self.sandbox.accounts[0]["address"],
                                                       check=False)
                self.assertEqual(code, 1, answer)
                with open(self.sandbox.path("config.json"), encoding="utf-8") as file:
                    self.assertEqual(file.read(), text)
                self.sandbox._replace_config(self.text)
                wait_until(lambda: not self.status()["config_problem"], 10, "the mended file to be taken")
                open_pop3(self.sandbox, self.sandbox.accounts[0]).quit()

    def test_a_listener_moves_without_a_restart(self):
        before = self.sandbox.ports["pop3"]
        pid = self.sandbox.daemon_pid
        port = free_port()
        session = open_pop3(self.sandbox, self.sandbox.accounts[0])
        self.edit(lambda config: config["listeners"][0].update(port=port))
        self.sandbox.ports["pop3"] = port
        wait_until(lambda: port_is_open(port), 10, "the new port to be open")
        self.assertFalse(port_is_open(before))
        open_pop3(self.sandbox, self.sandbox.accounts[0]).quit()
        session.noop()  # who was connected stays
        session.quit()
        self.assertEqual(self.sandbox.daemon_pid, pid)

    def test_an_account_taken_out_is_gone_and_put_back_is_there(self):
        account = self.fresh()
        with open(self.sandbox.path("config.json"), encoding="utf-8") as file:
            whole = file.read()
        config = json.loads(whole)
        config["accounts"] = [one for one in config["accounts"] if one["address"] != account["address"]]
        self.sandbox._replace_config(json.dumps(config))

        def listed():
            return account["address"] in [one["address"] for one in self.status()["accounts"]]
        wait_until(lambda: not listed(), 10, "the account to be gone")
        with self.assertRaises(PopRefused):
            open_pop3(self.sandbox, account)
        self.sandbox._replace_config(whole)
        wait_until(listed, 10, "the account to be back")
        self.sandbox.wait_listed(account)

    def test_the_admin_port_moves_and_closes(self):
        old, new = self.sandbox.ports["admin"], free_port()
        self.assertTrue(port_is_open(old))
        self.edit(lambda config: config["admin"].update(port=new))
        wait_until(lambda: port_is_open(new) and not port_is_open(old), 10, "the admin port to move")
        with urllib.request.urlopen(f"http://127.0.0.1:{new}/health", timeout=10) as answer:
            self.assertEqual(answer.status, 200)
        self.edit(lambda config: config["admin"].update(enabled=False))
        wait_until(lambda: not port_is_open(new), 10, "the admin port to close")

    def test_another_place_for_secrets_is_told_to_need_a_start(self):
        self.edit(lambda config: config["secrets"].update(store="file"))

        def told():
            return any("started again" in record["message"] for record in self.sandbox.posternctl("log")[1]["records"])
        wait_until(told, 10, "it to be told")
        open_pop3(self.sandbox, self.sandbox.accounts[0]).quit()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Real mail programs, each in every TLS mode it has, with one small message each way."""
import os
import tempfile
import urllib.parse

from support.case import SandboxCase, needs, run
from support.mail import MODES, PLAIN, STARTTLS, TLS, message, open_pop3, open_smtp

BODY = b"First line.\r\n.a line with a dot\r\nLast line.\r\n"


class ClientCase(SandboxCase):
    """What fetching and sending by a program have in common: a home of its own, and what must come of it."""

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="client-", dir=self.folder)
        # Trust settings of whoever runs the tests must not reach the programs.
        self.env = {"HOME": self.home, "PATH": "/usr/bin:/bin:/usr/sbin", "LC_ALL": "C.UTF-8", "TERM": "xterm"}
        self.account = self.fresh()
        self.ca = self.sandbox.path("ca.pem")

    def write(self, name, text):
        path = os.path.join(self.home, name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, 0o600)
        return path

    def read_all(self, folder):
        """All that is below a folder, or in a file, as one piece."""
        if os.path.isfile(folder):
            with open(folder, "rb") as file:
                return file.read()
        return b"".join(self.read_all(os.path.join(folder, name)) for name in sorted(os.listdir(folder)))

    def pop3_port(self, mode):
        return self.sandbox.ports["pop3s" if mode == TLS else "pop3"]

    def smtp_port(self, mode):
        return self.sandbox.ports["smtps" if mode == TLS else "smtp"]

    def each_mode_fetches(self, fetch, modes=MODES):
        """fetch(mode) returns what the program got, in which the message must be."""
        self.inbound(self.account, message("to be fetched", to=self.account["address"], body=BODY))
        self.wait_for_mail(self.account)
        for mode in modes:
            with self.subTest(mode=mode):
                got = fetch(mode).replace(b"\r\n", b"\n")
                self.assertIn(b"Subject: to be fetched\n", got)
                self.assertIn(BODY.replace(b"\r\n", b"\n"), got)

    def each_mode_sends(self, send, modes=MODES):
        """send(mode, to, path) submits the message in the file at path."""
        for mode in modes:
            with self.subTest(mode=mode):
                to = f"{mode}-{os.path.basename(self.home)}@away.test".lower()
                sent = message(f"sent {mode}", to=to, sender=self.account["address"], body=BODY)
                send(mode, to, self.write("out.eml", sent))
                (envelope, got), = self.wait_for_outbound(to=to)
                self.assertEqual(envelope["from"], self.account["address"])
                self.assertIn(BODY, got)
                self.assertIn(f"Subject: sent {mode}\r\n".encode(), got)

    def ok(self, command, input=None, good=(0,)):
        status, output = run(command, env=self.env, input=input)
        self.assertIn(status, good, output)
        return output


@needs("curl")
class Curl(ClientCase):
    def curl(self, mode, *arguments):
        login = f'user = "{self.account["address"]}:{self.account["password"]}"\n'
        tls = [] if mode == PLAIN else ["--ssl-reqd", "--cacert", self.ca]
        return self.ok(["/usr/bin/curl", "-sS", "--max-time", "30", "-K", "-", *tls, *arguments], input=login.encode())

    def test_fetches(self):
        def fetch(mode):
            scheme = "pop3s" if mode == TLS else "pop3"
            path = os.path.join(self.home, "got")
            self.curl(mode, "-o", path, f"{scheme}://localhost:{self.pop3_port(mode)}/1")
            return self.read_all(path)
        self.each_mode_fetches(fetch)

    def test_sends(self):
        def send(mode, to, path):
            scheme = "smtps" if mode == TLS else "smtp"
            self.curl(mode, f"{scheme}://localhost:{self.smtp_port(mode)}/client.test", "--mail-from",
                      self.account["address"], "--mail-rcpt", to, "-T", path)
        self.each_mode_sends(send)

    def test_refuses_a_certificate_it_does_not_know(self):
        for scheme, port in (("pop3s", "pop3s"), ("smtps", "smtps")):
            with self.subTest(scheme):
                status, _ = run(["/usr/bin/curl", "-sS", "--max-time", "30", "-u", "nobody:x",
                                 f"{scheme}://localhost:{self.sandbox.ports[port]}/"], env=self.env)
                self.assertEqual(status, 60)


@needs("fetchmail")
class Fetchmail(ClientCase):
    def test_fetches(self):
        def fetch(mode):
            got = os.path.join(self.home, "got-" + mode)
            tls = {PLAIN: "sslproto ''", STARTTLS: f"sslproto 'TLS1.2+' sslcertck sslcertfile '{self.ca}'",
                   TLS: f"ssl sslcertck sslcertfile '{self.ca}'"}[mode]
            rc = self.write("fetchmailrc", f"""poll localhost protocol pop3 port {self.pop3_port(mode)} uidl timeout 30
                user '{self.account["address"]}' password '{self.account["password"]}' {tls} keep
                no rewrite mda "/bin/cat >> {got}"\n""")
            self.ok(["fetchmail", "-f", rc, "--pidfile", self.home + "/pid", "-i", self.home + "/ids-" + mode])
            return self.read_all(got)
        self.each_mode_fetches(fetch)

    def test_knows_by_uidl_what_it_has_seen(self):
        self.inbound(self.account, message("once", to=self.account["address"]))
        self.wait_for_mail(self.account)
        rc = self.write("fetchmailrc", f"""poll localhost protocol pop3 port {self.sandbox.ports["pop3"]} uidl timeout 30
            user '{self.account["address"]}' password '{self.account["password"]}' sslproto '' keep
            mda "/bin/cat >> {self.home}/got"\n""")
        command = ["fetchmail", "-f", rc, "--pidfile", self.home + "/pid", "-i", self.home + "/ids"]
        self.ok(command)
        self.ok(command, good=(1,))  # 1: there was no new mail
        self.assertEqual(self.read_all(self.home + "/got").count(b"Subject: once"), 1)


@needs("mpop")
class Mpop(ClientCase):
    def test_fetches(self):
        def fetch(mode):
            folder = os.path.join(self.home, "Maildir-" + mode)
            for name in ("cur", "new", "tmp"):
                os.makedirs(os.path.join(folder, name))
            tls = "tls off" if mode == PLAIN else f"tls on\ntls_trust_file {self.ca}"
            conf = self.write("mpoprc", f"account default\nhost localhost\nport {self.pop3_port(mode)}\nauth user\n"
                              f"user {self.account['address']}\npassword {self.account['password']}\n{tls}\n"
                              f"tls_starttls {'on' if mode == STARTTLS else 'off'}\nkeep on\n"
                              f"delivery maildir {folder}\nuidls_file {self.home}/uidls-{mode}\n")
            self.ok(["mpop", "-C", conf, "-Q"])
            return self.read_all(os.path.join(folder, "new"))
        self.each_mode_fetches(fetch)


@needs("msmtp")
class Msmtp(ClientCase):
    def test_sends(self):
        def send(mode, to, path):
            tls = "tls off" if mode == PLAIN else f"tls on\ntls_trust_file {self.ca}"
            conf = self.write("msmtprc", f"account default\nhost localhost\nport {self.smtp_port(mode)}\nauth plain\n"
                              f"user {self.account['address']}\npassword {self.account['password']}\n{tls}\n"
                              f"tls_starttls {'on' if mode == STARTTLS else 'off'}\nfrom {self.account['address']}\n")
            self.ok(["msmtp", "-C", conf, to], input=self.read_all(path))
        self.each_mode_sends(send)


@needs("swaks")
class Swaks(ClientCase):
    def swaks(self, mode, to, path, mechanism):
        tls = {PLAIN: [], STARTTLS: ["-tls"], TLS: ["-tlsc"]}[mode]
        if tls:
            tls += ["--tls-verify", "--tls-ca-path", self.ca]
        self.ok(["swaks", "--server", "localhost", "--port", str(self.smtp_port(mode)), "--ehlo", "client.test",
                 "--from", self.account["address"], "--to", to, "--auth", mechanism,
                 "--auth-user", self.account["address"], "--auth-password", self.account["password"],
                 "--data", "@" + path, *tls])

    def test_sends_with_auth_plain(self):
        self.each_mode_sends(lambda mode, to, path: self.swaks(mode, to, path, "PLAIN"))

    def test_sends_with_auth_login(self):
        self.each_mode_sends(lambda mode, to, path: self.swaks(mode, to, path, "LOGIN"))


@needs("neomutt")
class Neomutt(ClientCase):
    def rc(self, lines):
        return self.write("neomuttrc", f'set certificate_file="{self.ca}"\nset ssl_verify_host=yes\n'
                          f'set from="{self.account["address"]}"\nset use_from=yes\nset use_envelope_from=yes\n'
                          'set hostname="example.test"\nunset record\nset send_charset="us-ascii:utf-8"\n' + lines)

    def test_sends(self):
        def send(mode, to, path):
            user = urllib.parse.quote(self.account["address"], safe="")
            scheme = "smtps" if mode == TLS else "smtp"
            rc = self.rc(f'set smtp_url="{scheme}://{user}@localhost:{self.smtp_port(mode)}"\n'
                         f'set smtp_pass="{self.account["password"]}"\nset smtp_authenticators="plain"\n'
                         f'set ssl_starttls={"yes" if mode == STARTTLS else "no"}\n'
                         f'set ssl_force_tls={"no" if mode == PLAIN else "yes"}\n')
            body = self.read_all(path).split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n")
            self.ok(["neomutt", "-F", rc, "-s", "sent " + mode, "--", to], input=body)
        self.each_mode_sends(send)

    @needs("script")
    def test_fetches(self):
        def fetch(mode):
            user = urllib.parse.quote(self.account["address"], safe="")
            scheme = "pops" if mode == TLS else "pop"
            got = os.path.join(self.home, "got-" + mode)
            rc = self.rc(f'set pop_pass="{self.account["password"]}"\nset pop_authenticators="user"\n'
                         f'set ssl_starttls={"yes" if mode == STARTTLS else "no"}\n'
                         f'set ssl_force_tls={"no" if mode == PLAIN else "yes"}\nset mbox_type=mbox\n'
                         'set confirmappend=no\nset confirmcreate=no\nset quit=yes\nset delete=no\nset pop_delete=no\n'
                         'set wait_key=no\nset header_cache=""\n')
            command = (f"neomutt -F {rc} -f {scheme}://{user}@localhost:{self.pop3_port(mode)}/ "
                       f"-e 'push \"<copy-message>{got}<enter><exit>\"'")
            os.makedirs(self.home + "/Mail", exist_ok=True)  # or it asks whether to make one
            self.ok(["timeout", "30", "script", "-qec", command, "/dev/null"], good=(0, 1))
            return self.read_all(got)
        self.each_mode_fetches(fetch)


class Python(ClientCase):
    def test_poplib_fetches(self):
        def fetch(mode):
            pop = open_pop3(self.sandbox, self.account, mode)
            got = b"\r\n".join(pop.retr(1)[1]) + b"\r\n"
            pop.quit()
            return got
        self.each_mode_fetches(fetch)

    def test_smtplib_sends(self):
        def send(mode, to, path):
            smtp = open_smtp(self.sandbox, self.account, mode)
            smtp.sendmail(self.account["address"], [to], self.read_all(path))
            smtp.quit()
        self.each_mode_sends(send)


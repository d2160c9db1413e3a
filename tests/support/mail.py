# SPDX-License-Identifier: GPL-3.0-or-later
"""POP3 and SMTP from the outside: by Python's own clients, and octet by octet over a socket."""
import base64
import poplib
import smtplib
import socket
import ssl
import time

# RFC 5321 leaves long lines to the parties; poplib refuses those above this many octets.
poplib._MAXLINE = 64 * 1024 * 1024

PLAIN, STARTTLS, TLS = "plain", "starttls", "tls"
MODES = (PLAIN, STARTTLS, TLS)


class PopRefused(Exception):
    """A -ERR answer, as it was given."""


def trust(sandbox):
    return ssl.create_default_context(cafile=sandbox.path("ca.pem"))


def open_pop3(sandbox, account, mode=PLAIN, password=None, timeout=60):
    """A logged-in poplib client. Raises PopRefused when the login is refused."""
    if mode == TLS:
        pop = poplib.POP3_SSL("localhost", sandbox.ports["pop3s"], context=trust(sandbox), timeout=timeout)
    else:
        pop = poplib.POP3("localhost", sandbox.ports["pop3"], timeout=timeout)
        if mode == STARTTLS:
            pop.stls(trust(sandbox))
    try:
        pop.user(account["address"])
        pop.pass_(password or account["password"])
    except poplib.error_proto as refusal:
        pop.close()
        raise PopRefused(str(refusal)) from None
    return pop


def open_smtp(sandbox, account=None, mode=PLAIN, password=None, timeout=60):
    """An smtplib client after EHLO, logged in when there is an account."""
    if mode == TLS:
        smtp = smtplib.SMTP_SSL("localhost", sandbox.ports["smtps"], context=trust(sandbox), timeout=timeout)
    else:
        smtp = smtplib.SMTP("localhost", sandbox.ports["smtp"], timeout=timeout)
        if mode == STARTTLS:
            smtp.starttls(context=trust(sandbox))
    smtp.ehlo("client.test")
    if account:
        smtp.login(account["address"], password or account["password"])
    return smtp


class LineSocket:
    """A connection that sends exactly what it is told and reads lines with their ends."""

    def __init__(self, sandbox, port, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", sandbox.ports[port]), timeout)
        if port in ("pop3s", "smtps"):
            self.socket = trust(sandbox).wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb", buffering=1 << 20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        return self.file.readline()

    def ask(self, command):
        """Sends a command line, returns the first line of the answer."""
        self.send(command + b"\r\n")
        return self.line()


class RawPop3(LineSocket):
    """POP3 without a client's opinions: what RETR sends is seen as it crosses the wire."""

    def __init__(self, sandbox, account=None, tls=False, timeout=60):
        super().__init__(sandbox, "pop3s" if tls else "pop3", timeout)
        self.greeting = self.line()
        if account:
            assert self.ask(b"USER " + account["address"].encode()).startswith(b"+OK")
            answer = self.ask(b"PASS " + account["password"].encode())
            if not answer.startswith(b"+OK"):
                raise PopRefused(answer.decode())

    def body(self):
        """The lines of a multi-line answer behind its first, still stuffed, without the final dot."""
        lines = []
        while True:
            line = self.line()
            if not line:
                raise EOFError("the server hung up inside an answer")
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line)

    def retr(self, number):
        """The wire form of a message: canonical lines, each leading dot doubled."""
        answer = self.ask(b"RETR %d" % number)
        if not answer.startswith(b"+OK"):
            raise PopRefused(answer.decode())
        return self.body()

    def listing(self):
        """[(number, octets)] by LIST."""
        assert self.ask(b"LIST").startswith(b"+OK")
        return [tuple(map(int, line.split())) for line in self.body().splitlines()]

    def uidl(self):
        assert self.ask(b"UIDL").startswith(b"+OK")
        return [line.split()[1] for line in self.body().splitlines()]


class RawSmtp(LineSocket):
    """SMTP without a client's opinions. Answers are (code, whole text)."""

    def __init__(self, sandbox, account=None, tls=False, timeout=60):
        super().__init__(sandbox, "smtps" if tls else "smtp", timeout)
        self.greeting = self.answer()
        if account:
            assert self.command(b"EHLO client.test")[0] == 250
            plain = b"\0" + account["address"].encode() + b"\0" + account["password"].encode()
            code, text = self.command(b"AUTH PLAIN " + base64.b64encode(plain))
            assert code == 235, text

    def answer(self):
        text = b""
        while True:
            line = self.line()
            if not line:
                raise EOFError("the server hung up")
            text += line
            if line[3:4] != b"-":
                return int(line[:3]), text.decode()

    def command(self, line):
        self.send(line + b"\r\n")
        return self.answer()

    def submit(self, sender, recipients, wire):
        """One transaction whose DATA is these octets, the final dot included. Returns the last answer."""
        answer = self.command(b"MAIL FROM:<%s>" % sender.encode())
        if answer[0] != 250:
            return answer
        for recipient in recipients:
            answer = self.command(b"RCPT TO:<%s>" % recipient.encode())
            if answer[0] != 250:
                return answer
        answer = self.command(b"DATA")
        if answer[0] != 354:
            return answer
        self.send(wire)
        return self.answer()


def canonical(raw):
    """What POP3 must send for a message before dots are stuffed: a bare LF as CRLF, a last CRLF, all else as it is."""
    out = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return out if out.endswith(b"\r\n") or not out else out + b"\r\n"


def stuffed(canonical_lines):
    """The same on the wire: every line that starts with a dot has one more."""
    out = canonical_lines.replace(b"\r\n.", b"\r\n..")
    return b"." + out if out.startswith(b".") else out


def message(subject="a test", to="far@away.test", sender="user1@example.test", body=b"Hello.\r\n", extra=b"",
            message_id=None):
    """A plain message with every header that what leaves must have, so that nothing is added to it."""
    message_id = message_id or f"<{time.time_ns()}@example.test>"
    return (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: {message_id}\r\n"
            "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n").encode() + extra + b"\r\n" + body

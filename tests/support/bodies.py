# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that mail software is known to damage. Each is raw octets, header and all."""
import random

HEAD = (b"From: <somebody@elsewhere.test>\r\nTo: <reader@example.test>\r\nSubject: octets\r\n"
        b"Message-ID: <octets@elsewhere.test>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n")
EVERY_OCTET = bytes(range(256))
MIB = 1024 * 1024


def random_octets(size, seed=1):
    return random.Random(seed).randbytes(size)


# What arrives by email() may hold anything at all.
RECEIVED = {
    "plain": HEAD + b"Hello.\r\n",
    "eight-bit": HEAD + "Grüße, 你好, \u202e.\r\n".encode() + b"\xff\xfe\x80 not UTF-8\r\n",
    "latin-1 header": HEAD.replace(b"octets", b"b\xe4r", 1) + b"x\r\n",
    "binary": HEAD + random_octets(100_000),
    "every octet": HEAD + EVERY_OCTET * 3,
    "NUL": HEAD + b"a\0b\r\n\0\r\n\0.\r\n",
    "leading dots": HEAD + b".\r\n..\r\n...\r\n.dot\r\n\r\n.\r\nend\r\n",
    "dot after bare LF": HEAD + b"evil\n.\r\nQUIT\r\nend\n.\nmore\n.\r\n",
    "dot after bare CR": HEAD + b"evil\r.\r\nQUIT\r\n",
    "only a dot": HEAD + b".",
    "bare LF": HEAD.replace(b"\r\n", b"\n") + b"one\ntwo\n\nfour\n",
    "bare CR": HEAD + b"one\rtwo\r\r\nthree\r",
    "mixed line ends": HEAD + b"a\nb\r\nc\rd\n\re\r\r\nf\n\n\r\n",
    "no final newline": HEAD + b"the last line",
    "ends in CR": HEAD + b"the last line\r",
    "empty body": HEAD,
    "no blank line": HEAD[:-2],
    "no header": b"\r\njust a body\r\n",
    "one octet": b"x",
    "line of 998": HEAD + b"x" * 998 + b"\r\n",
    "line of 5000": HEAD + b"y" * 5000 + b"\r\nend\r\n",
    "line of 300000": HEAD + b"z" * 300_000 + b"\r\n.end\r\n",
    "dots at block borders": HEAD + b"".join(b"." * (i % 7) + b"\r\n" for i in range(60_000)),
    "header of 40000": b"".join(b"X-%d: %s\r\n" % (i, b"v" * 70) for i in range(500)) + HEAD + b"x\r\n",
}

BIG = HEAD + (b"." + b"0123456789abcdef" * 4 + b"\r\n") * ((25 * MIB - len(HEAD) - 100) // 67)

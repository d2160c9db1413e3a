# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix and Dovecot as yardsticks: each from a folder of its own, on high ports, with its own queue.

Both are set up to be fast at what is measured: Postfix takes mail over loopback and holds it, so that
nothing but durable acceptance is counted; Dovecot keeps its login processes alive (its documented
high-performance mode) and checks a plain password, where Postern checks a hash.
"""
import os
import pwd
import shutil
import subprocess

from support.processes import wait_for_port

POSTFIX_MASTER = """127.0.0.1:{port} inet n - n - 200 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
discard unix - - n - - discard
local unix - n n - - discard
postlog unix-dgram n - n - 1 postlogd
"""

POSTFIX_MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = bench.test
mydestination =
relay_domains = bench.test
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
default_transport = discard
relay_transport = discard
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = static:HOLD
alias_maps =
alias_database =
"""

DOVECOT = """base_dir = {folder}/run
state_dir = {folder}/state
instance_name = postern-bench
protocols = pop3
log_path = {folder}/dovecot.log
disable_plaintext_auth = no
auth_failure_delay = 0
auth_cache_size = 1M
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:~/Maildir
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 1000
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%n
}}
service pop3-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener pop3s {{
    address = 127.0.0.1
    port = {tls_port}
    ssl = yes
  }}
}}
service pop3 {{
  process_min_avail = 2
  process_limit = 512
  service_count = 0
  client_limit = 1
}}
"""


def missing_postfix():
    """Why Postfix cannot be measured here, or None."""
    if not os.path.exists("/usr/sbin/postfix"):
        return "Postfix is not installed (tools/setup --bench)"
    return None if os.getuid() == 0 else "Postfix has to be started by root"


def missing_dovecot():
    if not os.path.exists("/usr/sbin/dovecot") or not os.path.exists("/usr/lib/dovecot/pop3"):
        return "Dovecot is not installed (tools/setup --bench)"
    return None if os.getuid() == 0 else "Dovecot has to be started by root"


class Postfix:
    def __init__(self, group, folder, port):
        self.port = port
        owner = pwd.getpwnam("postfix")
        for name in ("queue", "data", "etc"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        os.chown(os.path.join(folder, "data"), owner.pw_uid, -1)
        for parent in (folder, os.path.join(folder, "queue"), os.path.join(folder, "etc")):
            os.chmod(parent, 0o755)
        write(folder, "etc/main.cf", POSTFIX_MAIN.format(folder=folder))
        write(folder, "etc/master.cf", POSTFIX_MASTER.format(port=port))
        etc = os.path.join(folder, "etc")
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": etc}
        subprocess.run(["/usr/sbin/postfix", "-c", etc, "check"], env=env, stderr=subprocess.DEVNULL, check=True)
        # The master itself and not "postfix start-fg", which leaves our process group, and with it our watchdog.
        self.child = group.start("postfix", ["/usr/lib/postfix/sbin/master", "-d", "-c", etc], env)
        wait_for_port(port, self.child, group)


class Dovecot:
    user, password = "bench", "bench"

    def __init__(self, group, folder, port, tls_port, certificate, key, messages):
        """messages: raw octets; they become the one user's maildir."""
        self.port, self.tls_port = port, tls_port
        owner = pwd.getpwnam("mail")
        # Its processes look at the certificate as root, at the mail as its owner.
        shutil.copy(certificate, os.path.join(folder, "leaf.pem"))
        shutil.copy(key, os.path.join(folder, "leaf.key"))
        write(folder, "users", f"{self.user}:{{PLAIN}}{self.password}\n")
        maildir = os.path.join(folder, "home", self.user, "Maildir")
        for name in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(maildir, name))
        for number, raw in enumerate(messages):
            with open(os.path.join(maildir, "cur", f"{1700000000 + number}.M{number}.bench,S={len(raw)}:2,"), "wb") as file:
                file.write(raw)
        for at, folders, files in os.walk(os.path.join(folder, "home")):
            for name in [at] + [os.path.join(at, file) for file in folders + files]:
                os.chown(name, owner.pw_uid, owner.pw_gid)
        os.chmod(folder, 0o755)
        write(folder, "dovecot.conf", DOVECOT.format(
            folder=folder, port=port, tls_port=tls_port, certificate=os.path.join(folder, "leaf.pem"),
            key=os.path.join(folder, "leaf.key"), uid=owner.pw_uid, gid=owner.pw_gid))
        self.child = group.start("dovecot", ["/usr/sbin/dovecot", "-c", os.path.join(folder, "dovecot.conf"), "-F"],
                                 {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        wait_for_port(port, self.child, group)
        wait_for_port(tls_port, self.child, group)


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)

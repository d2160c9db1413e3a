# SPDX-License-Identifier: GPL-3.0-or-later
"""The Worker as a test sees it: its management API, its JMAP, and the door mail comes in by."""
import http.client
import json
import urllib.parse

API = "/api/v1/"


class WorkerError(Exception):
    """An answer that is no success; `status` and `body` tell which."""

    def __init__(self, status, body):
        super().__init__(f"the Worker answered {status}: {body[:300]}")
        self.status, self.body = status, body


class Worker:
    """Speaks to one Worker by HTTP. Every call is a connection of its own, so threads may share it."""

    def __init__(self, url, inbound_url):
        self.url, self.inbound_url = url, inbound_url

    def request(self, method, target, body=None, token=None, headers=None, timeout=60):
        """Returns (status, headers, octets); `target` is a path here or an absolute URL of this Worker."""
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(self.url, target))
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = "Bearer " + token
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        try:
            connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def api(self, method, path, body=None, token=None):
        """One call of the management API; returns the decoded answer, None for an empty one."""
        status, _, answer = self.request(method, API + path, body, token)
        if status >= 300:
            raise WorkerError(status, answer.decode(errors="replace"))
        return json.loads(answer) if answer else None

    # Users

    def set_up(self, secret, address, password):
        """Makes the first administrator."""
        return self.api("POST", "setup", {"secret": secret, "address": address, "password": password})

    def sign_in(self, address, password, name="sandbox"):
        """Returns a token for the person who has this password."""
        return self.api("POST", "sign-in", {"address": address, "password": password, "name": name})["token"]

    def add_user(self, token, address, password):
        return self.api("POST", "users", {"address": address, "password": password}, token)

    # Mail from outside

    def inbound(self, to, raw, sender="somebody@elsewhere.test", timeout=120):
        """Drives email() with one message; returns (status, text): 200 stored, 400 refused, 503 try later."""
        query = urllib.parse.urlencode({"from": sender, "to": to})
        status, _, answer = self.request("POST", f"{self.inbound_url}?{query}", raw,
                                         headers={"Content-Type": "message/rfc822"}, timeout=timeout)
        return status, answer.decode(errors="replace")

    # JMAP

    def session(self, token):
        status, headers, answer = self.request("GET", "/.well-known/jmap", token=token)
        if status in (301, 302, 307, 308):
            status, headers, answer = self.request("GET", headers["Location"], token=token)
        if status != 200:
            raise WorkerError(status, answer.decode(errors="replace"))
        return json.loads(answer)

    def jmap(self, token, *calls):
        """Makes method calls, each (name, arguments); the account id is filled in. Returns the responses."""
        session = self.session(token)
        account = session["primaryAccounts"]["urn:ietf:params:jmap:mail"]
        using = ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail", "urn:ietf:params:jmap:submission"]
        method_calls = [[name, {"accountId": account, **arguments}, str(i)] for i, (name, arguments) in enumerate(calls)]
        status, _, answer = self.request("POST", session["apiUrl"], {"using": using, "methodCalls": method_calls}, token)
        if status != 200:
            raise WorkerError(status, answer.decode(errors="replace"))
        return [(name, arguments) for name, arguments, _ in json.loads(answer)["methodResponses"]]

    def emails(self, token, role=None):
        """Every message of the mailbox, or of the folder with a role, oldest first, as JMAP objects."""
        condition = {}
        if role:
            boxes = self.jmap(token, ("Mailbox/get", {"ids": None}))[0][1]["list"]
            condition = {"filter": {"inMailbox": next(box["id"] for box in boxes if box["role"] == role)}}
        query = {**condition, "sort": [{"property": "receivedAt", "isAscending": True}]}
        properties = ["id", "blobId", "size", "subject", "mailboxIds", "keywords", "receivedAt"]
        got = []
        while True:  # the server gives a page at a time
            page = {**query, "position": len(got), "limit": 200}
            ids = self.jmap(token, ("Email/query", page))[0][1]["ids"]
            if not ids:
                return got
            got += self.jmap(token, ("Email/get", {"ids": ids, "properties": properties}))[0][1]["list"]

    def count(self, token):
        """How many messages the whole mailbox has."""
        return self.jmap(token, ("Email/query", {"limit": 1, "calculateTotal": True}))[0][1]["total"]

    def download(self, token, blob, span=None):
        """The octets of a blob; `span` is an HTTP Range such as "bytes=0-9"."""
        session = self.session(token)
        account = session["primaryAccounts"]["urn:ietf:params:jmap:mail"]
        target = session["downloadUrl"]
        for name, value in (("accountId", account), ("blobId", blob), ("type", "message/rfc822"), ("name", "m.eml")):
            target = target.replace("{" + name + "}", urllib.parse.quote(value, safe=""))
        status, _, answer = self.request("GET", target, token=token, headers={"Range": span} if span else None)
        if status not in (200, 206):
            raise WorkerError(status, answer.decode(errors="replace"))
        return answer

"""A GitHub of one repository, written from GitHub's public documentation alone.

It knows nothing of the program it is there to test: it serves the REST operations of the way from an
issue to a pull request, git over smart HTTP (by git's own http-backend), and sends signed webhooks.
Its answers are as lean as the documentation allows, and they carry keys that nobody knows.

    python3 github.py DIR

writes DIR/app.pem and DIR/webhook.secret, prints one line of JSON that says where it listens, then
obeys one JSON object a line from standard input, answering each with one line:

    {"do": "issue", "webhook": URL, "title": …, "body": …, "label": …}
    {"do": "comment", "webhook": URL, "number": …, "body": …}
    {"do": "merge", "webhook": URL, "number": …}
    {"do": "state"}
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OWNER, NAME = "octo", "greeter"
REPO_ID, INSTALLATION, APP_ID, SLUG = 598_114_027, 44_190_113, 901_227, "rehearsal"
PEOPLE = {"octo": 583_231, "ada": 1_024_025, SLUG + "[bot]": 150_663_211}
# Who may do what; anybody may read.
ROLES = {"octo": "admin", "ada": "write"}
APP_PERMISSIONS = {
    "checks": "write", "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write",
}
FILES = {
    ".github/prova.toml": ("100644", 'checks = ["./greet.sh"]\n'),
    "greet.sh": ("100755", '#!/bin/sh\necho "Helo, world"\n'),
    "old.txt": ("100644", "to be removed\n"),
}


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


# ---- RSA, since the standard library has none ---------------------------------------------------

SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def prime(bits):
    while True:
        n = secrets.randbits(bits) | 3 << (bits - 2) | 1
        if (n - 1) % 65537 and all(n % p for p in SMALL_PRIMES) and all(pow(a, n - 1, n) == 1 for a in (2, 3, 5, 7)):
            return n


def der(tag, content):
    size = len(content)
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = bytes([size]) if size < 128 else bytes([0x80 | len(digits)]) + digits
    return bytes([tag]) + length + content


def generate_key():
    """Returns the modulus, and the private key in PKCS#1 PEM, as GitHub hands keys out."""
    p, q, e = prime(1024), prime(1024), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    encoded = der(0x30, b"".join(der(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers))
    text = base64.encodebytes(encoded).decode()
    return p * q, f"-----BEGIN RSA PRIVATE KEY-----\n{text}-----END RSA PRIVATE KEY-----\n"


def unpad64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check_jwt(token, modulus):
    """Accepts what GitHub accepts as an App's signature: RS256, not of the future, ten minutes at most."""
    try:
        header, payload, signature = token.split(".")
        algorithm, claims = json.loads(unpad64(header))["alg"], json.loads(unpad64(payload))
    except (ValueError, KeyError) as error:
        raise Refused(401, "A JSON web token could not be decoded") from error
    now = time.time()
    if algorithm != "RS256" or str(claims["iss"]) != str(APP_ID):
        raise Refused(401, "'Issuer' claim ('iss') must be an Integer or a String")
    if not (claims["iat"] <= now + 5 and now < claims["exp"] <= now + 600):
        raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420")
    padded = digest_info + hashlib.sha256(f"{header}.{payload}".encode()).digest()
    padded = b"\0\1" + b"\xff" * (256 - 3 - len(padded)) + b"\0" + padded
    if pow(int.from_bytes(unpad64(signature), "big"), 65537, modulus) != int.from_bytes(padded, "big"):
        raise Refused(401, "A JSON web token could not be verified")


# ---- the state ----------------------------------------------------------------------------------

class GitHub:
    def __init__(self, directory):
        self.lock = threading.RLock()
        self.repo = os.path.join(directory, "git", OWNER, NAME + ".git")
        self.issues, self.comments, self.reactions, self.checks = {}, {}, [], []
        self.tokens, self.requests, self.complaints = {}, [], []
        self.ids, self.number = 7_000, 40
        self.modulus, pem = generate_key()
        self.secret = secrets.token_hex(16)
        for name, text in (("app.pem", pem), ("webhook.secret", self.secret)):
            with open(os.open(os.path.join(directory, name), os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                file.write(text)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", self.repo, at=None)
        self.git("config", "http.receivepack", "false")
        entries = [{"path": path, "mode": mode, "content": text} for path, (mode, text) in FILES.items()]
        self.git("update-ref", "refs/heads/main", self.commit(self.tree(None, entries), [], "First"))

    def git(self, *args, at="", stdin=b"", env=None):
        where = [] if at is None else ["-C", self.repo]
        clean = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"}
        done = subprocess.run(["git", *where, *args], input=stdin, capture_output=True, env={**clean, **(env or {})})
        if done.returncode != 0:
            raise Refused(422, done.stderr.decode(errors="replace").strip())
        return done.stdout.decode(errors="replace").rstrip("\n")

    def tree(self, base, entries):
        with tempfile.TemporaryDirectory() as scratch:
            env = {"GIT_INDEX_FILE": os.path.join(scratch, "index")}
            if base:
                self.git("read-tree", base, env=env)
            lines = []
            for entry in entries:
                sha = entry.get("sha")
                if "content" in entry:
                    sha = self.git("hash-object", "-w", "--stdin", stdin=entry["content"].encode())
                # Mode 0 takes a path out of the index.
                mode, sha = (entry["mode"], sha) if sha else ("0", "0" * 40)
                lines.append(f"{mode} {sha}\t{entry['path']}\0")
            self.git("update-index", "-z", "--index-info", stdin="".join(lines).encode(), env=env)
            return self.git("write-tree", env=env)

    def commit(self, tree, parents, message):
        bot = {"NAME": SLUG + "[bot]", "EMAIL": f"{PEOPLE[SLUG + '[bot]']}+{SLUG}[bot]@users.noreply.github.com"}
        env = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in bot.items()}
        parents = [word for parent in parents for word in ("-p", parent)]
        return self.git("commit-tree", tree, *parents, stdin=message.encode(), env=env)

    def branch(self, name):
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{name}^{{commit}}")
        except Refused:
            return None

    def next_id(self):
        self.ids += 1
        return self.ids


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# What the documentation calls optional is left out, and a key that no client knows is in everything.
UNKNOWN = {"x_not_documented_yet": {"nested": [1, None]}}


def user(login):
    kind = "Bot" if login.endswith("[bot]") else "User"
    return {"type": kind, "site_admin": False, "id": PEOPLE[login], "login": login, **UNKNOWN}


def repository():
    return {
        **UNKNOWN, "private": True, "default_branch": "main", "owner": user(OWNER), "name": NAME,
        "full_name": f"{OWNER}/{NAME}", "id": REPO_ID,
    }


def issue_json(issue):
    shown = {
        **UNKNOWN, "comments": issue["comments"], "state": issue["state"], "user": user(issue["author"]),
        "labels": [{"name": name, "id": 5} for name in issue["labels"]], "title": issue["title"],
        "body": issue["body"], "number": issue["number"], "id": issue["id"], "created_at": issue["at"],
        "updated_at": now(), "author_association": "COLLABORATOR",
    }
    return {**shown, "pull_request": {"url": "https://example.invalid/"}} if "head" in issue else shown


def comment_json(comment):
    return {
        "user": user(comment["author"]), "body": comment["body"], "updated_at": now(), "created_at": comment["at"],
        "id": comment["id"], "author_association": "NONE", **UNKNOWN,
    }


def pull_json(pull, hub):
    head = {"sha": hub.branch(pull["head"]), "ref": pull["head"], "repo": repository()}
    return {**issue_json(pull), "draft": pull["draft"], "head": head, "base": {"ref": pull["base"]}, "merged": pull["state"] == "closed"}


# ---- the REST API -------------------------------------------------------------------------------

ROUTES = []
APP = "signed by the App"


def route(method, path, needs):
    """Registers an operation, with its path as the documentation writes it and what it demands."""
    pattern = re.escape(path).replace(r"\{path\}", "(?P<path>.+)")
    pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern) + "$")

    def register(handler):
        ROUTES.append((method, pattern, needs, handler))
        return handler
    return register


HERE = "/repos/{owner}/{repo}"


@route("GET", "/app", APP)
def get_app(hub, _):
    events = ["issues", "issue_comment", "pull_request", "pull_request_review", "repository"]
    return 200, {**UNKNOWN, "events": events, "permissions": APP_PERMISSIONS, "name": "Rehearsal", "slug": SLUG, "id": APP_ID}


@route("POST", "/app/installations/{installation_id}/access_tokens", APP)
def create_token(hub, given):
    if int(given["installation_id"]) != INSTALLATION:
        raise Refused(404, "Not Found")
    wished, repos = given.get("permissions", APP_PERMISSIONS), given.get("repository_ids", [REPO_ID])
    if repos != [REPO_ID] or any(APP_PERMISSIONS.get(name) not in (level, "write") for name, level in wished.items()):
        raise Refused(422, "The permissions requested are not granted to this installation.")
    token = "ghs_" + secrets.token_urlsafe(27)
    hub.tokens[token] = {"metadata": "read", **wished}
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    return 201, {"permissions": hub.tokens[token], "expires_at": expires, "token": token, **UNKNOWN}


@route("GET", "/app/hook/deliveries", APP)
def list_deliveries(hub, _):
    return 200, []


@route("GET", "/app/installations", APP)
def list_installations(hub, _):
    return 200, [{"account": user(OWNER), "id": INSTALLATION, **UNKNOWN}]


@route("GET", "/installation/repositories", "metadata:read")
def list_repositories(hub, _):
    return 200, {"repositories": [{**repository(), "open_issues_count": len(hub.issues)}], "total_count": 1}


@route("GET", HERE + "/issues", "issues:read")
def list_issues(hub, given):
    return 200, [issue_json(one) for one in hub.issues.values() if one["state"] == given.get("state", "open")]


@route("GET", HERE + "/issues/{issue_number}/events", "issues:read")
def list_issue_events(hub, given):
    issue = hub.issues[int(given["issue_number"])]
    acts = [{"event": "labeled", "label": {"name": name, "color": "ededed"}} for name in issue["labels"]]
    return 200, [{**act, "id": n, "actor": user(issue["author"]), "created_at": issue["at"]} for n, act in enumerate(acts)]


@route("GET", HERE + "/contents/{path}", "contents:read")
def get_content(hub, given):
    try:
        sha = hub.git("rev-parse", "--verify", "--quiet", f"main:{given['path']}")
    except Refused as absent:
        raise Refused(404, "Not Found") from absent
    content = base64.encodebytes(hub.git("cat-file", "blob", sha).encode() + b"\n").decode()
    return 200, {"sha": sha, "content": content, "encoding": "base64", "path": given["path"], "type": "file", **UNKNOWN}


@route("GET", HERE + "/collaborators/{username}/permission", "metadata:read")
def get_permission(hub, given):
    role = ROLES.get(given["username"], "read")
    return 200, {"role_name": role, "permission": role, "user": user(given["username"]), **UNKNOWN}


@route("GET", HERE + "/issues/{issue_number}", "issues:read")
def get_issue(hub, given):
    return 200, issue_json(hub.issues[int(given["issue_number"])])


@route("GET", HERE + "/issues/{issue_number}/comments", "issues:read")
def list_comments(hub, given):
    number = int(given["issue_number"])
    return 200, [comment_json(one) for one in hub.comments.values() if one["number"] == number]


@route("POST", HERE + "/issues/{issue_number}/comments", "issues:write")
def create_comment(hub, given, author=SLUG + "[bot]"):
    issue, identity = hub.issues[int(given["issue_number"])], hub.next_id()
    issue["comments"] += 1
    hub.comments[identity] = {"id": identity, "number": issue["number"], "author": author, "body": given["body"], "at": now()}
    return 201, comment_json(hub.comments[identity])


@route("PATCH", HERE + "/issues/comments/{comment_id}", "issues:write")
def update_comment(hub, given):
    comment = hub.comments[int(given["comment_id"])]
    comment["body"] = given["body"]
    return 200, comment_json(comment)


def react(hub, place, content):
    if content not in ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"):
        raise Refused(422, "Validation Failed")
    is_new = (place, content) not in hub.reactions
    if is_new:
        hub.reactions.append((place, content))
    return (201 if is_new else 200), {"content": content, "user": user(SLUG + "[bot]"), "id": 1, **UNKNOWN}


@route("POST", HERE + "/issues/{issue_number}/reactions", "issues:write")
def react_to_issue(hub, given):
    return react(hub, f"issue {given['issue_number']}", given["content"])


@route("POST", HERE + "/issues/comments/{comment_id}/reactions", "issues:write")
def react_to_comment(hub, given):
    return react(hub, f"comment on {hub.comments[int(given['comment_id'])]['number']}", given["content"])


@route("POST", HERE + "/git/blobs", "contents:write")
def create_blob(hub, given):
    content = base64.b64decode(given["content"]) if given.get("encoding") == "base64" else given["content"].encode()
    return 201, {"sha": hub.git("hash-object", "-w", "--stdin", stdin=content), "url": "", **UNKNOWN}


@route("POST", HERE + "/git/trees", "contents:write")
def create_tree(hub, given):
    return 201, {"truncated": False, "tree": [], "sha": hub.tree(given.get("base_tree"), given["tree"]), **UNKNOWN}


@route("POST", HERE + "/git/commits", "contents:write")
def create_commit(hub, given):
    sha = hub.commit(given["tree"], given.get("parents", []), given["message"])
    signed = "author" not in given and "committer" not in given
    return 201, {"verification": {"verified": signed}, "tree": {"sha": given["tree"]}, "sha": sha, **UNKNOWN}


@route("GET", HERE + "/git/ref/heads/{path}", "contents:read")
def get_ref(hub, given):
    if hub.branch(given["path"]) is None:
        raise Refused(404, "Not Found")
    return 200, {"object": {"sha": hub.branch(given["path"]), "type": "commit"}, "ref": f"refs/heads/{given['path']}"}


@route("POST", HERE + "/git/refs", "contents:write")
def create_ref(hub, given):
    if hub.branch(given["ref"].removeprefix("refs/heads/")):
        raise Refused(422, "Reference already exists")
    hub.git("update-ref", given["ref"], given["sha"], "0" * 40)
    return 201, {"object": {"sha": given["sha"], "type": "commit"}, "ref": given["ref"], **UNKNOWN}


@route("PATCH", HERE + "/git/refs/heads/{path}", "contents:write")
def update_ref(hub, given):
    before = hub.branch(given["path"])
    if not given.get("force"):
        try:
            hub.git("merge-base", "--is-ancestor", before, given["sha"])
        except Refused as diverged:
            raise Refused(422, "Update is not a fast forward") from diverged
    hub.git("update-ref", f"refs/heads/{given['path']}", given["sha"], before)
    return 200, {"object": {"sha": given["sha"], "type": "commit"}, "ref": f"refs/heads/{given['path']}"}


@route("GET", HERE + "/pulls", "pull_requests:read")
def list_pulls(hub, given):
    pulls = [one for one in hub.issues.values() if "head" in one and one["state"] == "open"]
    return 200, [pull_json(one, hub) for one in pulls if given.get("head", f"{OWNER}:{one['head']}") == f"{OWNER}:{one['head']}"]


@route("POST", HERE + "/pulls", "pull_requests:write")
def create_pull(hub, given):
    if any(one.get("head") == given["head"] and one["state"] == "open" for one in hub.issues.values()):
        raise Refused(422, f"A pull request already exists for {OWNER}:{given['head']}.")
    if not hub.branch(given["head"]) or not hub.branch(given["base"]):
        raise Refused(422, "Validation Failed")
    hub.number += 1
    issue = new_issue(hub, SLUG + "[bot]", given["title"], given.get("body", ""), [])
    issue.update(head=given["head"], base=given["base"], draft=given.get("draft", False))
    return 201, pull_json(issue, hub)


@route("POST", HERE + "/check-runs", "checks:write")
def create_check(hub, given):
    check = {key: value for key, value in given.items() if key not in ("owner", "repo")}
    hub.checks.append({**check, "id": hub.next_id()})
    return 201, {**hub.checks[-1], "app": {"id": APP_ID}, **UNKNOWN}


@route("GET", HERE + "/commits/{ref}/check-runs", "checks:read")
def list_checks(hub, given):
    found = [{**one, "app": {"id": APP_ID}} for one in hub.checks if one["head_sha"] == given["ref"]]
    return 200, {"check_runs": found, "total_count": len(found)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        try:
            if path.startswith("/api/v3/"):
                with self.hub.lock:
                    status, answer = self.rest(path.removeprefix("/api/v3"), query, body)
            else:
                return self.smart_http(path, query, body)
        except Refused as refused:
            status, answer = refused.status, {"message": refused.message, "documentation_url": "https://docs.github.com/rest"}
            self.hub.complaints.append(f"{self.command} {self.path}: {status} {refused.message}")
        self.hub.requests.append(f"{self.command} {path} {status}")
        self.reply(status, [("Content-Type", "application/json; charset=utf-8")], json.dumps(answer).encode())

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

    def rest(self, path, query, body):
        if not self.headers.get("User-Agent"):
            raise Refused(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header")
        if self.headers.get("X-GitHub-Api-Version", "2022-11-28") not in ("2022-11-28", "2026-03-10"):
            raise Refused(400, "The API version is not supported")
        for method, pattern, needs, handler in ROUTES:
            found = pattern.match(path)
            if method == self.command and found:
                self.authorize(needs)
                given = {key: urllib.parse.unquote(value) for key, value in found.groupdict().items()}
                if given.get("owner", OWNER) != OWNER or given.get("repo", NAME) != NAME:
                    raise Refused(404, "Not Found")
                given.update(urllib.parse.parse_qsl(query))
                given.update(json.loads(body) if body else {})
                try:
                    return handler(self.hub, given)
                except KeyError as missing:
                    raise Refused(422, f"Validation Failed: {missing}") from missing
        raise Refused(404, "Not Found")

    def authorize(self, needs):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if needs == APP:
            return check_jwt(token if scheme == "Bearer" else "", self.hub.modulus)
        name, level = needs.split(":")
        granted = self.hub.tokens.get(token if scheme in ("Bearer", "token") else "")
        if granted is None:
            raise Refused(401, "Bad credentials")
        if granted.get(name) not in (level, "write"):
            raise Refused(403, "Resource not accessible by integration")
        return None

    def smart_http(self, path, query, body):
        """Git's own CGI program; a private repository wants a token that may read its contents."""
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        token = base64.b64decode(given).decode().partition(":")[2] if scheme == "Basic" else given
        if self.hub.tokens.get(token, {}).get("contents") is None:
            return self.reply(401, [("WWW-Authenticate", 'Basic realm="GitHub"')], b"")
        self.hub.requests.append(f"{self.command} {path} git")
        env = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": os.path.dirname(os.path.dirname(self.hub.repo)),
            "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }
        out = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=env).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().splitlines()]
        status = next((int(value[:3]) for name, value in headers if name == "Status"), 200)
        return self.reply(status, [(name, value) for name, value in headers if name != "Status"], content)

    def reply(self, status, headers, content):
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(content)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


# ---- people -------------------------------------------------------------------------------------

def new_issue(hub, author, title, body, labels):
    issue = {
        "id": hub.next_id(), "number": hub.number, "author": author, "title": title, "body": body,
        "labels": labels, "state": "open", "comments": 0, "at": now(),
    }
    hub.issues[hub.number] = issue
    return issue


def send(hub, url, event, payload):
    payload = {**payload, "repository": repository(), "installation": {"id": INSTALLATION}, **UNKNOWN}
    body = json.dumps(payload).encode()
    signature = "sha256=" + hmac.new(hub.secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/0000000", "X-GitHub-Event": event,
        "X-GitHub-Delivery": str(uuid.uuid4()), "X-Hub-Signature-256": signature,
    }
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        return answer.status


def obey(hub, order):
    match_do = order["do"]
    if match_do == "issue":
        with hub.lock:
            hub.number += 1
            issue = new_issue(hub, "ada", order["title"], order["body"], [order["label"]])
            shown = issue_json(issue)
        events = [{"action": "opened", "issue": shown, "sender": user("ada")}]
        events.append({**events[0], "action": "labeled", "label": {"name": order["label"], "id": 5}})
        return {"number": issue["number"], "answers": [send(hub, order["webhook"], "issues", one) for one in events]}
    if match_do == "comment":
        with hub.lock:
            _, comment = create_comment(hub, {"issue_number": order["number"], "body": order["body"]}, "ada")
            issue = issue_json(hub.issues[order["number"]])
        event = {"action": "created", "issue": issue, "comment": comment, "sender": user("ada")}
        return {"answers": [send(hub, order["webhook"], "issue_comment", event)]}
    if match_do == "merge":
        with hub.lock:
            pull = hub.issues[order["number"]]
            pull["state"] = "closed"
            event = {"action": "closed", "pull_request": pull_json(pull, hub), "sender": user("octo")}
        return {"answers": [send(hub, order["webhook"], "pull_request", event)]}
    with hub.lock:
        pulls = [{**one, "commit": show(hub, one["head"])} for one in hub.issues.values() if "head" in one]
        return {
            "pulls": pulls, "comments": list(hub.comments.values()), "checks": hub.checks, "reactions": hub.reactions,
            "requests": hub.requests, "complaints": hub.complaints,
        }


def show(hub, branch):
    """What a person sees of the last commit of a branch."""
    names = hub.git("ls-tree", "-r", "--format=%(objectmode) %(path)", branch).splitlines()
    files = {line[7:]: [line[:6], hub.git("show", f"{branch}:{line[7:]}")] for line in names}
    message = hub.git("log", "-1", "--format=%B", branch)
    trailers = hub.git("interpret-trailers", "--parse", stdin=message.encode()).splitlines()
    return {"sha": hub.branch(branch), "message": message, "trailers": trailers, "files": files,
            "count": int(hub.git("rev-list", "--count", f"main..{branch}"))}


def main():
    hub = Handler.hub = GitHub(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_address[1]}"
    print(json.dumps({"web_url": origin, "api_url": origin + "/api/v3", "app_id": APP_ID}), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(hub, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

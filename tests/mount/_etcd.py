# SPDX-License-Identifier: GPL-3.0-or-later
"""An etcd for a test: one member or several, on this machine only.

    etcd = Etcd(folder, members=3)
    etcd.address("share")       what `camlock mount --registry` is told
    etcd.members[0].kill()      SIGKILL; .start() again with what it had
    etcd.members[1].freeze()    it answers nobody, and nobody notices; .thaw()

Deaf stands before a member, whose answers can be lost on their way.

Keys is what is in one of them, below a prefix, read and written by HTTP. Secrets
is a file as CAMLOCK_ETCD names it; Authority makes certificates to go with it.

As a program it runs a command with one, for tests/mount/camtest.py:

    python3 tests/mount/_etcd.py tests/run mount/checkout
"""

import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def encode(text):
    return base64.b64encode(os.fsencode(text)).decode()


def decode(text):
    return os.fsdecode(base64.b64decode(text or ""))


class Secrets:
    """Those of a file, by name; {} without one."""

    def __init__(self, file=None):
        self.values = {}
        if file:
            with open(file, encoding="utf-8") as lines:
                self.values = dict(map(str.strip, line.split("=", 1)) for line in lines
                                   if "=" in line and line[0] != "#")

    def context(self):
        """As whom TLS knows us."""
        context = ssl.create_default_context(cafile=self.values.get("ca"))
        if "cert" in self.values:
            context.load_cert_chain(self.values["cert"], self.values.get("key"))
        return context


class Authority:
    """Signs certificates: NAME.pem and NAME.key in a folder."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        os.makedirs(folder, exist_ok=True)
        self.openssl("req", "-x509", *self.new_key(name), "-subj", "/CN=authority", "-days", "9",
                     "-out", name + ".pem")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True,
                       stdin=subprocess.DEVNULL, capture_output=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def new_key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", name + ".key")

    def sign(self, name, days=9, subject=None, uses="serverAuth,clientAuth"):
        """A new one, or in the place of an old one."""
        with open(self.path(name + ".ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName=IP:127.0.0.1\nextendedKeyUsage={uses}\n")
        new = name + ".new"
        self.openssl("req", "-new", *self.new_key(new), "-subj", subject or "/CN=" + name,
                     "-out", name + ".csr")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", self.name + ".pem", "-CAkey",
                     self.name + ".key", "-CAcreateserial", "-days", str(days),
                     "-extfile", name + ".ext", "-out", new + ".pem")
        for kind in ".key", ".pem":
            os.rename(self.path(new + kind), self.path(name + kind))


class Keys:
    """Asks any of the members until one answers."""

    def __init__(self, urls, prefix, secrets=None):
        self.urls = list(urls)
        self.prefix = prefix
        self.secrets = secrets or Secrets()
        self.token = None

    def send(self, what, question):
        request = urllib.request.Request(f"{self.urls[0]}/v3/{what}", json.dumps(question).encode())
        if self.token:
            request.add_header("Authorization", self.token)
        context = self.secrets.context() if self.urls[0].startswith("https:") else None
        with urllib.request.urlopen(request, timeout=2, context=context) as answer:
            return json.load(answer)

    def log_in(self):
        user, password = map(self.secrets.values.get, ("user", "password"))
        if user and not self.token:
            self.token = self.send("auth/authenticate", {"name": user, "password": password})["token"]

    def ask(self, what, question, seconds=10):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.log_in()
                return self.send(what, question)
            except (OSError, urllib.error.URLError, ValueError):
                self.token = None
                self.urls.append(self.urls.pop(0))
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def read(self, below):
        """{key: value} of all that begins so."""
        start = self.prefix + "/" + below
        answer = self.ask("kv/range", {"key": encode(start), "range_end": encode(
            start[:-1] + chr(ord(start[-1]) + 1))})
        return {decode(kv["key"])[len(start):]: decode(kv.get("value"))
                for kv in answer.get("kvs", [])}

    def latest(self):
        """The revision of the last change of a value."""
        answer = self.ask("kv/range", {
            "key": encode(self.prefix + "/"), "range_end": encode(self.prefix + "0"), "limit": 1,
            "sort_target": "MOD", "sort_order": "DESCEND", "keys_only": True})
        return [int(kv["mod_revision"]) for kv in answer.get("kvs", [])]

    def write(self, key, value):
        self.ask("kv/put", {"key": encode(f"{self.prefix}/{key}"), "value": encode(value)})

    def write_many(self, values):
        """{key: value}, a hundred at once."""
        values = list(values.items())
        for i in range(0, len(values), 100):
            self.ask("kv/txn", {"success": [
                {"request_put": {"key": encode(f"{self.prefix}/{key}"), "value": encode(value)}}
                for key, value in values[i:i + 100]]})

    def remove(self, key):
        self.ask("kv/deleterange", {"key": encode(f"{self.prefix}/{key}")})

    def compact(self):
        revision = self.ask("kv/range", {"key": encode("x")})["header"]["revision"]
        self.ask("kv/compaction", {"revision": revision, "physical": True})


class Member:
    def __init__(self, folder, name, ports, options, scheme):
        self.folder = os.path.join(folder, name)
        self.name = name
        self.scheme = scheme
        self.client, self.peer = ports
        self.options = options
        self.process = None

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.client}"

    def peer_url(self):
        return f"http://127.0.0.1:{self.peer}"

    def start(self, cluster):
        with open(self.folder + ".log", "ab") as log:
            self.process = subprocess.Popen(
                ["etcd", "--name", self.name, "--data-dir", self.folder,
                 "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                 "--listen-peer-urls", self.peer_url(),
                 "--initial-advertise-peer-urls", self.peer_url(),
                 "--initial-cluster", cluster, "--initial-cluster-token", os.path.dirname(self.folder),
                 *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={k: v for k, v in os.environ.items() if not k.startswith("ETCD")})

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class Etcd:
    """`authority`: with TLS, by its certificate "server", for who has one of it."""

    def __init__(self, folder, members=1, options=(), wait=True, authority=None, secrets=None):
        if not shutil.which("etcd"):
            raise FileNotFoundError("etcd: Debian's etcd-server is not installed")
        self.folder = os.path.join(folder, "etcd")
        os.mkdir(self.folder, 0o700)
        ports = free_ports(2 * members)
        # a member that is late because the machine is busy is not gone
        options = ("--heartbeat-interval", "100", "--election-timeout", "1000", *options)
        if authority:
            options = ("--cert-file", authority.path("server.pem"),
                       "--key-file", authority.path("server.key"), "--client-cert-auth",
                       "--trusted-ca-file", authority.path(authority.name + ".pem"), *options)
        self.secrets = Secrets(secrets)
        self.scheme = "https" if authority else "http"
        self.members = [Member(self.folder, f"m{i}", ports[2 * i:2 * i + 2], options, self.scheme)
                        for i in range(members)]
        self.start()
        if wait:
            self.wait()

    @property
    def cluster(self):
        return ",".join(f"{m.name}={m.peer_url()}" for m in self.members)

    def start(self):
        for member in self.members:
            member.start(self.cluster)

    def restart(self):
        for member in self.members:
            member.kill()
        self.start()

    def wait(self, seconds=30):
        """Until it can be written to, by way of every member."""
        for member in self.members:
            Keys([member.url], "", self.secrets).ask(
                "kv/put", {"key": encode("x"), "value": ""}, seconds)

    def leader(self):
        for member in self.members:
            status = Keys([member.url], "", self.secrets).ask("maintenance/status", {})
            if status.get("leader") == status["header"]["member_id"]:
                return member
        return None

    @property
    def hosts(self):
        hosts = ",".join(f"127.0.0.1:{m.client}" for m in self.members)
        return f"{self.scheme.replace('http', 'etcd')}://{hosts}"

    def address(self, prefix):
        return f"{self.hosts}/{prefix}"

    def keys(self, prefix):
        return Keys([m.url for m in self.members], prefix, self.secrets)

    def end(self):
        for member in self.members:
            member.thaw()
            member.kill()


class Deaf:
    """Hands everything on to a member; while `deaf`, its answers end the connection."""

    def __init__(self, port):
        self.to, self.deaf = port, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            for pair in (near, far, False), (far, near, True):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, target, answers):
        try:
            while data := source.recv(65536):
                if answers and self.deaf:
                    break
                target.sendall(data)
        except OSError:
            pass
        for one in source, target:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)


def keys_of(address):
    """Those of an address as a mount is told it, which has the same secrets."""
    scheme, _, rest = address.partition("://")
    hosts, _, prefix = rest.partition("/")
    return Keys([f"{scheme.replace('etcd', 'http')}://{host}" for host in hosts.split(",")], prefix,
                Secrets(os.environ.get("CAMLOCK_ETCD")))


def run_with_one(command):
    with tempfile.TemporaryDirectory(
            prefix="camlock-etcd.", dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        etcd = Etcd(folder)
        try:
            address = etcd.address("test").rsplit("/", 1)[0]
            return subprocess.run(command, check=False,
                                  env=dict(os.environ, CAMTEST_REGISTRY=address)).returncode
        finally:
            etcd.end()


if __name__ == "__main__":
    sys.exit(run_with_one(sys.argv[1:]))

# SPDX-License-Identifier: GPL-3.0-or-later
"""A Samba server that exports a mount, and the Windows machines that use it.

The test runs in a network of its own, in which nothing but it can be reached:
smbd listens on its usual port there, on every address, and each machine has an
address and a name. The server's configuration, users and state are the test's
own; /etc/samba is neither read nor written.

    server = camsmb.Server(place, mount)
    pc = server.client("games", "PC-MILL-3")
    handle = pc.open("part.nc", WRITE)
    violates(other.open, "part.nc", WRITE)

A Client is one connection, and so has an smbd of its own: his seat. It is a
process, as a Person is, and what it is refused is raised as a Status. What the
library has no call for, smbclient does (Client.command), which connects anew.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import camtest
from camtest import check, wait_for
from samba import NTSTATUSError, credentials, ntstatus
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

MACHINES = {"PC-MILL-3": "10.9.0.3", "PC-LATHE-1": "10.9.0.4", "PC-OFFICE": "10.9.0.5"}
SHARE = "cam"
PASSWORD = "secret"

WRITE_ONLY = 0x120116
READ, WRITE, APPEND, DELETE, ATTRIBUTES = 0x120089, 0x12019f, 0x100004, 0x110080, 0x100180
EXECUTE = 0x20
SUPERSEDE, OPEN, CREATE, OPEN_IF, OVERWRITE, OVERWRITE_IF = range(6)
SHARE_ALL, SHARE_READ = 7, 1  # with the first smbd itself refuses nobody
ALL_KINDS = 0x37  # of what is listed, hidden or not

NAMES = {value: name for name, value in vars(ntstatus).items() if name.startswith("NT_STATUS_")}


class Status(Exception):
    """What the server answered, by its name."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


def answers(status, function, *arguments, **options):
    """Checks that the client is told exactly that."""
    what = f"{getattr(function, '__name__', function)}{arguments}"
    try:
        result = function(*arguments, **options)
    except Status as got:
        check(got.name == status, f"{what} must be answered {status}, got {got.name}")
        return
    raise AssertionError(f"{what} must be answered {status}, returned {result!r}")


def violates(function, *arguments, **options):
    answers("NT_STATUS_SHARING_VIOLATION", function, *arguments, **options)


# ---- machines ----

class Machine(camtest.Abilities):
    """What a client can do. Paths are below the exported folder."""

    def __init__(self, server, user, address, share=SHARE):
        self.server, self.user, self.address, self.share = server, user, address, share

    def unix_uid(self):
        return pwd.getpwnam(self.user).pw_uid

    def unix_gid(self):
        return pwd.getpwnam(self.user).pw_gid

    def connect(self):
        # what it loads holds for the whole process
        lp = param.get_context()
        lp.load(str(self.server.folder / "client.conf"))
        creds = credentials.Credentials()
        creds.guess(lp)
        creds.set_username(self.user)
        creds.set_password(PASSWORD)
        creds.set_kerberos_state(credentials.DONT_USE_KERBEROS)
        for attempt in range(3):
            try:
                self.connection = libsmb.Conn(self.address, self.share, lp, creds)
                return
            except NTSTATUSError:  # of a busy machine: even "no memory" is one
                if attempt == 2:
                    raise

    def open(self, name, access=READ, disposition=OPEN, attributes=0, share=SHARE_ALL):
        return self.connection.create(name, DesiredAccess=access, ShareAccess=share,
                                      CreateDisposition=disposition, FileAttributes=attributes)

    def save(self, name, content, disposition=OVERWRITE_IF):
        handle = self.open(name, WRITE, disposition)
        self.connection.write(handle, content, 0)
        self.connection.close(handle)

    def load(self, name):
        handle = self.open(name)
        try:
            return self.connection.read(handle, 0, 1 << 16)
        finally:
            self.connection.close(handle)

    def delete_by_handle(self, name):
        handle = self.open(name, DELETE)
        try:
            self.connection.delete_on_close(handle, True)
        finally:
            self.connection.close(handle)

    def names(self, folder):
        return sorted(entry["name"] for entry in self.connection.list(folder, attribs=ALL_KINDS)
                      if entry["name"] not in (".", ".."))

    def smbclient(self, *lines):
        """A connection, and so a seat, of its own. Returns how it ended, what it
        said, and all statuses in that."""
        done = subprocess.run(
            ["smbclient", "-s", self.server.folder / "client.conf", f"//{self.address}/{self.share}",
             "-U", f"{self.user}%{PASSWORD}", "-c", ";".join(lines)],
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120)
        return (done.returncode, done.stdout,
                [word.rstrip(":,.") for word in done.stdout.split()
                 if word.startswith("NT_STATUS_")])

    def statuses(self, *lines):
        """What smbclient is told of commands that all fail."""
        return self.smbclient(*lines)[2]

    def command(self, line):
        exit_status, said, statuses = self.smbclient(line)
        if statuses:
            raise Status(statuses[0])
        check(exit_status == 0, f"smbclient {line!r}:\n{said}")
        return said


class Translated:
    """A machine, whose every function raises a Status."""

    def __init__(self, machine):
        self.machine = machine

    def __getattr__(self, name):
        function = getattr(self.machine, name, None) or getattr(self.machine.connection, name)

        def call(*arguments, **options):
            try:
                return function(*arguments, **options)
            except NTSTATUSError as error:
                code = error.args[0] & 0xffffffff
                raise Status(NAMES.get(code, hex(code))) from None
        return call


class Client(camtest.Person):
    def __init__(self, server, user, machine):
        self.machine = Machine(server, user, MACHINES[machine])
        super().__init__(0, app="client")
        self.user = f"{user} at {machine}"

    def abilities(self):
        return Translated(self.machine)


# ---- the server ----

CLIENT_CONF = """[global]
  workgroup = SHOP
  log file = {folder}/log/client
  private dir = {folder}/private
  lock directory = {folder}/client
  state directory = {folder}/client
  cache directory = {folder}/client
"""

SERVER_CONF = """[global]
  workgroup = SHOP
  netbios name = CAMTEST
  server role = standalone server
  disable netbios = yes
  smb ports = 445
  lock directory = {folder}/lock
  state directory = {folder}/state
  cache directory = {folder}/cache
  private dir = {folder}/private
  pid directory = {folder}/pid
  ncalrpc dir = {folder}/ncalrpc
  log file = {folder}/log/smbd
  log level = 1
  passdb backend = tdbsam:{folder}/private/passdb.tdb
  # by names, not addresses, are machines known
  hostname lookups = yes
  load printers = no
  printing = bsd
  printcap name = /dev/null
  rpc_server:default = disabled
"""
EXPORT = Path(__file__).parent.parent.parent / "scripts/samba-export"


class Server:
    """smbd, with its users: those of passwd that are named. `more` makes further
    sections of the one for the mount."""

    def __init__(self, place, mount, users=("daemon", "games", "bin"), more=lambda section: ""):
        # a short name: its sockets are in there, and may have 107 bytes
        self.folder = Path(tempfile.mkdtemp(prefix="smb."))
        self.folder.chmod(0o755)  # as users, smbd looks there for who lives
        self.place = place
        for name in "lock", "state", "cache", "private", "pid", "ncalrpc", "log", "client":
            (self.folder / name).mkdir()
        self.conf = self.folder / "smb.conf"
        section = subprocess.run([EXPORT, SHARE, mount], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout
        self.conf.write_text(SERVER_CONF.format(folder=self.folder) + section + more(section))
        (self.folder / "client.conf").write_text(CLIENT_CONF.format(folder=self.folder))
        for user in users:
            self.add_user(user)
        self.start()
        place.at_end.append(self.stop)

    def add_user(self, user):
        subprocess.run(["smbpasswd", "-c", self.conf, "-a", "-s", user], check=True,
                       input=f"{PASSWORD}\n{PASSWORD}\n", text=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        with open(self.folder / "log/start", "ab") as log:
            # it makes a process group of its own, and ends that with itself
            self.process = subprocess.Popen(
                ["smbd", "-F", "-s", self.conf],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._listens, "smbd listens", 30)

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"smbd has ended with {self.process.returncode}:\n{self.log()}")
        with open("/proc/net/tcp", encoding="ascii") as file:
            return any(line.split()[1].endswith(":01BD") and line.split()[3] == "0A"
                       for line in list(file)[1:])

    def log(self):
        return "".join(path.read_text(errors="replace")[-4000:]
                       for path in (self.folder / "log").iterdir() if path.is_file())

    def client(self, user, machine="PC-MILL-3"):
        client = Client(self, user, machine)
        self.place.people.append(client)
        client.connect()
        return client

    def seats(self):
        """The smbd processes that serve a client, as {user name: [pid]}."""
        said = subprocess.run(["smbstatus", "-s", self.conf, "-p"], check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        seats = {}
        for line in said.splitlines():
            words = line.split()
            if len(words) > 3 and words[0].isdigit():
                seats.setdefault(words[1], []).append(int(words[0]))
        return seats

    def end(self, signum=signal.SIGTERM):
        """All of them: the children are gone when nobody has our folder's
        configuration on his command line."""
        self.process.send_signal(signum)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in self.children():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def restart(self, signum):
        self.end(signum)
        wait_for(lambda: not self.children(), "no smbd is left", 30)
        self.start()

    def stop(self):
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def children(self):
        mark = os.fsencode(self.conf)
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in line and line[0].startswith(b"smbd"):
                found.append(int(pid))
        return found


# ---- running ----

def make_network():
    """The address one connects to is the address one comes from."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    lines = ["127.0.0.1 localhost"]
    for name, address in MACHINES.items():
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
        lines.append(f"{address} {name}")
    with tempfile.NamedTemporaryFile("w") as hosts:
        os.chmod(hosts.name, 0o644)
        hosts.write("\n".join(lines) + "\n")
        hosts.flush()
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)


def main(both=False):
    camtest.own_namespace("--mount", "--net")
    make_network()
    camtest.main(both=both)

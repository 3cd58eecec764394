# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mount tests share: a share, mounts of it, and people who use them.

A test file defines functions `test_...(place)` and ends with

    camtest.main()              # each once, with kernel passthrough
    camtest.main(both=True)     # each with and without it

Each function gets a Place of its own: a share, whatever it mounts, whoever it
lets act there. When the function returns, the Place ends all people and all
mounts and checks what SEMANTICS 9 promises of a clean end.

A Person is a process of its own with another user's rights, which does one
thing after another on request, so that a story of two people reads as one:

    alice = place.person(21001)
    f = alice.open(mount / "part.nc", os.O_WRONLY)
    place.refused(bob, "open", mount / "part.nc", os.O_WRONLY)
    alice.close(f)

Nothing here sleeps to let something happen: wait_for() looks until it has, or
a deadline has passed.

With CAMTEST_REGISTRY in the environment, the address of an etcd, every Place has
its records there, below a prefix of its own. A test that is about locks.json
itself says so, and is left out then:

    @camtest.of_locks_json("what it is about")

or, of all tests in a file, camtest.main(of_locks_json="what they are about").

With CAMTEST_HOSTS=2 every Place has a second host (_hosts.py), with a mount of its
own of the same share, by the same options, at the same path. Whoever has an even
uid, as bob, sits there, and all others, as alice and root, here; a Mount is both
of them, and its log what both said. What that can't be is left out, with
@camtest.of_one_host("why"), or camtest.main(of_one_host="why").
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import pickle
import pwd
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import _etcd
from _hosts import Host, forget_other_tests, mount_points

REGISTRY = os.environ.get("CAMTEST_REGISTRY")
TWO_HOSTS = os.environ.get("CAMTEST_HOSTS") == "2"
CAMLOCK = os.environ.get("CAMLOCK", "/nonexistent/camlock")
HOST = socket.gethostname()
OTHER_HOST = "cam-08"
SKIPPED = 77

OURS = [".locks", ".locks.html"]  # in the root of every mount

ALICE, BOB, CAROL = 21001, 21002, 21003  # nobody in passwd has these

WRITE = os.O_WRONLY
APPEND = os.O_WRONLY | os.O_APPEND
TRUNCATE = os.O_WRONLY | os.O_TRUNC
CREATE = os.O_WRONLY | os.O_CREAT

# of a mount whose daemon is gone (core/deadmount.h)
DEAD = (errno.ENOTCONN, errno.ECONNABORTED, errno.ECANCELED)

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p


class Skip(Exception):
    """The machine can't do what the test is about; says what is missing."""


# ---- saying what should be ----

def check(condition, sentence):
    if not condition:
        raise AssertionError(sentence)


def equal(got, expected, sentence):
    check(got == expected, f"{sentence}\n  expected {expected!r}\n  got      {got!r}")


def matches(pattern, text, sentence):
    check(re.search(pattern, text, re.S), f"{sentence}\n  no {pattern!r} in\n{text}")


def fails(number, function, *arguments, **options):
    """Checks that the call fails with exactly that errno; returns the error."""
    number = number if isinstance(number, tuple) else (number,)
    names = " or ".join(errno.errorcode[n] for n in number)
    what = f"{getattr(function, '__name__', function)}{arguments}"
    try:
        result = function(*arguments, **options)
    except OSError as error:
        check(error.errno in number, f"{what} must fail with {names}, got {error!r}")
        return error
    raise AssertionError(f"{what} must fail with {names}, returned {result!r}")


def wait_for(condition, what, seconds=30, instead=lambda: None):
    """Looks until the condition holds, and returns what it returned; if it never does, says
    what was there instead."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {seconds} s; {instead() or ''}".rstrip("; "))
        time.sleep(0.002)


# ---- the share, as it is without a mount ----

class Share(type(Path())):
    """The shop's folder. Reads what camlock wrote with nothing but Python."""

    registry = None  # the address of an etcd, if the records are there

    @property
    def state(self):
        return Path(self) / ".camlock"

    @property
    def keys(self):
        return _etcd.keys_of(self.registry)

    @property
    def locks_json(self):
        return self.state / "locks.json"

    def records(self):
        """locks.json as a Python tool would load it; {} if missing or empty."""
        if self.registry:
            return {name: json.loads(text) for name, text in self.keys.read("locks/").items()}
        try:
            text = self.locks_json.read_text("utf-8")
        except FileNotFoundError:
            return {}
        return json.loads(text) if text else {}

    def whole(self):
        """The text of locks.json, or what it would be."""
        if self.registry:
            return subprocess.run([CAMLOCK, "status", "--format", "locks.json", str(self)],
                                  check=True, stdout=subprocess.PIPE).stdout
        return self.locks_json.read_bytes()

    def leases(self):
        """The ids of all mounts that were not seen to end."""
        if self.registry:
            return list(self.keys.read("instances/"))
        folder = self.state / "leases"
        return [name for name in os.listdir(folder) if name[0] != "."] if folder.is_dir() else []

    def mark_of_writing(self):
        """Another one after each change of a record."""
        if self.registry:
            return self.keys.latest()
        st = self.locks_json.stat()
        return st.st_ino, st.st_mtime_ns

    def dead_lease(self):
        """The lease of a mount of this machine that is not there any more."""
        lease = "x-0000000000000000"
        if self.registry:
            self.keys.write("stations/" + lease, json.dumps({
                "host": HOST, "machine": Path("/etc/machine-id").read_text().strip(),
                "boot": "before"}))
        return lease

    def remove_lease(self, lease):
        """Behind its mount's back."""
        if self.registry:
            self.keys.remove("instances/" + lease)
        else:
            (self.state / "leases" / lease).unlink()

    def wait_until_given_up(self, lease):
        """By another host than a dead mount's: where no kernel tells it that
        the mount is dead, it has to be silent for too long."""
        if self.registry:
            wait_for(lambda: lease not in self.leases(), "its lease has run out", 60)

    def record(self, name):
        return self.records().get(name)

    def history(self, event=None, path=None):
        try:
            lines = (self.state / "history.jsonl").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [line for line in map(json.loads, lines)
                if event in (None, line["event"]) and path in (None, line["path"])]

    def write_records(self, records, locked=False):
        """As a Python tool does, which may already hold the file lock."""
        if self.registry:
            for name in self.records().keys() - records.keys():
                self.keys.remove("locks/" + name)
            for name, record in records.items():
                self.keys.write("locks/" + name, json.dumps(record))
            return
        if not locked:
            self.state.mkdir(exist_ok=True)
            with FileLock(self):
                self.write_records(records, locked=True)
            return
        with open(self.locks_json, "w", encoding="utf-8") as file:
            json.dump(records, file, indent=4)

    def write_record(self, name, record):
        """As a Python tool does it with one of them; None removes it."""
        if self.registry and record is None:
            self.keys.remove("locks/" + name)
        elif self.registry:
            self.keys.write("locks/" + name, json.dumps(record))
        else:
            with FileLock(self):
                records = {**self.records(), name: record}
                if record is None:
                    del records[name]
                self.write_records(records, locked=True)

    def add(self, name, content=b"old\n", mode=0o666):
        """A document everybody may write."""
        path = Path(self) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def wait_until_free(self, name=None, seconds=30):
        """RELEASE comes after close() returned, so the record goes a moment later."""
        if name is None:
            wait_for(lambda: self.records() == {}, "locks.json ends as {}", seconds)
        else:
            wait_for(lambda: name not in self.records(), f"'{name}' is checked in", seconds)


class FileLock:
    """The file lock, as a Python tool takes it."""

    def __init__(self, share):
        self.path = str(share.locks_json) + ".lock"

    def __enter__(self):
        self.file = open(self.path, "ab")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def end(self):
        """Whoever has forked since can do that, too."""
        fcntl.flock(self.file, fcntl.LOCK_UN)

    def __exit__(self, *_):
        self.end()
        self.file.close()


class Frozen:
    """The only member of an etcd answers nobody."""

    def __init__(self, etcd):
        self.etcd = etcd

    def __enter__(self):
        self.etcd.members[0].freeze()

    def end(self):
        os.kill(self.etcd.members[0].process.pid, signal.SIGCONT)

    def __exit__(self, *_):
        self.end()


# ---- mounts ----

class Daemon:
    """A `camlock mount -f`, on one host."""

    def __init__(self, command, log_path, **options):
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self.log_from = log.tell()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, **options)

    def wait_until(self, answers, what):
        def look():
            status = self.process.poll()
            check(status is None,
                  f"camlock ended with {status} before it was mounted:\n{self.log()}")
            return answers()
        wait_for(look, what, 60)

    def log(self):
        with open(self.log_path, errors="backslashreplace") as file:
            file.seek(self.log_from)
            return file.read()

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def wait_end(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon does not end:\n{self.log()}") from None


class Mount(type(Path())):
    """A mount by `camlock mount -f`; also the path of its mount point. With a
    second host it is one on each."""

    daemons = ()

    def start(self, share, options=(), user=None, descriptors=None, host=None):
        self.started_with = share, options, user, descriptors, host
        self.killed = False
        limit = ["prlimit", f"--nofile={descriptors}:{descriptors}"] if descriptors else []
        there = ["unshare", "--uts", "sh", "-c", f'hostname {host} && exec "$@"', "sh"] \
            if host else []
        identity = {} if user is None else dict(user=user, group=user, extra_groups=[])
        command = [CAMLOCK, "mount", "-f",
                   *os.environ.get("CAMTEST_MOUNT_OPTIONS", "").split(), *options,
                   str(share), str(self)]
        self.daemons = [Daemon([*limit, *there, *command], str(self) + ".log", **identity)]
        self.daemons[0].wait_until(lambda: is_ours(self) if user is None  # only he may look into it
                                   else str(self) in mount_points(), f"'{self}' is mounted")
        if Host.second and user is None and host is None:
            self._start_there([*limit, *command])
        return self

    def _start_there(self, command):
        """Where the first one is seen as well, until the second takes its place."""
        there = Host.second
        subprocess.run(there.command("umount", "-l", self), check=True)
        self.daemons.append(Daemon(there.command(*command), f"{self}.{there.name}.log"))
        self.daemons[1].wait_until(lambda: is_ours(there.path(self)),
                                   f"'{self}' is mounted on {there.name}")

    def catch_up(self):
        """Waits until it shows what is recorded: an etcd tells of that a moment later."""
        share = self.started_with[0]

        def is_shown():
            shown = json.loads((self / ".locks/.camlock/locks.json").read_bytes())
            recorded = share.records()
            return shown.keys() == recorded.keys() - {""} and all(
                record in (None, recorded[name]) for name, record in shown.items())
        if share.registry:
            wait_for(is_shown, "the mount shows what is recorded")

    @property
    def process(self):
        return self.daemons[0].process

    @property
    def pid(self):
        return self.process.pid

    def cpu_seconds(self):
        """What it has worked so far: on a loaded machine the clock says little of
        what something costs."""
        return sum(daemon.cpu_seconds() for daemon in self.daemons)

    def log(self):
        return "".join(daemon.log() for daemon in self.daemons)

    def wait_log(self, pattern, seconds=30):
        return wait_for(lambda: re.search(pattern, self.log()),
                        f"the log says {pattern!r}", seconds)

    def kill(self):
        """The daemon dies without a chance to tidy up."""
        self.killed = True
        for daemon in self.daemons:
            daemon.kill()

    def terminate(self):
        for daemon in reversed(self.daemons):
            daemon.process.terminate()

    def umount(self):
        subprocess.run([CAMLOCK, "umount", str(self)], check=True)
        return self.wait_end()

    def wait_end(self, seconds=60):
        """The exit status of its daemon; of the first that did not end well, if any."""
        return next(filter(None, [daemon.wait_end(seconds) for daemon in self.daemons]), 0)

    def detach(self):
        subprocess.run(["umount", "-l", str(self)], stderr=subprocess.DEVNULL, check=False)


def is_ours(point):
    """Whether a mount of camlock answers there."""
    try:
        return os.stat(os.fspath(point / ".locks")).st_ino >> 63 == 1
    except OSError:
        return False


# ---- people ----

class Abilities:
    """What a Person can do beyond the functions of os."""

    def read_file(self, path):
        with open(path, "rb") as file:
            return file.read()

    def write_file(self, path, content):
        """In place, as `>` does it: truncate, write, close."""
        with open(path, "wb") as file:
            file.write(content)

    def exists(self, path):
        return os.path.lexists(path)

    def open_close(self, path, flags=WRITE, mode=0o666, times=1):
        for _ in range(times):
            os.close(os.open(path, flags, mode))

    def control(self, mount, *strings):
        """Asks the mount as the command line does (fs/control.h)."""
        fd = os.open(os.path.join(mount, ".locks/.camlock/control"), os.O_RDWR)
        try:
            os.write(fd, b"".join(os.fsencode(s) + b"\0" for s in strings))
            answer = b""
            while part := os.read(fd, 65536):
                answer += part
            return json.loads(answer)
        finally:
            os.close(fd)

    def camlock(self, *arguments):
        return self.command(CAMLOCK, *arguments)

    def command(self, *arguments):
        """Its exit status, and all it said."""
        done = subprocess.run([*map(os.fspath, arguments)], check=False, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, errors="surrogateescape")
        return done.returncode, done.stdout

    def timed(self, name, *arguments):
        """How a call ended, as errno or 0, and how many seconds it took."""
        start = time.monotonic()
        try:
            (getattr(self, name, None) or getattr(os, name))(*arguments)
            number = 0
        except OSError as error:
            number = error.errno
        return number, time.monotonic() - start

    def stat_of(self, path):
        st = os.lstat(path)
        return {name: getattr(st, name) for name in dir(st) if name.startswith("st_")}

    def show(self, path):
        """What `ls -l` would say, but for the times."""
        st = os.lstat(path)
        return oct(st.st_mode), st.st_uid, st.st_gid, st.st_nlink, st.st_size

    def show_fd(self, fd):
        st = os.fstat(fd)
        return oct(st.st_mode), st.st_uid, st.st_gid, st.st_nlink, st.st_size

    def renameat2(self, old, new, flags):
        if LIBC.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) < 0:
            raise OSError(ctypes.get_errno(), "renameat2")

    def link_what(self, path, new):
        """What a symlink leads to, such as /proc/self/fd/N; Python's link() never does."""
        if LIBC.linkat(-100, os.fsencode(path), -100, os.fsencode(new), 0x400) < 0:
            raise OSError(ctypes.get_errno(), "linkat")

    def fallocate(self, fd, mode, offset, length):
        if LIBC.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) < 0:
            raise OSError(ctypes.get_errno(), "fallocate")

    def write_direct(self, path, content):
        """With O_DIRECT, from an aligned buffer; returns what is read back so."""
        area = mmap.mmap(-1, len(content))
        area[:] = content
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o666)
        os.writev(fd, [area])
        os.fsync(fd)
        back = mmap.mmap(-1, len(content))
        os.preadv(fd, [back], 0)
        os.close(fd)
        return back[:]

    def run(self, *command):
        return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, cwd=".",
                              capture_output=True, text=True).stdout

    def map(self, fd, size):
        """Maps a file shared and writable, and keeps no descriptor for it, as
        Python's own mmap does."""
        address = LIBC.mmap(None, ctypes.c_size_t(size), mmap.PROT_READ | mmap.PROT_WRITE,
                            mmap.MAP_SHARED, fd, ctypes.c_long(0))
        if address == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "mmap")
        return address

    def poke(self, address, content):
        ctypes.memmove(address, content, len(content))

    def unmap(self, address, size):
        if LIBC.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size)) < 0:
            raise OSError(ctypes.get_errno(), "munmap")

    def child_inherits(self):
        """Forks a child that has all our descriptors and does nothing."""
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
        return pid

    def end_child(self, pid):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def start_child(self):
        """Forks a child that does what child() asks; returns its number."""
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            keep_only(theirs.fileno())
            serve(theirs, Abilities())
        theirs.close()
        self.children = getattr(self, "children", []) + [(ours, ours.makefile("rb"))]
        return len(self.children) - 1

    def child(self, number, name, *arguments):
        channel, reader = self.children[number]
        channel.sendall(pickle.dumps((name, arguments, {})))
        good, value = pickle.load(reader)
        if not good:
            raise value
        return value

    def flock(self, fd, how):
        fcntl.flock(fd, how)

    def flock_in_turn(self, path):
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
        return "had it"

    def lock_range(self, fd, command, kind, start, length):
        fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0))

    def interrupted(self, name, *arguments):
        """Says "interrupted" if a signal ends the wait: without a handler that
        raises, Python would repeat the call."""
        class Interrupted(Exception):
            pass

        def on_signal(_number, _frame):
            raise Interrupted

        signal.signal(signal.SIGUSR1, on_signal)
        try:
            return (getattr(self, name, None) or getattr(os, name))(*arguments)
        except Interrupted:
            return "interrupted"
        finally:
            signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def keep_only(fd):
    os.closerange(3, fd)
    os.closerange(fd + 1, 65536)


def serve(channel, abilities):
    """Does what is asked through a socket until that is closed."""
    requests = channel.makefile("rb")
    while True:
        try:
            name, arguments, options = pickle.load(requests)
        except EOFError:
            os._exit(0)
        try:
            function = getattr(abilities, name, None) or getattr(os, name)
            answer = (True, function(*arguments, **options))
        except Exception as error:  # pylint: disable=broad-except
            answer = (False, error)
        try:
            channel.sendall(pickle.dumps(answer))
        except (TypeError, AttributeError, pickle.PicklingError):
            channel.sendall(pickle.dumps((answer[0], None)))


def sits_there(uid):
    """On the second host, if there is one."""
    return Host.second and uid % 2 == 0 and uid != 0


def host_of(uid):
    return Host.second.name if sits_there(uid) else HOST


class Answer:
    """Of a request that is still being worked on."""

    def __init__(self, person):
        self.person = person

    def is_there(self):
        return self.person.has_answer(0)

    def get(self, seconds=30):
        check(self.person.has_answer(seconds), f"{self.person} answers within {seconds} s")
        return self.person.take_answer()


class Person:
    """A process with another user's rights. Whatever os can do it can do: the
    result comes back, and what was raised there is raised here."""

    def __init__(self, who, groups=None, app=None, gid=None, umask=0o022):
        entry = pwd.getpwnam(who) if isinstance(who, str) else None
        self.uid = entry.pw_uid if entry else who
        self.gid = gid if gid is not None else entry.pw_gid if entry else self.uid
        self.user = who if entry else str(who)
        self.host = host_of(self.uid)
        self.app = app or "person"
        self.socket, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._live(theirs, groups or [], umask)
            finally:
                os._exit(1)
        theirs.close()
        self.reader = self.socket.makefile("rb")

    def __str__(self):
        return f"user {self.user}"

    def abilities(self):
        return Abilities()

    def _live(self, channel, groups, umask):
        keep_only(channel.fileno())
        Path("/proc/self/comm").write_text(self.app)
        os.umask(umask)
        become(self.uid, self.gid, groups)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        serve(channel, self.abilities())

    def start(self, name, *arguments, **options):
        """Asks, and does not wait for the answer."""
        arguments = [os.fspath(a) if isinstance(a, Path) else a for a in arguments]
        self.socket.sendall(pickle.dumps((name, arguments, options)))
        return Answer(self)

    def has_answer(self, seconds):
        return self._buffered() or bool(select.select([self.socket], [], [], seconds)[0])

    def _buffered(self):
        self.socket.setblocking(False)
        try:
            return bool(self.reader.peek(1))
        except OSError:
            return False
        finally:
            self.socket.setblocking(True)

    def take_answer(self):
        good, value = pickle.load(self.reader)
        if not good:
            raise value
        return value

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def ask(*arguments, **options):
            return self.start(name, *arguments, **options).get(120)
        ask.__name__ = f"{self.user}.{name}"
        return ask

    def kill(self):
        """kill -9, and gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self):
        if self.pid:
            os.waitpid(self.pid, 0)
            self.pid = 0
        self.reader.close()
        self.socket.close()

    def end(self):
        if self.pid:
            self.kill()


def crowd(bodies):
    """Runs each function in a process of its own; returns what they returned.
    What goes wrong in one is raised here."""
    channels = []
    for body in bodies:
        receive, send = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(receive)
                try:
                    answer = (True, body())
                except BaseException:  # pylint: disable=broad-except
                    answer = (False, traceback.format_exc())
                with os.fdopen(send, "wb") as file:
                    pickle.dump(answer, file)
            finally:
                os._exit(0)
        os.close(send)
        channels.append((pid, receive))
    answers = []
    for pid, receive in channels:
        with os.fdopen(receive, "rb") as file:
            answers.append(pickle.load(file))
        os.waitpid(pid, 0)
    for good, value in answers:
        check(good, value)
    return [value for _, value in answers]


def overlaps(intervals):
    """Of (name, begin, end, owner) those pairs in which two owners had one name
    at a time. Sorted, an overlap is with the latest end so far."""
    found = []
    latest = None
    for now in sorted(intervals):
        if latest and latest[0] == now[0] and now[1] < latest[2] and latest[3] != now[3]:
            found.append((latest, now))
        if not latest or latest[0] != now[0] or now[2] > latest[2]:
            latest = now
    return found


def become(uid, gid=None, groups=()):
    """For crowd(): this process is that user from now on, where he sits."""
    if sits_there(uid):
        Host.second.join()
    os.setgroups(list(groups))
    os.setresgid(*[uid if gid is None else gid] * 3)
    os.setresuid(uid, uid, uid)


# ---- a place for one test ----

class Place:
    def __init__(self, folder, passthrough):
        self.folder = Path(folder)
        self.passthrough = passthrough
        self.share = Share(folder, "share")
        self.share.mkdir()
        self.share.chmod(0o777)
        if REGISTRY:
            self.share.registry = f"{REGISTRY}/{os.path.basename(folder)}"
        Host.second = Host(OTHER_HOST, folder, apart=not REGISTRY) if TWO_HOSTS else None
        self.mounts = []
        self.people = []
        self.at_end = []  # called last

    def mount(self, *options, at=None, share=None, user=None, passthrough=None,
              descriptors=None, host=None):
        """Mounts the share; options as of `camlock mount`. `descriptors`: how
        many the daemon may have. `host`: as on a host of that name."""
        if at is None:
            at = self.folder / f"mnt{len(self.mounts) or ''}"
            at.mkdir()
            if user is not None:
                os.chown(at, user, user)
        if not (self.passthrough if passthrough is None else passthrough):
            options = ("--no-passthrough", *options)
        share = share or self.share
        registry = getattr(share, "registry", None)
        if registry and "--registry" not in options:
            options = ("--registry", registry, *options)
        mount = Mount(at)
        self.mounts.append(mount)
        return mount.start(share, options, user, descriptors, host)

    def standstill(self):
        """To be asked for before the first mount; with it, nothing is decided:

            standstill = place.standstill()
            mount = place.mount()
            with standstill:
        """
        if not REGISTRY:
            return FileLock(self.share)
        etcd = _etcd.Etcd(self.folder)  # the other is for the tests beside this one, too
        self.at_end.append(etcd.end)
        self.share.registry = etcd.address("share")
        return Frozen(etcd)

    def person(self, who, **options):
        self.people.append(Person(who, **options))
        return self.people[-1]

    def two(self):
        """Two people who have nothing to do with each other."""
        return self.person(ALICE), self.person(BOB)

    def tidy(self):
        for person in self.people:
            person.end()
        for mount in self.mounts:
            mount.detach()
            try:
                mount.wait_end(5)
            except AssertionError:
                mount.kill()
        for function in reversed(self.at_end):
            function()
        if Host.second:
            Host.second.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def end(self):
        """After a test went well: everybody goes home, and nothing is left."""
        for person in self.people:
            person.end()
        for mount in self.mounts:
            for daemon in reversed(mount.daemons):
                if daemon.process.poll() is None:
                    daemon.process.terminate()
                    equal(daemon.wait_end(60), 0, "SIGTERM: the daemon drains what is open and "
                          f"ends well\n{daemon.log()}")
        if not self.share.state.is_dir():
            return
        left = [name for name, record in self.share.records().items()
                if isinstance(record, dict) and record.get("kind") == "open"]
        equal(left, [], "SIGTERM, unmount: no record is left")
        if any(mount.killed for mount in self.mounts):
            return  # what a dead one leaves behind waits for the next mount
        if self.share.registry:  # of one that was killed, once its lease has run out
            wait_for(lambda: not self.share.keys.read("").keys() - {
                "locks/" + name for name in self.share.records()},
                     "after a clean end nothing of the mounts is left", 90,
                     lambda: self.share.keys.read(""))
        leases = self.share.state / "leases"
        # a share that is FUSE itself hides what is deleted until it is closed
        wait_for(lambda: not leases.is_dir() or not os.listdir(leases),
                 "after a clean end no lease file is left")
        equal([name for name in os.listdir(self.share.state) if ".spare-" in name], [],
              "after a clean end no spare file is left")

    def show(self):
        """For whoever has to find out why a test failed."""
        for mount in self.mounts:
            for daemon in mount.daemons:
                for line in daemon.log().splitlines()[-8:]:
                    print(f"    {os.path.basename(daemon.log_path)}: {line}")


def refused(person, name, *arguments):
    """Checks that it fails with EBUSY: SEMANTICS 4."""
    return fails(errno.EBUSY, getattr(person, name), *arguments)


def appears(person, path):
    """What was made on another host is seen within `--cache-seconds`."""
    wait_for(lambda: person.exists(path), f"{person} sees '{path}'", 10)


# ---- running ----

def run_one(name, function, passthrough):
    folder = tempfile.mkdtemp(prefix=name + ".")
    os.chmod(folder, 0o755)
    place = Place(folder, passthrough)
    title = name if passthrough else name + " (no passthrough)"
    start = time.monotonic()
    try:
        function(place)
        place.end()
    except Skip as reason:
        print(f"skip {title}: {reason}", flush=True)
        return SKIPPED
    except BaseException as error:  # pylint: disable=broad-except
        print(f"FAIL {title}")
        traceback.print_exc(file=sys.stdout)
        place.show()
        if isinstance(error, KeyboardInterrupt):
            raise
        return 1
    finally:
        place.tidy()
    print(f"ok   {title}  {time.monotonic() - start:.1f} s", flush=True)
    return 0


def of_locks_json(what):
    """The test is about that, and means nothing with another engine."""
    return mark("of_locks_json", f"it is about locks.json: {what}")


NO_RECORD = "a scratch file has no record, so nobody else knows who can write to it"


def of_one_host(why):
    """The test means nothing with another host."""
    return mark("of_one_host", f"it is of one host: {why}")


def mark(name, why):
    def put(function):
        setattr(function, name, why)
        return function
    return put


def left_out(function):
    return (REGISTRY and getattr(function, "of_locks_json", None)
            or TWO_HOSTS and getattr(function, "of_one_host", None))


def check_machine():
    if os.geteuid() != 0:
        raise Skip("needs root, to act as several users")
    if not os.path.exists("/dev/fuse"):
        raise Skip("there is no /dev/fuse")
    check(os.access(CAMLOCK, os.X_OK), "CAMLOCK must name the camlock program: run tests/run")


def own_namespace(*kinds):
    """The test starts again, with these namespaces ("--mount") of its own."""
    here = os.readlink("/proc/self/ns/mnt")
    if "CAMTEST_NAMESPACE" not in os.environ:
        os.environ["CAMTEST_NAMESPACE"] = here
        command = [sys.executable, *sys.argv]
        if REGISTRY and "--net" in kinds:  # the other etcd can't be reached from there
            command = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh",
                       sys.executable, _etcd.__file__, *command]
        os.execvp("unshare", ["unshare", *kinds, *command])
    check(here != os.environ["CAMTEST_NAMESPACE"], "this is not the machine's own namespace")
    forget_other_tests()


def let_everybody_open_fuse():
    """Where no udev has made /dev/fuse everybody's, we do: for us and our
    children only, in a mount namespace of our own."""
    st = os.stat("/dev/fuse")
    if st.st_mode & 0o666 == 0o666:
        return
    own_namespace("--mount")
    node = os.path.join(tempfile.mkdtemp(prefix="fuse."), "fuse")
    os.mknod(node, 0o20666, st.st_rdev)
    os.chmod(node, 0o666)
    subprocess.run(["mount", "--bind", node, "/dev/fuse"], check=True)


def main(both=False, ordinary_users=False, **left_out_because):
    """Runs the caller's test functions, or those named on the command line."""
    names = vars(sys.modules["__main__"])
    tests = [(name, function) for name, function in names.items()
             if name.startswith("test_") and (not sys.argv[1:] or name in sys.argv[1:])]
    for name, function in tests:
        for mark_all, why in left_out_because.items():
            globals()[mark_all](why)(function)
        if left_out(function):
            print(f"left out {name}: {left_out(function)}")
    if tests and all(left_out(function) for _, function in tests):
        sys.exit(0)
    tests = [(name, function) for name, function in tests if not left_out(function)]
    try:
        check_machine()
        if ordinary_users:
            let_everybody_open_fuse()
    except Skip as reason:
        print(reason)
        sys.exit(SKIPPED)
    results = [run_one(name, function, passthrough)
               for passthrough in ((True, False) if both else (True,))
               for name, function in tests]
    if 1 in results or not results:
        sys.exit(1)
    if SKIPPED in results:  # a part that did not run is no pass
        print(f"{results.count(SKIPPED)} of {len(results)} parts were skipped, see above")
        sys.exit(SKIPPED)
    sys.exit(0)

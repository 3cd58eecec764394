# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows: each measures one kind of work on one subject and returns a rate.

A row whose ratio is not taken to the bare folder, but to something else, has
subjects of its own; see CheckoutRow.
"""

import json
import os
import subprocess
import time

import subjects
from subjects import Failure

OPS = os.path.join(os.path.dirname(subjects.CAMLOCK), "tests/bench/ops")


def start_ops(row, seconds, folder, user=None):
    return subprocess.Popen([OPS, row, str(seconds), folder], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, user=user, group=user,
                            extra_groups=None if user is None else [])


def rate_of(process, seconds):
    """Calls of one kind per second, measured by ops.c."""
    try:
        out, errors = process.communicate(timeout=60 + 10 * seconds)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise Failure(f"no end after {error.timeout:.0f} s") from error
    if process.returncode != 0:
        raise Failure(errors.strip() or f"exit status {process.returncode}")
    ops, spent = out.split()
    return int(ops) / float(spent)


def run_ops(row, seconds, folder, user=None):
    return rate_of(start_ops(row, seconds, folder, user), seconds)


def run_together(row, seconds, folders, users=None):
    """The sum of what several processes do at a time, each in its folder."""
    started = [start_ops(row, seconds, folder, user)
               for folder, user in zip(folders, users or [None] * len(folders))]
    failures, total = [], 0
    for process in started:  # all are waited for, whatever became of one
        try:
            total += rate_of(process, seconds)
        except Failure as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
    return total


class OpsRow:
    def __init__(self, name, title, size=0, data=False):
        self.name, self.title = name, title
        self.unit = "B/s" if size else "/s"
        self.size = size or 1
        self.data = data  # moves data: to be as fast as the bare folder

    def measure(self, subject, seconds):
        return self.size * run_ops(self.name, seconds, subject.root)


class TwoJobs(OpsRow):
    """Two processes do it at a time."""

    def __init__(self, name, title, size):
        super().__init__(name, title + ", two jobs", size, data=True)
        self.op, self.name = name, name + "-two"

    def measure(self, subject, seconds):
        folders = [subject.root, subject.root + "/second"]
        return self.size * run_together(self.op, seconds, folders)


class UserRow(OpsRow):
    """By somebody who owns nothing there, as most people at a share: of him the
    rights are checked that root and an owner have anyway."""

    def __init__(self, name, title):
        super().__init__(name, title + ", ordinary user")
        self.op, self.name = name, name + "-user"

    def measure(self, subject, seconds):
        return run_ops(self.op, seconds, subject.root, subjects.FIRST_UID)


class CrowdRow(OpsRow):
    """100 files are open for writing, by 8 users."""

    def __init__(self):
        super().__init__("write-4k-many", "4 KiB write, 100 files, 8 users", 4096, data=True)

    def measure(self, subject, seconds):
        users = range(subjects.USERS)
        return self.size * run_together(self.name, seconds,
                                        [f"{subject.root}/user{u}" for u in users],
                                        [subjects.FIRST_UID + u for u in users])


class FindRow:
    """find(1), made to look at every file's attributes."""

    unit = "files/s"
    data = False
    n_files = subjects.TREE_DIRS * subjects.TREE_FILES

    def __init__(self, name, title, cold):
        self.name, self.title, self.cold = name, title, cold

    def find(self, subject, repeat=1):
        tree = subject.root + "/tree"
        start = time.perf_counter()
        done = subprocess.run(["find", *[tree] * repeat, "-type", "f", "-size", "+1G"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0 or done.stdout:
            raise Failure((done.stderr or "find printed names").splitlines()[0])
        return repeat * self.n_files / (time.perf_counter() - start)

    def measure(self, subject, seconds):
        if self.cold:
            subject.unmount()
            subject.mount()
            return self.find(subject)
        warm = self.find(subject)
        return self.find(subject, max(1, int(seconds * warm / self.n_files)))


# ---- the checkout ----


def make_records(n):
    """Kept checkouts, as a Python tool writes them."""
    return {f"jobs/{i:05}/part.nc": {"user": "bob", "timestamp": "2026-01-31T08:15:00.123456+00:00",
                                     "message": "roughing pass"} for i in range(n)}


def write_records(path, n):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(make_records(n), file, indent=4)


def read_records(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class PythonWay:
    """Lock, load, change, dump: how it is done without a mount."""

    name = "python"
    note = "filelock, json.load, json.dump(indent=4)"

    def __init__(self, folder, n):
        self.records = folder + "/locks.json"
        write_records(self.records, n)

    @staticmethod
    def absent():
        try:
            import filelock  # noqa: F401
        except ImportError:
            return "there is no Python module 'filelock': scripts/install-packages bench"
        return None

    def mount(self):
        pass

    def unmount(self):
        pass

    def update(self, lock, change):
        with lock:
            records = read_records(self.records)
            change(records)
            with open(self.records, "w", encoding="utf-8") as file:
                json.dump(records, file, indent=4)

    def pairs(self, seconds):
        import filelock
        lock = filelock.FileLock(self.records + ".lock")
        record = {"user": "alice", "timestamp": "2026-01-31T08:15:00.123456+00:00", "message": ""}
        n, start = -1, 0  # the first pair warms up
        while n < 1 or time.perf_counter() - start < seconds:
            if n == 0:
                start = time.perf_counter()
            self.update(lock, lambda records: records.update(mine=record))
            self.update(lock, lambda records: records.pop("mine"))
            n += 1
        return n / (time.perf_counter() - start)


class CamlockWay(subjects.Camlock):
    """Open for writing and close: a checkout and a checkin."""

    note = "open for writing + close in a mount"

    def __init__(self, folder, n):
        super().__init__(folder)
        self.n = n
        self.records = self.share + "/.camlock/locks.json"
        write_records(self.records, n)
        os.makedirs(self.share + "/files")
        for i in range(1000):
            os.close(os.open(f"{self.share}/files/{i}", os.O_CREAT | os.O_WRONLY))

    def expect(self, n):
        """A checkin may come a moment after the close."""
        deadline = time.monotonic() + 2
        while len(found := read_records(self.records)) != n:
            if time.monotonic() > deadline:
                raise Failure(f"{len(found)} records in locks.json, not {n}")

    def mount(self):
        super().mount()
        with open(self.root + "/files/0", "r+", encoding="utf-8"):
            self.expect(self.n + 1)

    def pairs(self, seconds):
        rate = run_ops("open-write", seconds, self.root)
        self.expect(self.n)
        return rate


class CheckoutRow:
    unit = "pairs/s"
    data = False

    def __init__(self, n):
        self.n = n
        self.name, self.title = f"checkout-{n}", f"checkout + checkin, {n} records"

    def measure(self, subject, seconds):
        return subject.pairs(seconds)


DATA_ROWS = [
    OpsRow("write-1m", "1 MiB write", 1 << 20, data=True),
    OpsRow("read-1m", "1 MiB read", 1 << 20, data=True),
    OpsRow("write-4k", "4 KiB write, sequential", 4096, data=True),
    OpsRow("write-4k-random", "4 KiB write, random", 4096, data=True),
    OpsRow("read-4k-random", "4 KiB read, random", 4096, data=True),
    OpsRow("mmap-read", "mmap read", 1 << 20, data=True),
    TwoJobs("write-1m", "1 MiB write", 1 << 20),
    TwoJobs("read-1m", "1 MiB read", 1 << 20),
    TwoJobs("write-4k-random", "4 KiB write, random", 4096),
    TwoJobs("read-4k-random", "4 KiB read, random", 4096),
    CrowdRow(),
]
NAME_ROWS = [
    OpsRow("stat", "stat, known"),
    UserRow("stat", "stat, known"),
    OpsRow("missing", "missing name"),
    OpsRow("open-read", "open + close, reading"),
    UserRow("open-read", "open + close, reading"),
    OpsRow("open-write", "open + close, writing"),
    OpsRow("create-unlink", "create + unlink"),
    OpsRow("rename", "rename"),
    OpsRow("save", "save: truncate + 64 KiB"),
    FindRow("find-cold", "find, freshly mounted", cold=True),
    FindRow("find-warm", "find, again", cold=False),
]
CHECKOUT_ROWS = [CheckoutRow(n) for n in (0, 100, 1000, 10000)]
QUICK = {"write-1m", "read-1m", "write-4k", "mmap-read", "stat", "stat-user", "missing", "open-read", "open-write",
         "create-unlink", "rename", "save", "find-cold", "find-warm", "checkout-0", "checkout-1000"}
WAYS = [PythonWay, CamlockWay]

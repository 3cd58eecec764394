# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the command line share.

A test runs its functions named test_* in order, each in a folder of its own,
and says which of them failed:

    from _lib import *

    def test_something():
        share = make_share()
        expect(camlock("status", share), 0, out="nothing is checked out\\n")

    main()
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

CAMLOCK = os.environ.get("CAMLOCK", "camlock")
DONE, REFUSED, USAGE, TROUBLE = range(4)
OTHER_USER = 65534  # nobody

# By this our daemons are told from others.
if "TMPDIR" not in os.environ:
    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="camlock-test.", dir="/var/tmp")
    os.chmod(os.environ["TMPDIR"], 0o755)


class Skip(Exception):
    pass


def main():
    """Runs the test_* functions of the script, in the order they stand."""
    failed, skipped, ran = 0, [], 0
    for name, function in list(vars(sys.modules["__main__"]).items()):
        if not name.startswith("test_"):
            continue
        folder = tempfile.mkdtemp(prefix=name + ".")
        os.chmod(folder, 0o755)
        os.chdir(folder)
        try:
            function()
            ran += 1
        except Skip as reason:
            skipped.append(f"{name}: {reason}")
        except Exception:
            traceback.print_exc()
            print(f"failed: {name}", file=sys.stderr)
            failed += 1
    for line in skipped:
        print(line)
    sys.exit(1 if failed else 0 if ran else 77)


def run(*arguments, **options):
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE, "timeout": 60} | options
    result = subprocess.run(arguments, check=False, **options)
    for stream in "stdout", "stderr":
        data = getattr(result, stream)
        if data is not None:
            setattr(result, stream, data.decode(errors="surrogateescape"))
    return result


def camlock(*arguments, **options):
    return run(CAMLOCK, *arguments, **options)


def expect(result, status, out=None, err=None):
    """The exit status, and what must be found on the streams: all of it if it
    ends a line, else a part."""
    shown = f"{result.args} gave {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert result.returncode == status, f"expected {status}: {shown}"
    for want, got in (out, result.stdout), (err, result.stderr):
        if want is not None:
            assert want == got if want.endswith("\n") else want in got, f"expected {want!r}: {shown}"
    for line in (result.stderr or "").splitlines():
        assert line.startswith("camlock: ") and not line.endswith("."), f"ill-formed: {line!r}"
    if status != DONE:
        assert result.stderr, f"failed without a word: {shown}"
    return result


def make_share(records=None, name="share"):
    """A share that is not mounted."""
    os.makedirs(name + "/.camlock/leases", exist_ok=True)
    with open(name + "/.camlock/locks.json", "w", encoding="ascii") as file:
        json.dump(records or {}, file, indent=4)
    return os.path.realpath(name)


def record(user="alice", **fields):
    return {"user": user, "timestamp": "2026-11-23T15:58:35.123456+00:00",
            "message": "roughing pass"} | fields


def hold_lease(share, name):
    """Looks like a live mount, until the file it returns is closed."""
    file = open(f"{share}/.camlock/leases/{name}", "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def is_mounted(point):
    point = os.path.realpath(point)
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        return any(line.split()[4] == point and " fuse.camlock " in line for line in file)


def let_others_unmount():
    """In a new mount namespace: the mounts of tests beside us came along, and
    would not end as long as we have them."""
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        points = [line.split()[4] for line in file]
    for point in reversed(points):
        if "/camlock-test." in point:
            run("umount", "-l", point)


def need_mounts():
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Skip("/dev/fuse can't be opened")


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


@contextlib.contextmanager
def mounted(*options, share="share", point="mnt"):
    """A share under camlock; unmounted at the end, if the test hasn't."""
    need_mounts()
    os.makedirs(share, exist_ok=True)
    os.makedirs(point, exist_ok=True)
    point = os.path.realpath(point)
    others = daemons()
    expect(camlock("mount", *options, share, point), DONE, out="", err="")
    try:
        yield point
    finally:
        if is_mounted(point):
            run("umount", "-l", point)
        wait_for(lambda: set(daemons()) <= set(others))


def daemons():
    """The ids of the camlock daemons this test has started."""
    mark = b"TMPDIR=" + os.environ["TMPDIR"].encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ, open(f"/proc/{pid}/comm") as comm:
                if mark in environ.read().split(b"\0") and comm.read() == os.path.basename(CAMLOCK) + "\n":
                    found.append(int(pid))
        except OSError:
            pass
    return found


def kill_daemon(point):
    """The only one there is. Its mount stays behind, and is dead."""
    def is_dead():
        try:
            os.statvfs(point)
        except OSError as error:
            return error.errno == errno.ENOTCONN
        return False
    (pid,) = daemons()
    os.kill(pid, signal.SIGKILL)
    wait_for(is_dead)


def child_of(process):
    """Waits until it has forked."""
    def children():
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            return file.read().split()
    wait_for(children)
    return int(children()[0])


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def write(path, text="x\n"):
    with open(path, "w") as file:
        file.write(text)

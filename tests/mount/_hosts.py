# SPDX-License-Identifier: GPL-3.0-or-later
"""A second host, for a test that knows of one: other UTS, network and mount
namespaces, in which the share is mounted at the same path by a daemon of its own.

    host = Host("cam-08", folder)
    host.command("camlock", "mount", ...)   the command line to run it there
    host.path(mount / "part.nc")            how root sees that one from here
    host.join()                             this process is there from now on

What is mounted or unmounted below the folder here, is there, too; what is
mounted there is seen there only. It ends with the process that made it. If not
`apart` it has the network of this one."""

import ctypes
import os
import re
import subprocess
from pathlib import Path

NEW_MOUNTS, NEW_UTS, NEW_NET = 0x00020000, 0x04000000, 0x40000000  # sched.h

LIBC = ctypes.CDLL(None, use_errno=True)


def done_by(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), function.__name__)


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def mount_points():
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        return [re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4])
                for line in file]


def forget_other_tests(ours=None):
    """In new namespaces: the mounts of tests beside us came along, and would
    never end for us."""
    for point in reversed(mount_points()):
        if "/camlock-test." in point and not (ours and point.startswith(ours)):
            done = subprocess.run(["umount", "-l", point], check=False, text=True,
                                  stderr=subprocess.PIPE)
            # it went by itself, with its folder, when its own test ended
            if done.returncode != 0 and point in mount_points():
                raise AssertionError(done.stderr)


class Host:
    second = None  # that of the test that runs, if it has one

    def __init__(self, name, folder, apart=True):
        self.name = name
        self.folder = str(folder)
        self.kinds = NEW_MOUNTS | NEW_UTS | (NEW_NET if apart else 0)
        # what is mounted below a folder is seen elsewhere only if it is a mount itself
        mount("--bind", self.folder, self.folder)
        mount("--make-shared", self.folder)
        here, self.life = os.pipe()
        ready, said = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.life)
            try:
                self._begin()
                os.write(said, b"!")
                os.read(here, 1)
            finally:
                os._exit(0)
        os.close(here)
        os.close(said)
        begun = os.read(ready, 1)
        os.close(ready)
        if not begun:
            raise AssertionError(f"the host {name} did not begin")

    def _begin(self):
        done_by(LIBC.unshare, self.kinds)
        mount("--make-rslave", "/")
        forget_other_tests(self.folder)
        subprocess.run(["hostname", self.name], check=True)

    def command(self, *words):
        kinds = ["--mount", "--uts"] + ["--net"] * bool(self.kinds & NEW_NET)
        return ["nsenter", f"--target={self.pid}", *kinds, *words]

    def path(self, path):
        return Path(f"/proc/{self.pid}/root") / os.path.relpath(path, "/")

    def join(self):
        here = os.getcwd()
        fd = os.pidfd_open(self.pid)
        done_by(LIBC.setns, fd, self.kinds)
        os.close(fd)
        os.chdir(here)

    def end(self):
        os.close(self.life)
        os.waitpid(self.pid, 0)
        subprocess.run(["umount", "-l", self.folder], check=True)

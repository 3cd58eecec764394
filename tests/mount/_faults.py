# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests with strace share: making one of the daemon's calls fail."""

import errno
import shutil
import signal
import subprocess

from camtest import Skip, wait_for

ERRORS = "EIO", "ENOSPC", "EINTR", "ESTALE"
# On locks.json and its neighbours, or on the share. Not what serves the kernel
# (read and writev of /dev/fuse): without it there is no mount.
CALLS = ("openat", "openat2", "open_by_handle_at", "name_to_handle_at", "fstat", "newfstatat",
         "statx", "pwrite64", "ftruncate", "utimensat", "fchown", "fchmod", "fgetxattr",
         "renameat2", "renameat", "unlinkat", "flock", "fcntl", "fsync", "write")


class Strace:
    """Injects into a running daemon, until it is told to stop."""

    def __init__(self, place, mount, injection):
        self.log = place.folder / "strace.err"
        self.trace = place.folder / "strace.out"
        call = injection.split(":")[0]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["strace", "-f", "-o", str(self.trace), "-p", str(mount.pid),
                 "-e", "trace=" + call, "-e", "inject=" + injection],
                stdin=subprocess.DEVNULL, stderr=log)
        wait_for(self._attached, "strace attaches")

    def _attached(self):
        text = self.log.read_text()
        if self.process.poll() is not None:
            raise Skip(f"strace can't do this here: {text.strip()}")
        return " attached" in text

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)

    def has_injected(self):
        return "(INJECTED)" in self.trace.read_text(errors="replace")


def need_strace():
    if not shutil.which("strace"):
        raise Skip("strace is missing")


def attempt(person, name, *arguments):
    """The result, or the error number as a string."""
    try:
        return getattr(person, name)(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: the bare folder, camlock, and other FUSE file systems.

Each subject has a share of its own with the same content, so that none sees
another's changes; `data`, which is only read, is one file with a hard link in
each, so that all find it in the same pages of the page cache.
"""

import os
import re
import shutil
import subprocess
import time

SRCDIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
CAMLOCK = os.path.abspath(os.environ.get("CAMLOCK", SRCDIR + "/build/camlock"))
LIBFUSE = SRCDIR + "/build/libfuse"
DATA_SIZE = 32 << 20  # as in ops.c
TREE_DIRS, TREE_FILES = 100, 100
USERS, USER_FILES = 8, 100 // 8 + 1  # 100 files and a few
FIRST_UID = 23000
LONG = "86400"  # the seconds passthrough_hp lets names and attributes be cached
PATIENCE = 20  # seconds for a mount to come or go


class Failure(Exception):
    """Something could not be measured; the text says why."""


def is_mounted(path):
    """Also if the daemon is gone, when os.path.ismount() says no."""
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        points = (line.split()[4] for line in file)
        return any(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point) == path
                   for point in points)


def make_files(share, names, mode=0o644):
    for name in names:
        os.makedirs(os.path.dirname(f"{share}/{name}"), exist_ok=True)
        fd = os.open(f"{share}/{name}", os.O_CREAT | os.O_WRONLY)
        os.fchmod(fd, mode)
        os.close(fd)


def fill_share(share, data, tree=True):
    make_files(share, [f"files/{i}" for i in range(1000)] + ["second/files/0"])
    make_files(share, [f"user{u}/files/{i}" for u in range(USERS) for i in range(USER_FILES)], 0o666)
    if tree:
        make_files(share, [f"tree/{i}/{j}" for i in range(TREE_DIRS) for j in range(TREE_FILES)])
    for name in "data", "second/data":
        os.link(data, f"{share}/{name}")


def make_data(path):
    with open(path, "wb") as file:
        for _ in range(DATA_SIZE >> 20):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())


class Parameter:
    """Of a module of the kernel."""

    def __init__(self, path):
        self.path = "/sys/module/" + path

    def read(self):
        try:
            with open(self.path, encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            return None

    def write(self, value):
        with open(self.path, "w", encoding="ascii") as file:
            file.write(value)


ENABLE_URING = Parameter("fuse/parameters/enable_uring")


class Native:
    name = "native"
    note = "the bare folder"
    needed = None  # the program

    def __init__(self, folder):
        self.share = os.path.join(folder, "share")
        self.root = self.share
        os.makedirs(self.share)

    @classmethod
    def absent(cls):
        """Why it can't be measured here, or None."""
        if cls.needed and not shutil.which(cls.needed):
            return f"there is no '{cls.needed}'"
        return None

    def mount(self):
        pass

    def unmount(self):
        pass


class Fuse(Native):
    arguments = ()  # between the program and SHARE MOUNTPOINT
    daemon = None
    package = "scripts/install-packages bench"

    @classmethod
    def absent(cls):
        missing = super().absent()
        return missing and f"{missing}: {cls.package}"

    def __init__(self, folder):
        super().__init__(folder)
        self.root = os.path.join(folder, "mnt")
        self.log = os.path.join(folder, "log")
        os.makedirs(self.root)

    def command(self):
        return [self.needed, *self.arguments, self.share, self.root]

    def mount(self):
        with open(self.log, "ab") as log:
            # a session of its own: ^C is for us, who then unmount
            self.daemon = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while not is_mounted(self.root):
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"{self.name} did not mount: {self.last_words()}")
            time.sleep(0.002)

    def last_words(self):
        with open(self.log, errors="replace") as log:
            return (log.read().strip().splitlines() or ["it said nothing"])[-1]

    def unmount(self):
        if not self.daemon:
            return
        umount = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
        deadline = time.monotonic() + PATIENCE
        while is_mounted(self.root) and time.monotonic() < deadline:
            subprocess.run([*umount, self.root], stderr=subprocess.DEVNULL, check=False)
            time.sleep(0.002)
        if is_mounted(self.root):  # whoever uses it hangs
            self.daemon.kill()
            subprocess.run([umount[0], "-l" if len(umount) == 1 else "-uz", self.root], check=False)
        try:
            self.daemon.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None


class Camlock(Fuse):
    name = "camlock"
    note = f"--cache-seconds {LONG}, as passthrough_hp has it; --keep-versions 0, as nobody else has any"
    needed = CAMLOCK
    arguments = ("mount", "-f", "--cache-seconds", LONG, "--keep-versions", "0", "--io-uring", "off")


class CamlockPlain(Camlock):
    name = "camlock-plain"
    note = "the same with --no-passthrough"
    arguments = (*Camlock.arguments, "--no-passthrough")


class CamlockRing(Camlock):
    name = "camlock-ring"
    note = "the same as camlock with --io-uring on"
    arguments = (*Camlock.arguments[:-1], "on")

    @classmethod
    def absent(cls):
        return super().absent() or (None if ENABLE_URING.read() == "Y" else
                                    "the kernel has io_uring off: bench --enable-io-uring")


class PassthroughHp(Fuse):
    name = "passthrough_hp"
    note = "libfuse's example, as shipped; others may use it"
    needed = LIBFUSE + "/bin/passthrough_hp"
    arguments = ("--foreground", "-o", "allow_other")
    package = "scripts/libfuse builds it with its own libfuse only"


class PassthroughLl(PassthroughHp):
    name = "passthrough_ll"
    note = "libfuse's example, with what it may cache; others may use it"
    needed = LIBFUSE + "/bin/passthrough_ll"

    def command(self):
        return [self.needed, "-f", "-o", f"source={self.share},cache=always,allow_other", self.root]


class Mergerfs(Fuse):
    name = "mergerfs"
    note = "Debian's, as shipped"
    needed = "mergerfs"
    arguments = ("-f", "-o", "allow_other")


class FuseOverlayfs(Fuse):
    name = "fuse-overlayfs"
    note = "Debian's, the share as its upper folder"
    needed = "fuse-overlayfs"

    def command(self):
        folders = {"lowerdir": self.root + "-lower", "workdir": self.root + "-work"}
        for folder in folders.values():
            os.makedirs(folder, exist_ok=True)
        options = ",".join(f"{k}={v}" for k, v in folders.items())
        return [self.needed, "-f", "-o", f"{options},upperdir={self.share},allow_other", self.root]


class Bindfs(Fuse):
    name = "bindfs"
    note = "Debian's, as shipped"
    needed = "bindfs"
    arguments = ("-f",)


# In the order of the columns; another file system is another class.
SUBJECTS = [Native, Camlock, CamlockRing, CamlockPlain, PassthroughHp, PassthroughLl, Bindfs,
            Mergerfs, FuseOverlayfs]
ON_OTHERS = [Native, Camlock, PassthroughHp]
QUICK = [Native, Camlock, CamlockRing, PassthroughHp, Bindfs]


class Image:
    """A file system of its own in a file, for rows on other file systems."""

    MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"],
            "btrfs": ["mkfs.btrfs", "-q", "-f"], "tmpfs": None}

    def __init__(self, kind, folder):
        self.kind, self.root = kind, f"{folder}/{kind}"
        os.makedirs(self.root)

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{self.kind}: {' '.join(command)}: {done.stderr.strip()}")

    def mount(self):
        make = self.MAKE[self.kind]
        if not make:
            self.run("mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", self.root)
            return
        if not shutil.which(make[0]):
            raise Failure(f"there is no '{make[0]}': {Fuse.package}")
        image = self.root + ".img"
        with open(image, "wb") as file:
            file.truncate(2 << 30)
        self.run(*make, image)
        self.run("mount", "-o", "loop", image, self.root)

    def unmount(self):
        if is_mounted(self.root):
            self.run("umount", self.root)

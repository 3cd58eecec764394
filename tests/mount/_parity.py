# SPDX-License-Identifier: GPL-3.0-or-later
"""The same operations on a mount and on a bare folder of the same file system.

A case is a pair of Python texts: what root puts into an empty folder of the
case's own, and the steps that are then taken in it:

    ("f('a'); d('b', 0o1777)", "rename('a', 'b/a'); fd = open('b/a', WRONLY)")

Each caller takes them natively and through the mount, each time in a fresh
folder that belongs to the owner and his group and has mode 0775. Compared are
what each step returned or its errno, and then all that can be seen of the
folder and what is below it: kind, mode, owner, group, links, size, content,
extended attributes, and which times are new. The folder is looked at before,
too, so that what the mount shows afterwards must not be what it showed then.

A step may use whatever os has, the constants and the Tools below. A step that
fails is no end: the others follow, with -1 for the descriptor it did not get.
"""

import ast
import ctypes
import errno
import fcntl
import os
import stat
import struct
import subprocess
import time

import camtest
from camtest import ALICE, BOB, CAROL, LIBC, check

GROUP = 21500  # the folder's group
REALTIME_COARSE = 5
SHOWN = 60     # lines of differences
OLD = 10**18   # the times of all that is there before the steps
CALLERS = {    # user, group, further groups
    "root": (0, 0, []),
    "owner": (ALICE, ALICE, []),
    "member": (BOB, BOB, [GROUP]),
    "other": (CAROL, CAROL, []),
}

# file capabilities, and POSIX ACLs, as xattr(7) and linux/posix_acl_xattr.h have them
CAPS = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)


def acl(*entries):
    """Of (tag, id, rights) each."""
    tags = {"u": 1, "U": 2, "g": 4, "G": 8, "m": 16, "o": 32}
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tags[tag], rights, 0xffffffff if who is None else who)
        for tag, who, rights in entries)


DENY_OTHER = acl(("u", None, 6), ("U", CAROL, 0), ("g", None, 6), ("m", None, 6), ("o", None, 6))
ALLOW_OTHER = acl(("u", None, 6), ("U", CAROL, 6), ("g", None, 0), ("m", None, 6), ("o", None, 0))
MASKED = acl(("u", None, 6), ("U", CAROL, 6), ("g", None, 6), ("m", None, 4), ("o", None, 0))
INHERITED = acl(("u", None, 7), ("U", CAROL, 7), ("g", None, 5), ("m", None, 7), ("o", None, 0))
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


class Fd(int):
    """Descriptors are not compared as numbers."""

    def __repr__(self):
        return "fd"


def libc(name, *arguments):
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = getattr(LIBC, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)


class Tools:
    """What steps can do beyond the functions of os."""

    RDONLY, WRONLY, RDWR = os.O_RDONLY, os.O_WRONLY, os.O_RDWR
    CREAT, EXCL, TRUNC, APPEND = os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND
    NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
    KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO, INSERT, UNSHARE = 1, 2, 8, 16, 32, 64
    NOW, OMIT = (1 << 30) - 1, (1 << 30) - 2  # UTIME_NOW, UTIME_OMIT
    FICLONE = 0x40049409
    GROUP, ALICE, BOB, CAROL, OLD, CAPS = GROUP, ALICE, BOB, CAROL, OLD, CAPS
    ACCESS, DEFAULT, INHERITED = ACCESS, DEFAULT, INHERITED
    DENY_OTHER, ALLOW_OTHER, MASKED = DENY_OTHER, ALLOW_OTHER, MASKED

    def __init__(self):
        self.fds = []
        self.children = []
        self.since = 0

    def open(self, *arguments, **options):
        fd = Fd(os.open(*arguments, **options))
        self.fds.append(fd)
        return fd

    def close(self, fd):
        os.close(fd)
        if fd in self.fds:
            self.fds.remove(fd)

    def all(self, path):
        fd = self.open(path, os.O_RDONLY)
        text = os.read(fd, 1 << 20)
        self.close(fd)
        return text

    def save(self, path, content):
        fd = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.write(fd, content)
        self.close(fd)

    def show(self, path):
        """For descriptors; of paths all is seen at the end."""
        st = os.stat(path) if isinstance(path, int) else os.lstat(path)
        return oct(st.st_mode), st.st_uid, st.st_gid, st.st_nlink, st.st_size

    def times(self, path):
        st = os.lstat(path)
        return [ns if abs(ns - self.since) > 3600 * 10**9 else "now"
                for ns in (st.st_atime_ns, st.st_mtime_ns)]

    def moved(self, path):
        """Which of mtime and ctime are new."""
        st = os.stat(path) if isinstance(path, int) else os.lstat(path)
        return [name for name in ("st_mtime_ns", "st_ctime_ns") if getattr(st, name) >= self.since]

    def born(self, path):
        """Whether it is known when, and is so; Python has no statx()."""
        answer = ctypes.create_string_buffer(256)
        where = (int(path), b"", 0x1000) if isinstance(path, int) else (-100, os.fsencode(path), 0x100)
        libc("statx", *where, 0x800 | 0x7ff, answer)
        mask, = struct.unpack_from("<I", answer, 0)
        seconds, = struct.unpack_from("<q", answer, 80)
        return mask & 0x800, abs(seconds - self.since // 10**9) < 3600

    def again(self, fd, flags):
        return self.open(f"/proc/self/fd/{int.__repr__(fd)}", flags)

    def name(self, fd, path):
        libc("linkat", -100, os.fsencode(f"/proc/self/fd/{int.__repr__(fd)}"), -100,
             os.fsencode(path), 0x400)

    def pipe(self):
        fds = [Fd(fd) for fd in os.pipe()]
        self.fds += fds
        return fds

    def utimens(self, path, *ns, flags=0):
        """atime and mtime as (seconds, nanoseconds), by utimensat itself: os.utime
        knows neither UTIME_NOW nor UTIME_OMIT."""
        times = (ctypes.c_long * 4)(*ns[0], *ns[1]) if ns else None
        if isinstance(path, int):
            libc("utimensat", int(path), None, times, 0)
        else:
            libc("utimensat", -100, os.fsencode(path), times, flags)

    def renameat2(self, old, new, flags):
        libc("renameat2", -100, os.fsencode(old), -100, os.fsencode(new), flags)

    def fallocate(self, fd, mode, offset, length):
        libc("fallocate", int(fd), mode, offset, length)

    def ioctl(self, fd, request, argument):
        return fcntl.ioctl(fd, request, int(argument))

    def map(self, fd, size, protection=3):
        address = LIBC.mmap(None, ctypes.c_size_t(size), protection, 1, int(fd), ctypes.c_long(0))
        if address == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "mmap")
        return Fd(address)

    def poke(self, address, content):
        ctypes.memmove(int(address), content, len(content))
        LIBC.munmap(ctypes.c_void_p(int(address)), ctypes.c_size_t(len(content)))

    def running(self, path):
        """A program, as long as the case lasts."""
        self.children.append(subprocess.Popen([path, "60"], stdin=subprocess.DEVNULL))

    libc = staticmethod(libc)

    def exists(self, path):
        os.stat(path)

    def listing(self, *folder):
        return sorted(os.listdir(*folder))

    def tidy(self):
        for child in self.children:
            child.kill()
            child.wait()
        for fd in self.fds:
            os.close(fd)
        self.children, self.fds = [], []
        os.umask(0o022)


# ---- putting the folder of a case together, on the share itself ----

def _own(path, mode, owner, group, content=None):
    os.chown(path, owner, group, follow_symlinks=False)
    if mode is not None:
        os.chmod(path, mode)
    del content


def f(path, mode=0o664, content=b"0123456789", owner=ALICE, group=GROUP):
    with open(path, "xb") as file:
        file.write(content)
    _own(path, mode, owner, group)


def d(path, mode=0o775, owner=ALICE, group=GROUP):
    os.mkdir(path)
    _own(path, mode, owner, group)


def l(path, target, owner=ALICE, group=GROUP):
    os.symlink(target, path)
    _own(path, None, owner, group)


def node(path, mode, owner=ALICE, group=GROUP, device=0):
    os.mknod(path, mode, device)
    _own(path, mode & 0o7777, owner, group)


def p(path, mode=0o664):
    node(path, stat.S_IFIFO | mode)


def program(path):
    with open("/bin/sleep", "rb") as file:
        f(path, 0o775, file.read())


def here(mode, owner=ALICE, group=GROUP):
    _own(".", mode, owner, group)


KINDS = {  # how each is put there
    "file": "f('{0}')",
    "folder": "d('{0}')",
    "full": "d('{0}'); f('{0}/x')",
    "symlink": "l('{0}', 'target')",
    "fifo": "p('{0}')",
    "socket": "node('{0}', 0o140664)",
    "device": "node('{0}', 0o020664, device=os.makedev(1, 3))",
}

MAKING = {"f": f, "d": d, "l": l, "p": p, "node": node, "program": program, "here": here,
          "os": os, "ALICE": ALICE, "BOB": BOB, "CAROL": CAROL, "GROUP": GROUP, "CAPS": CAPS,
          "setxattr": os.setxattr, "link": os.link, "ACCESS": ACCESS, "DEFAULT": DEFAULT,
          "DENY_OTHER": DENY_OTHER, "ALLOW_OTHER": ALLOW_OTHER, "MASKED": MASKED,
          "INHERITED": INHERITED}


# ---- looking ----

def below(folder):
    yield folder
    with os.scandir(folder) as entries:
        names = sorted((entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for path, is_folder in names:
        if is_folder:
            yield from below(path)
        else:
            yield path


def content_of(path, st):
    if stat.S_ISLNK(st.st_mode):
        return os.readlink(path)
    if not stat.S_ISREG(st.st_mode) or st.st_size > 1 << 20:
        return None
    with open(path, "rb") as file:
        return file.read()


def look(folder, since):
    seen = {}
    for path in below(folder):
        st = os.lstat(path)
        xattrs = {name: os.getxattr(path, name, follow_symlinks=False)
                  for name in sorted(os.listxattr(path, follow_symlinks=False))}
        seen[os.path.relpath(path, folder)] = (
            oct(st.st_mode), st.st_uid, st.st_gid, "links", st.st_nlink, "size", st.st_size,
            "device", st.st_rdev, content_of(path, st), xattrs,
            "mtime", st.st_mtime_ns if st.st_mtime_ns < since else "now",
            "ctime", "now" if st.st_ctime_ns >= since else "before")
    return seen


# ---- taking the steps ----

def become(uid, gid, groups):
    """So that root, who looks, is only put aside; access(2) asks for the real user."""
    os.setgroups(groups)
    os.setresgid(gid, gid, 0)
    os.setresuid(uid, uid, 0)


def be_root():
    os.setresuid(0, 0, 0)
    os.setresgid(0, 0, 0)
    os.setgroups([])


def take(step, names):
    """One step: returns its text and what came of it."""
    try:
        result = eval(compile(ast.Expression(step.value), "step", "eval"), names)  # pylint: disable=eval-used
        told = result
    except OSError as error:
        result, told = -1, errno.errorcode[error.errno]
    except (OverflowError, ValueError) as error:
        result, told = -1, str(error)
    if isinstance(step, ast.Assign):
        names[step.targets[0].id] = result
    return ast.unparse(step), repr(told)


def make_folder(raw, making):
    os.mkdir(raw)
    os.chdir(raw)
    here(0o775)
    exec(making, dict(MAKING))  # pylint: disable=exec-used
    for path in below("."):
        os.utime(path, ns=(OLD, OLD), follow_symlinks=False)


def wait_for_a_new_time(folders):
    """The clock of files is a coarse one: it must have gone on since the last of
    these was made. It does so many times a second."""
    newest = max(os.lstat(path).st_ctime_ns for folder in folders for path in below(folder))
    camtest.wait_for(lambda: time.clock_gettime_ns(REALTIME_COARSE) > newest, "the clock goes on")
    return time.clock_gettime_ns(REALTIME_COARSE)


def act(folder, raw, caller, cases):
    """Takes the steps of all cases; returns what came of each."""
    os.umask(0)
    raws = [f"{raw}/{caller}{number}" for number in range(len(cases))]
    for path, (making, _) in zip(raws, cases):
        make_folder(path, making)
    os.chdir("/")
    tools = Tools()
    tools.since = wait_for_a_new_time(raws)
    stories = []
    for number, (_, steps) in enumerate(cases):
        place = f"{folder}/{caller}{number}"
        names = {**vars(os), **{name: getattr(tools, name) for name in dir(tools)}, "tools": tools}
        look(place, tools.since)
        os.chdir(place)
        os.umask(0o022)
        become(*CALLERS[caller])
        story = [take(step, names) for step in ast.parse(steps).body]
        be_root()
        story += look(place, tools.since).items()
        os.chdir("/")
        tools.tidy()
        stories.append(story)
    return stories


def differences(native, mounted):
    lines = []
    left = dict(enumerate(mounted))
    for number, told in enumerate(native):
        if left.pop(number, None) != told:
            lines += [f"    native: {told}", f"    mount:  {dict(enumerate(mounted)).get(number)}"]
    return lines + [f"    mount:  {told}" for told in left.values()]


def compare(place, cases, callers=tuple(CALLERS)):
    cases = [(making, steps) for making, steps in cases]
    native = place.folder / "native"
    native.mkdir()
    mount = place.mount()
    sides = {}
    for side, folder, raw in ("native", native, native), ("mount", mount, place.share):
        sides[side] = camtest.crowd([
            (lambda folder=str(folder), raw=str(raw), caller=caller:
             act(folder, raw, caller, cases)) for caller in callers])
    wrong = []
    for caller, natives, mounteds in zip(callers, sides["native"], sides["mount"]):
        for (making, steps), one, other in zip(cases, natives, mounteds):
            lines = differences(one, other)
            if lines:
                wrong += [f"{caller}: {steps}", f"    where: {making}", *lines]
    more = f"... {len(wrong) - SHOWN} lines more" if len(wrong) > SHOWN else ""
    check(not wrong, "\n".join(["the mount is as the folder:", *wrong[:SHOWN], more]))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that lose power: what a file system may find after it.

A Disk is a file system on a loop device over tests/tools/disklog, which logs
each write and each flush. States builds from that log what a disk can hold when
the power goes: all writes up to some moment; of those since the last flush,
which a disk may do in any order, only some.
"""

import ctypes
import fcntl
import json
import os
import random
import struct
import subprocess

import camtest
from camtest import LIBC, wait_for

DISKLOG = os.path.join(os.path.dirname(camtest.CAMLOCK), "tests/tools/disklog")
HEADER = struct.Struct("=cIQ")
BLOCK = 4096  # what a disk writes whole

# what mkfs makes them small with
FILE_SYSTEMS = {
    "ext4": (24 << 20, ["mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=4"]),
    "xfs": (300 << 20, ["mkfs.xfs", "-q", "-f", "-K"]),
}

LOOP_CTL_GET_FREE, LOOP_CONFIGURE = 0x4C82, 0x4C0A
LO_FLAGS_AUTOCLEAR = 4
SHUTDOWN, SHUTDOWN_WITHOUT_FLUSH = 0x8004587D, 2  # of ext4 and XFS both

MS_RDONLY = 1
MNT_DETACH = 2


def make_file_system(kind, path):
    """A sparse image with nothing in it."""
    size, command = FILE_SYSTEMS[kind]
    with open(path, "wb") as file:
        file.truncate(size)
    subprocess.run([*command, path], check=True, capture_output=True)


def try_loop_device(fd, number):
    device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
    config = struct.pack("=II52xI", fd, 0, LO_FLAGS_AUTOCLEAR).ljust(304, b"\0")
    try:
        fcntl.ioctl(device, LOOP_CONFIGURE, config)
    except OSError:
        os.close(device)
        return None
    return device


def loop_device(fd):
    """A loop device over an open file, as a descriptor: it goes with the last
    use of it."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        return wait_for(lambda: try_loop_device(fd, fcntl.ioctl(control, LOOP_CTL_GET_FREE)),
                        "a loop device is to be had")  # others may be faster
    finally:
        os.close(control)


def mount(kind, fd, point, flags=0):
    """Mounts the file system in an open file."""
    # what another's mount namespace still has mounted has the same uuid
    options = "nouuid" if kind == "xfs" else ""
    device = loop_device(fd)
    try:
        name = os.readlink(f"/proc/self/fd/{device}")
        if LIBC.mount(os.fsencode(name), os.fsencode(str(point)), kind.encode(),
                      ctypes.c_ulong(flags), options.encode()) < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"mount {kind}: {os.strerror(number)}")
    finally:
        os.close(device)


def umount(point, flags=0):
    if LIBC.umount2(os.fsencode(str(point)), flags) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"umount {point}: {os.strerror(number)}")


def shut_down(point):
    """The power cut by ioctl: from now on nothing reaches the disk."""
    fd = os.open(point, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("=I", SHUTDOWN_WITHOUT_FLUSH))
    finally:
        os.close(fd)


class Disk:
    """The share's, logged from begin() on."""

    def __init__(self, place, kind):
        self.place, self.kind = place, kind
        self.folder = place.folder / "disk"
        self.image, self.log = place.folder / "image", place.folder / "image.log"
        make_file_system(kind, self.image)
        self.folder.mkdir()
        with open(self.image, "r+b") as file:
            mount(kind, file.fileno(), place.share)
        place.share.chmod(0o777)

    def begin(self):
        """What is on it now is what stays, whatever happens."""
        umount(self.place.share)
        self.base = read_blocks(self.image)
        self.size = os.path.getsize(self.image)
        self.daemon = subprocess.Popen([DISKLOG, self.image, self.log, self.folder])
        self.place.at_end.append(self.end)
        wait_for(lambda: str(self.folder) in camtest.mount_points(), "disklog is mounted")
        with open(self.folder / "disk", "r+b") as file:
            mount(self.kind, file.fileno(), self.place.share)
        self.marks = os.open(self.folder / "mark", os.O_WRONLY)

    def mark(self, **what):
        os.write(self.marks, json.dumps(what).encode())

    def end(self):
        """For at_end; what was logged remains."""
        if self.daemon.poll() is not None:
            return
        os.close(self.marks)
        umount(self.place.share)
        # the loop device lets go of the file a moment later
        wait_for(lambda: not self.is_busy(), "the disk is free")
        self.daemon.wait(10)

    def is_busy(self):
        try:
            umount(self.folder)
        except OSError:
            return True
        return False

    def read_log(self):
        """As a list of (kind, offset, data)."""
        records = []
        with open(self.log, "rb") as file:
            while header := file.read(HEADER.size):
                kind, length, offset = HEADER.unpack(header)
                records.append((kind.decode(), offset, file.read(length)))
        return records


def read_blocks(path):
    """What is not zero of a file, by offset."""
    blocks, zero = {}, bytes(BLOCK)
    with open(path, "rb") as file:
        at = 0
        while True:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return blocks
            data = os.pread(file.fileno(), BLOCK, at)
            if data != zero[:len(data)]:
                blocks[at] = data
            at += BLOCK


class States:
    """What the disk may be after a cut, one after another."""

    def __init__(self, disk, seed):
        self.disk, self.log = disk, disk.read_log()
        self.random = random.Random(seed)
        self.writes = [i for i, record in enumerate(self.log) if record[0] == "W"]

    def choose(self, count):
        """Yields (name, position, writes that never were)."""
        for i in range(count):
            # evenly, and at another place each time
            first = i * len(self.writes) // count
            last = max(first + 1, (i + 1) * len(self.writes) // count)
            position = self.writes[self.random.randrange(first, last)] + 1
            lost = set()
            if i % 3:
                lost = {pair for pair in self.unflushed(position)
                        if self.random.random() < (0.2, 0.5, 0.8)[self.random.randrange(3)]}
            name = f"the first {position} of {len(self.log)} records, {len(lost)} blocks lost"
            yield name, position, lost

    def unflushed(self, position):
        """The blocks that no flush stands behind, as (record, offset in it)."""
        for i in range(position - 1, -1, -1):
            kind, _, data = self.log[i]
            if kind == "F":
                return
            if kind == "W":
                for at in range(0, len(data), BLOCK):
                    yield i, at

    def build(self, position, lost):
        """That state, in a file that is in no folder; returns its descriptor."""
        fd = os.memfd_create("state", os.MFD_CLOEXEC)
        os.truncate(fd, self.disk.size)
        for offset, data in self.disk.base.items():
            os.pwrite(fd, data, offset)
        for i in range(position):
            kind, offset, data = self.log[i]
            if kind != "W":
                continue
            if not any((i, at) in lost for at in range(0, len(data), BLOCK)):
                os.pwrite(fd, data, offset)
                continue
            for at in range(0, len(data), BLOCK):
                if (i, at) not in lost:
                    os.pwrite(fd, data[at:at + BLOCK], offset + at)
        return fd

    def marks(self, position):
        """What the test had said until then."""
        return [json.loads(data) for kind, _, data in self.log[:position] if kind == "M"]

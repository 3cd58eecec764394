# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on every network share, whatever its kind. KIND is one of the
classes that know how to make one (_gluster.py)."""

import errno
import json
import os
import random
import time

import camtest
from camtest import APPEND, check, equal, refused, wait_for
from _network import Host, Stopwatch

P = "jobs/part.nc"
NAMES = [f"part{i}.nc" for i in range(6)]
LOAD_SECONDS = 20
TIMEOUT = 10  # of --host-timeout


class Network:
    """One for all tests of a file: a share, two hosts that mount it, and a
    third one for the test to look with."""

    def __init__(self, kind):
        self.kind = kind
        self.hosts = [Host("cam-a"), Host("cam-b")]
        self.views = [kind.mount(host) for host in self.hosts]
        self.look = kind.mount(Host("looker"))
        self.count = 0

    def share(self, place):
        """A folder of its own for each test."""
        self.count += 1
        name = f"share{self.count}"
        place.share = camtest.Share(self.look, name)
        place.share.mkdir()
        place.share.chmod(0o777)
        return [view / name for view in self.views]

    def two(self, place, *options, timeout=TIMEOUT):
        shares = self.share(place)
        place.share.add(P)
        for name in NAMES:
            place.share.add(name)
        for share in shares:
            wait_for((share / NAMES[-1]).exists, "what is made on one host is seen on the other")
        return [place.mount("--host-timeout", str(timeout), *options, host=host.name, share=share)
                for host, share in zip(self.hosts, shares)]


def only_recovered(place):
    files = [f for f in (place.share.state / "recovered").rglob("*") if f.is_file()]
    equal(len(files), 1, f"one file was set aside: {files}")
    return files[0]


def take_over(person, path, content, seconds):
    """Tries to save until it is let; returns how long that took."""
    watch = Stopwatch()

    def save():
        try:
            person.write_file(path, content)
            return True
        except OSError as error:
            check(error.errno in (errno.EBUSY, errno.ETIMEDOUT), f"refused, or late: {error}")
            return False
    wait_for(save, f"'{path}' is given up", seconds)
    return watch.seconds()


def seen_elsewhere(network, place):
    one, two = network.two(place)
    alice, bob = place.two()
    fd = alice.open(one / P, APPEND)
    refused(bob, "open", two / P, APPEND)
    equal(os.listdir(two / ".locks/jobs"), ["part.nc"], "`.locks` shows it at once")
    alice.write(fd, b"more\n")
    alice.close(fd)
    equal(bob.read_file(two / P), b"old\nmore\n", "what she wrote is seen at the next open")
    for i in range(20):
        (alice, bob)[i % 2].write_file((one, two)[i % 2] / P, b"%d\n" % i)
        equal((bob, alice)[i % 2].read_file((two, one)[i % 2] / P), b"%d\n" % i, "every time")


def exclusion_under_load(network, place):
    """As tests/mount/intervals, across hosts."""
    mounts = network.two(place)

    def worker(who, mount):
        def body():
            camtest.become(22000 + who)
            choice = random.Random(who)
            had, refusals = [], 0
            until = time.monotonic() + LOAD_SECONDS
            while time.monotonic() < until:
                name = choice.choice(NAMES)
                try:
                    fd = os.open(mount / name, os.O_WRONLY | os.O_APPEND)
                except OSError as error:
                    equal(error.errno, errno.EBUSY, "who can't have it is told EBUSY")
                    refusals += 1
                    continue
                begin = time.monotonic_ns()
                os.write(fd, b"line\n")
                time.sleep(choice.random() * 0.01)
                had.append((name, begin, time.monotonic_ns(), who))
                os.close(fd)
            return had, refusals
        return body

    results = camtest.crowd([worker(who, mounts[who % 2]) for who in range(4)])
    intervals = [one for had, _ in results for one in had]
    print(f"     {len(intervals)} checkouts in {LOAD_SECONDS} s, "
          f"{sum(count for _, count in results)} refusals")
    equal(camtest.overlaps(intervals), [], "no moment with two owners")
    check(len(intervals) > 40, "they had their files often enough to tell")
    place.share.wait_until_free(seconds=30)
    written = sum((place.share / name).read_bytes().count(b"line\n") for name in NAMES)
    equal(written, len(intervals), "and nothing anybody wrote is lost")
    for line in (place.share.state / "history.jsonl").read_bytes().splitlines():
        try:
            json.loads(line)
        except ValueError:
            print(line)
    bad = [h for h in place.share.history() if h["event"] in ("lost", "reasserted", "damaged")]
    equal(bad, [], "nothing had to be put right")


def killed_daemon(network, place):
    one, two = network.two(place)
    alice, bob = place.two()
    alice.open(one / P, APPEND)
    one.kill()
    print(f"     kill -9 of the mount: {take_over(bob, two / P, b'bob', 60):.1f} s")
    equal(only_recovered(place).read_bytes(), b"old\n", "what she had is set aside")


def killed_client(network, place):
    """The share's own client on her host is gone: nothing goes there any more."""
    one, two = network.two(place)
    alice, bob = place.two()
    alice.open(one / P, APPEND)
    network.kind.kill_client(network.hosts[0])
    print(f"     kill -9 of the client: {take_over(bob, two / P, b'bob', 120):.1f} s")
    one.wait_log("cut off from the share", 60)
    one.kill()


def cut_and_healed(network, place, seconds=200):
    """The cut-off host's late write lands in the recovered file, not in the new
    owner's."""
    one, two = network.two(place)
    alice, bob = place.two()
    fd = alice.open(one / P, APPEND)
    alice.write(fd, b"before\n")
    alice.fsync(fd)
    network.hosts[0].cut()
    try:
        late = alice.start("write", fd, b"late\n")
        print(f"     cut: taken over after {take_over(bob, two / P, b'bob', seconds):.1f} s")
        one.wait_log("cut off from the share")
        equal(only_recovered(place).read_bytes(), b"old\nbefore\n", "what she had is set aside")
    finally:
        network.hosts[0].heal()
    watch = Stopwatch()
    one.wait_log("the share is back", 300)
    print(f"     healed: back after {watch.seconds():.1f} s")
    one.wait_log("lost 'jobs/part.nc'", 60)
    try:
        late.get(120)
        alice.write(fd, b"later\n")
        alice.fsync(fd)
        alice.close(fd)
        print("     her late writes went to the recovered file")
        end = b"late\nlater\n"
    except OSError as error:
        print(f"     her late writes failed: {errno.errorcode[error.errno]}")
        end = b""
    equal((place.share / P).read_bytes(), b"bob", "the new owner's file is his alone")
    content = only_recovered(place).read_bytes()
    check(content in (b"old\nbefore\n" + end, b"old\nbefore\n"), f"hers has the rest: {content}")
    if end:
        equal(content, b"old\nbefore\n" + end, "byte for byte")
    again = place.person(camtest.ALICE)
    again.write_file(one / P, b"again\n")
    equal(bob.read_file(two / P), b"again\n", "her host takes part again")

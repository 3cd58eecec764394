# SPDX-License-Identifier: GPL-3.0-or-later
"""Who had what when: no moment with two owners, no grant lost, no record left.

Some users open, hold, rename onto, and close some files at random, through some
mounts of one share, while the caller does to the mounts, or to what is under
them, whatever may happen there. Everybody notes the times of CLOCK_MONOTONIC,
which all processes of one machine share:

    run = Run(place, mounts, users=8, files=12, seconds=20)
    run.start()
    while run.is_running():
        run.kill(1)             kill -9 of the daemon of mounts[1]; a new one
        run.break_one()         an admin frees one of the files
        ...
    run.finish()                waits, and checks

A holder's time begins after open() returned and ends before close() is called:
so it is surely his. It ends earlier if his daemon is killed, or his checkout
broken: when that begins, for who knows when it happens.
"""

import errno
import os
import random
import threading
import time

import camtest
from camtest import check, equal

WAYS = (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_TRUNC)
# what may be said to somebody: another has it; the daemon, or what is under it,
# is just away; a name that somebody else replaces; a cut
REFUSED = (errno.EBUSY,)
AWAY = (*camtest.DEAD, errno.EIO, errno.ENOENT, errno.ETIMEDOUT, errno.ESTALE, errno.EINTR,
        errno.ENODEV, errno.EPERM, errno.EACCES, errno.ENOTDIR)


class Actor:
    """One user, in a process of its own."""

    def __init__(self, who, mounts, names, until, below, ready):
        self.who, self.mounts, self.names, self.until = who, mounts, names, until
        self.below, self.ready = below, ready
        self.choice = random.Random(who)
        self.held, self.moments, self.lost = [], [], []
        self.counts = {"held": 0, "refused": 0, "away": 0, "renamed": 0}

    def __call__(self):
        camtest.become(22000 + self.who)
        os.write(self.ready, b".")
        while time.monotonic() < self.until:
            m = self.choice.randrange(len(self.mounts))
            name = self.choice.choice(self.names)
            try:
                if self.choice.random() < 0.15:
                    self.replace(m, name)
                else:
                    self.hold(m, name)
            except OSError as error:
                check(error.errno in REFUSED + AWAY, f"a user gets {error!r}")
                if error.errno in REFUSED:
                    self.counts["refused"] += 1
                else:
                    self.counts["away"] += 1
                    time.sleep(0.02)
        return self.held, self.moments, self.lost, self.counts

    def hold(self, m, name):
        fd = os.open(self.mounts[m] / name, self.choice.choice(WAYS))
        begin = time.monotonic_ns()
        try:
            self.use(fd, m, name, begin)
        finally:
            self.held.append((name, begin, time.monotonic_ns(), (self.who, m)))
            try:
                os.close(fd)
            except OSError:
                pass  # the daemon is gone, and the handle with it
        self.counts["held"] += 1

    def use(self, fd, m, name, begin):
        if self.choice.random() < 0.5:
            os.write(fd, b"x" * self.choice.randrange(1, 5000))
        if self.choice.random() < 0.1:
            time.sleep(self.choice.random() * 0.03)  # some hold it for longer
        if self.choice.random() < 0.1:
            try:
                owner = os.stat(self.mounts[m] / ".locks" / name).st_uid
            except FileNotFoundError:
                owner = None
            if owner != os.geteuid():
                self.lost.append((name, begin, time.monotonic_ns(), (self.who, m), owner))

    def replace(self, m, name):
        """As most programs save: a temp, renamed onto the document."""
        temp = self.mounts[m] / f"{self.below}.{name}.{self.who}.tmp"
        os.close(os.open(temp, os.O_WRONLY | os.O_CREAT, 0o666))
        os.chmod(temp, 0o666)
        begin = time.monotonic_ns()
        os.rename(temp, self.mounts[m] / name)
        self.moments.append((name, begin, time.monotonic_ns(), (self.who, m)))
        self.counts["renamed"] += 1


class Run:
    def __init__(self, place, mounts, users=6, files=10, seconds=10, below=""):
        self.place, self.mounts = place, mounts
        self.names = [f"part{i}.nc" for i in range(files)]
        for name in self.names:
            if not (place.share / name).exists():
                place.share.add(name)
        self.users, self.seconds, self.below = users, seconds, below
        self.kills, self.breaks = [], []
        self.choice = random.Random(7)

    def start(self):
        self.until = time.monotonic() + self.seconds
        begun, ready = os.pipe()
        bodies = [Actor(who, self.mounts, self.names, self.until, self.below, ready)
                  for who in range(self.users)]
        self.results, self.error = [], None

        def run():
            try:
                self.results = camtest.crowd(bodies)
            except BaseException as error:  # pylint: disable=broad-except
                self.error = error
        self.thread = threading.Thread(target=run)
        self.thread.start()
        # what is opened before they are forked, a lock say, they would have as well
        for _ in bodies:
            os.read(begun, 1)
        os.close(begun)
        os.close(ready)
        return self

    def is_running(self):
        return self.thread.is_alive() and time.monotonic() < self.until

    def pause(self, seconds):
        """Between two events; not to wait for one."""
        time.sleep(max(0, min(seconds, self.until - time.monotonic())))

    # ---- what may happen ----

    def kill(self, m):
        begin = time.monotonic_ns()
        self.mounts[m].kill()
        self.mounts[m].detach()
        self.kills.append((begin, m))
        self.mounts[m].start(*self.mounts[m].started_with)

    def break_one(self):
        name = self.choice.choice(self.names)
        begin = time.monotonic_ns()
        try:
            os.unlink(self.choice.choice(self.mounts) / ".locks" / name)
        except OSError:
            return
        self.breaks.append((begin, time.monotonic_ns(), name))

    # ---- what must hold ----

    def surely_held(self, interval):
        """His time, without what comes after the first thing that may have ended it."""
        name, begin, end, owner = interval
        for at, m in self.kills:
            if m == owner[1] and begin <= at < end:
                end = at
        for at, done, what in self.breaks:
            if what == name and begin <= done and at < end:
                end = max(begin, at)
        return name, begin, end, owner

    def judge(self):
        """What is wrong: moments with two owners, and grants that were lost."""
        held = [self.surely_held(one) for result in self.results for one in result[0]]
        wrong = [("two owners", *pair) for pair in camtest.overlaps(
            [one for one in held if one[1] < one[2]])]
        by_name = {}
        for one in held:
            by_name.setdefault(one[0], []).append(one)
        for result in self.results:
            for name, begin, end, owner in result[1]:
                wrong += [("renamed onto another's", (name, begin, end, owner), one)
                          for one in by_name.get(name, ())
                          if one[3] != owner and one[1] <= begin and end <= one[2]]
            wrong += [("lost", one) for one in result[2]
                      if self.surely_held(one[:4]) == one[:4]]
        return wrong

    def counts(self):
        total = {}
        for result in self.results:
            for what, n in result[3].items():
                total[what] = total.get(what, 0) + n
        return {**total, "kills": len(self.kills), "breaks": len(self.breaks)}

    def wait(self):
        self.thread.join()
        if self.error:
            raise self.error
        print(f"     {self.counts()}", flush=True)

    def finish(self, seconds=30):
        self.wait()
        equal(self.judge(), [], "no moment with two owners, and no grant lost")
        counts = self.counts()
        check(counts["held"] > 20 and counts["refused"] > 5,
              "they had their files often, and met often enough to tell")
        # what a dead mount left is gone when somebody wants it
        root = self.place.person(0)
        for name in self.names:
            camtest.wait_for(lambda name=name: self.is_free(root, name), f"'{name}' is free",
                             seconds)
        self.place.share.wait_until_free(seconds=seconds)

    def is_free(self, root, name):
        try:
            root.close(root.open(self.mounts[0] / name, os.O_WRONLY))
            return True
        except OSError as error:
            check(error.errno in REFUSED + AWAY, f"at the end {error!r}")
            return False

# SPDX-License-Identifier: GPL-3.0-or-later
"""A small network on one machine: a server, and hosts that can be cut off.

The test itself, in namespaces of its own, is the server; each host is one more
network namespace, reached over a bridge. What is cut off gets no answer at all,
as when a cable is pulled."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../mount"))

import camtest  # noqa: E402

SERVER = "10.77.0.1"


def run(*command, **options):
    done = subprocess.run([os.fspath(c) for c in command], check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    camtest.check(done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def own_namespaces():
    """What is started here ends with us, and nothing of it is the machine's."""
    camtest.own_namespace("--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "addr", "add", SERVER + "/24", "dev", "br0")
    run("ip", "link", "set", "br0", "up")


class Host:
    """Another machine, as far as the network goes."""

    count = 0

    def __init__(self, name):
        Host.count += 1
        self.name = name
        self.link = f"to-{name}"
        self.address = f"10.77.0.{10 + Host.count}"
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        camtest.wait_for(self._is_apart, "the network namespace is there")
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0",
            "netns", str(self.holder.pid))
        run("ip", "link", "set", self.link, "master", "br0", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", self.address + "/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def _is_apart(self):
        return (os.readlink(f"/proc/{self.holder.pid}/ns/net")
                != os.readlink("/proc/self/ns/net"))

    def there(self, *command):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *map(os.fspath, command)]

    def run(self, *command):
        return run(*self.there(*command))

    def cut(self):
        run("ip", "link", "set", self.link, "down")

    def heal(self):
        run("ip", "link", "set", self.link, "up")


class Stopwatch:
    def __init__(self):
        self.start = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.start

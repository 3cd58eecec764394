# SPDX-License-Identifier: GPL-3.0-or-later
"""GlusterFS: a volume of three bricks on one machine, and clients of it."""

import os
import subprocess
from pathlib import Path

import camtest
from _network import SERVER, run

STRICT = ("performance.stat-prefetch off", "performance.quick-read off")
STRICT_CLIENT = ("--entry-timeout=0", "--attribute-timeout=0")


class Gluster:
    name = "gluster"

    def __init__(self, folder, timeout=10, strict=True):
        self.folder = Path(folder)
        self.strict = strict
        self.clients = {}
        self._start()
        bricks = [f"{SERVER}:{self.folder}/brick{i}" for i in range(3)]
        self._gluster("volume", "create", "cam", "replica", "3", *bricks, "force")
        for setting in (f"network.ping-timeout {timeout}", f"server.tcp-user-timeout {timeout}",
                        *(STRICT if strict else ())):
            self.set(*setting.split())
        self._gluster("volume", "start", "cam")

    def set(self, name, value):
        self._gluster("volume", "set", "cam", name, value)

    def _gluster(self, *command):
        return run("gluster", "--mode=script", *command)

    def _start(self):
        for state in "/var/lib/glusterd", "/var/log/glusterfs", "/run/gluster":
            os.makedirs(state, exist_ok=True)
            run("mount", "-t", "tmpfs", "tmpfs", state)
        self.daemon = subprocess.Popen(["glusterd", "-N"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        camtest.wait_for(
            lambda: subprocess.run(["gluster", "--mode=script", "volume", "list"], check=False,
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL).returncode == 0,
            "glusterd answers", 60)

    def mount(self, host):
        """The volume as that host has it."""
        at = self.folder / f"on-{host.name}"
        at.mkdir(exist_ok=True)
        self.clients[host.name] = subprocess.Popen(
            host.there("glusterfs", "-N", f"--volfile-server={SERVER}", "--volfile-id=cam",
                       *(STRICT_CLIENT if self.strict else ()),
                       f"--log-file={self.folder}/{host.name}.log", at),
            stdin=subprocess.DEVNULL)
        camtest.wait_for(lambda: os.path.ismount(at), f"the volume is mounted on {host.name}", 60)
        camtest.wait_for(lambda: os.statvfs(at).f_blocks > 0, "and answers", 60)
        return at

    def kill_client(self, host):
        self.clients[host.name].kill()
        self.clients[host.name].wait()

    def stop(self):
        for client in self.clients.values():
            client.kill()
        subprocess.run(["gluster", "--mode=script", "volume", "stop", "cam", "force"],
                       check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.daemon.kill()

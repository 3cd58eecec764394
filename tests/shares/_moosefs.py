# SPDX-License-Identifier: GPL-3.0-or-later
"""MooseFS: a master and a chunk server on one machine, and clients of them."""

import os
import subprocess
from pathlib import Path

import camtest
from _network import SERVER, run

MASTER = """WORKING_USER = root
WORKING_GROUP = root
DATA_PATH = {folder}/master
EXPORTS_FILENAME = {folder}/exports.cfg
TOPOLOGY_FILENAME = {folder}/topology.cfg
SESSION_SUSTAIN_TIME = 60
"""
CHUNKS = """WORKING_USER = root
WORKING_GROUP = root
DATA_PATH = {folder}/chunkserver
HDD_CONF_FILENAME = {folder}/hdd.cfg
MASTER_HOST = {server}
"""


class MooseFS:
    name = "moosefs"

    def __init__(self, folder):
        self.folder = Path(folder)
        self.clients = {}
        for name in "master", "chunkserver", "chunks":
            (self.folder / name).mkdir()
        (self.folder / "master/metadata.mfs").write_bytes(
            Path("/var/lib/mfs/metadata.mfs.empty").read_bytes())
        self._write("exports.cfg", "* / rw,alldirs,admin,maproot=0:0\n* . rw\n")
        self._write("topology.cfg", "")
        self._write("hdd.cfg", "{folder}/chunks\n")
        self._write("master.cfg", MASTER)
        self._write("chunkserver.cfg", CHUNKS)
        run("mfsmaster", "-c", self.folder / "master.cfg", "start")
        run("mfschunkserver", "-c", self.folder / "chunkserver.cfg", "start")

    def _write(self, name, text):
        (self.folder / name).write_text(text.format(folder=self.folder, server=SERVER))

    def mount(self, host):
        """The share as that host has it."""
        at = self.folder / f"on-{host.name}"
        at.mkdir(exist_ok=True)
        self.clients[host.name] = subprocess.Popen(
            host.there("mfsmount", "-f", "-H", SERVER, at, "-o", "allow_other,mfsattrcacheto=0,mfsdirentrycacheto=0"),
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        camtest.wait_for(lambda: os.path.ismount(at), f"the share is mounted on {host.name}", 60)
        camtest.wait_for(lambda: os.statvfs(at).f_blocks > 0, "and has room", 60)
        return at

    def kill_client(self, host):
        self.clients[host.name].kill()
        self.clients[host.name].wait()

    def stop(self):
        for client in self.clients.values():
            client.kill()
        for daemon in "chunkserver", "master":
            run(f"mfs{daemon}", "-c", self.folder / f"{daemon}.cfg", "stop")

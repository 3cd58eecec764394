# SPDX-License-Identifier: GPL-3.0-or-later
"""Samba's own test suite, on a mount and on a folder beside it, under one smbd.

A case is run on three shares, each time in a folder of its own:

    bare     a folder
    plain    a mount of a folder that checks nothing out (--scratch '*')
    mount    a mount as it is

On `plain` each case must end as on `bare`: the same result, and if it is a
failure, at the same line. So it must on `mount`, unless somebody was refused a
file there: a case often has two connections, which are two machines and so two
owners.

A case of which that is not so is run again, three times in all: some depend on
the time they get. How a case ends on `bare` is not what matters; which of them
fail there is Samba's own concern. Those that don't end there are left out, and
named; on a mount each may take much longer than on the folder, but must end.
"""

import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import camsmb as smb
import camtest

SHARES = "bare", "plain", "mount"
USER = "games"
LIMIT = 120  # seconds; some cases never end
LONGER = 5  # times as long as on the folder
ROUNDS = 3
AT_ONCE = 3

NO_END = "no end"

GLOBAL = """[global]
  server min protocol = NT1
"""
# To Windows, rw- is no full control, for which most cases ask.
FULL_CONTROL = "   force create mode = 0700\n"
# What these are about scripts/samba-export turns off.
CACHING = re.compile(r"smb2\.(oplock|lease|durable)")


def all_cases():
    """As `smbtorture --list` has them, with the last part of the name twice."""
    said = subprocess.run(["smbtorture", "--list"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return sorted(set(said.splitlines()))


def short(case):
    """Without what is said twice."""
    return re.sub(r"\.([^.]+)\.\1$", r".\1", case)


def how_it_ended(text, status):
    results = re.findall(r"^(success|failure|error|skip): ", text, re.M)
    if not results:
        return NO_END if status in (124, 137) else f"exit {status}"
    if results[-1] in ("success", "skip"):
        return results[-1]
    where = re.findall(r"\(?\.\./source4/torture/(\S+?:\d+)\)?", text[text.rindex(results[-1]):])
    return f"{results[-1]} at {where[0]}" if where else results[-1]


class Torture:
    """Three folders for each case, all of one smbd."""

    def __init__(self, place, cases):
        self.place, self.cases = place, cases
        self.raw = {"bare": place.folder / "bare", "plain": place.folder / "below",
                    "mount": place.share}
        for folder in self.raw.values():
            folder.mkdir(exist_ok=True)
            for number in range(len(cases)):
                (folder / str(number)).mkdir()
                (folder / str(number)).chmod(0o777)
        mount = place.mount("--stale-save=allow")
        plain = place.mount("--stale-save=allow", "--scratch", "*", share=self.raw["plain"])
        self.paths = {"bare": self.raw["bare"], "plain": plain, "mount": mount}
        self.server = smb.Server(place, mount, users=(USER,), more=self.sections)

    def sections(self, section):
        """smb.conf's, each like the one scripts/samba-export has made."""
        path = str(self.paths["mount"])
        text = GLOBAL
        for number, case in enumerate(self.cases):
            for share in SHARES:
                one = section.replace(f"[{smb.SHARE}]", f"[{share}{number}]")
                one = one.replace(f"path = {path}\n", f"path = {self.paths[share]}/{number}\n")
                if CACHING.match(case):
                    one = one.replace("oplocks = no", "oplocks = yes", 1)
                    one = one.replace("durable handles = no", "durable handles = yes", 1)
                text += one + FULL_CONTROL
        return text

    def run(self, number, share, limit=LIMIT):
        done = subprocess.run(
            ["timeout", "-k", "5", str(limit), "smbtorture",
             "--option=client min protocol = NT1", "-s", self.server.folder / "client.conf",
             f"//{smb.MACHINES['PC-OFFICE']}/{share}{number}", "-U", f"{USER}%{smb.PASSWORD}",
             self.cases[number]],
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
        return how_it_ended(done.stdout, done.returncode)

    def refusals(self, number):
        return sum(line["path"].startswith(f"{number}/")
                   for line in self.place.share.history("refused"))

    def clear(self, number):
        """What one that was stopped has left, and what the kernel knows of it."""
        for share, folder in self.raw.items():
            for path in (folder / str(number)).iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                camtest.wait_for(lambda there=self.paths[share] / str(number) / path.name:
                                 not there.exists(), f"'{path}' is gone")

    def run_all(self, number):
        self.clear(number)
        start = time.monotonic()
        ends = {"bare": self.run(number, "bare")}
        if ends["bare"] == NO_END:
            return dict.fromkeys(SHARES, NO_END)
        limit = LIMIT + LONGER * (time.monotonic() - start)
        with ThreadPoolExecutor() as pool:
            others = SHARES[1:]
            ends.update(zip(others, pool.map(lambda s: self.run(number, s, limit), others)))
        return ends

    def compare(self, number):
        """How the case ended on each share, how often it was run, whether there
        was a refusal, and how long it took."""
        start = time.monotonic()
        for attempt in range(1, ROUNDS + 1):
            before = self.refusals(number)
            ends = self.run_all(number)
            refused = self.refusals(number) > before
            if ends["plain"] == ends["bare"] and (refused or ends["mount"] == ends["bare"]):
                break
        return self.cases[number], ends, attempt, refused, time.monotonic() - start


def report(results, show):
    """Prints it, all cases or the sums. Returns what is different."""
    different, again, endless, otherwise, counts = [], [], [], 0, {}
    for case, ends, attempts, refused, seconds in results:
        is_same = ends["mount"] == ends["bare"]
        line = f"{short(case)}: " + ", ".join(f"{end} on {s}" for s, end in ends.items())
        if ends["plain"] != ends["bare"] or not (is_same or refused):
            different.append(line)
        if attempts > 1:
            again.append(short(case))
        if ends["bare"] == NO_END:
            endless.append(short(case))
        otherwise += refused and not is_same
        kind = ends["bare"].split(" at ")[0]
        counts[kind] = counts.get(kind, 0) + 1
        if show:
            print(f"     {line}  {seconds:.0f} s", flush=True)
    print(f"     {sum(counts.values())} cases, on the folder: "
          + ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())))
    print(f"     {len(different)} different; {otherwise} that ended otherwise because a second"
          f" owner was refused\n     run again: {', '.join(again) or 'none'}"
          f"\n     without end on the folder: {', '.join(endless) or 'none'}", flush=True)
    return different


def compare(place, cases, show=False):
    """Runs the cases, several at a time. Returns what is different."""
    if not shutil.which("smbtorture"):
        raise camtest.Skip("there is no smbtorture: scripts/install-packages smbtorture")
    torture = Torture(place, cases)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return report(pool.map(torture.compare, range(len(cases))), show)

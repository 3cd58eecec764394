# SPDX-License-Identifier: GPL-3.0-or-later
"""A screen that nobody looks at, and programs that show themselves there.

    screen = Screen(place)
    screen.start("man", "librecad", path)
    screen.title("LibreCAD")            # waits for such a window
    screen.key("ctrl+s")                # to the one that is in front
    screen.says("locked for editing")   # waits until that can be read there

Its pictures are left in build/screen, to be looked at."""

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from camtest import Skip, wait_for

PICTURES = Path(os.environ["SRCDIR"]) / "build/screen"
NEEDED = ["Xvfb", "openbox", "xdotool", "import", "convert", "tesseract"]


def need(*programs):
    missing = [p for p in (*programs, *NEEDED) if not shutil.which(p)]
    if missing:
        raise Skip(f"no {' '.join(missing)}: make check-apps installs it")


class Screen:
    def __init__(self, place):
        self.place = place
        read, write = os.pipe()
        # without -noreset it begins anew whenever the last program ends
        self._keep(["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24",
                    "-nolisten", "tcp", "-ac", "-noreset"], pass_fds=[write])
        os.close(write)
        with open(read) as number:
            self.display = ":" + number.readline().strip()
        self.environment = dict(os.environ, DISPLAY=self.display, OMP_THREAD_LIMIT="1")
        self._keep(["openbox"], env=self.environment)
        wait_for(lambda: self._run("xdotool", "get_num_desktops"), "a window manager")

    def _keep(self, command, **options):
        """Runs it until the test ends, and all that it has started."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True, **options)

        def end():
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
        self.place.at_end.append(end)
        return end

    def home(self, user):
        home = self.place.folder / f"home-{user}"
        if not home.exists():
            home.mkdir()
            shutil.chown(home, user)
        return home

    def start(self, user, *command):
        """A program of that user; returns how to end it."""
        home, who = self.home(user), pwd.getpwnam(user)
        return self._keep(
            command, user=who.pw_uid, group=who.pw_gid, extra_groups=[], cwd=home,
            env=dict(self.environment, HOME=home, TMPDIR=home, XDG_RUNTIME_DIR=home, USER=user,
                     LOGNAME=user, LC_ALL="C.UTF-8", SAL_USE_VCLPLUGIN="gen"))

    def _run(self, *command):
        return subprocess.run(command, env=self.environment, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def titles(self):
        windows = self._run("xdotool", "search", "--onlyvisible", "--name", ".").split()
        return [self._run("xdotool", "getwindowname", w).strip() for w in windows]

    def title(self, pattern):
        """Waits for a window of such a title."""
        return wait_for(lambda: [t for t in self.titles() if re.search(pattern, t)],
                        f"a window '{pattern}' on the screen", 120, self.titles)

    def key(self, *keys):
        self._run("xdotool", "key", "--clearmodifiers", *keys)

    def read(self):
        """What is to be read in the window in front, as one line."""
        picture = self.place.folder / "screen.png"
        window = self._run("xdotool", "getactivewindow").strip() or "root"
        self._run("import", "-window", window, picture)
        self._run("convert", picture, "-colorspace", "Gray", "-resize", "300%", picture)
        return " ".join(self._run("tesseract", picture, "-", "--psm", "6").split())

    def says(self, pattern):
        return wait_for(lambda: re.search(pattern, self.read()), f"'{pattern}' on the screen", 120,
                        self.read)

    def leave_picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self._run("import", "-window", "root", PICTURES / name)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, as tables, as sentences and as JSON."""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys

import subjects

NATIVE_ENOUGH = 0.95


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# ---- the machine ----


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return ((done.stdout + done.stderr).splitlines() or [None])[0]


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0]}" if names else f"{os.cpu_count()} processors"


def package_version(name):
    return first_line("dpkg-query", "-W", "-f", "${Version}", name)


def libfuse_version():
    try:
        with open(subjects.LIBFUSE + "/lib/pkgconfig/fuse3.pc", encoding="utf-8") as file:
            return next(line.split()[1] for line in file if line.startswith("Version:"))
    except OSError:
        return first_line("pkg-config", "--modversion", "fuse3")


def describe_machine(folder):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": processor(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "load_at_start": os.getloadavg()[0],
        "kernel": platform.release(),
        "file_system": first_line("findmnt", "-n", "-o", "FSTYPE", "-T", folder),
        "versions": {
            "camlock": first_line(subjects.CAMLOCK, "--version").removeprefix("camlock "),
            "libfuse": libfuse_version(),
            **{name: package_version(name) for name in ("bindfs", "mergerfs", "fuse-overlayfs")},
            "python": platform.python_version(),
            "python3-filelock": package_version("python3-filelock"),
        },
    }


# ---- ratios ----


class Ratio:
    """Of two subjects' rates, round by round."""

    def __init__(self, rates, base):
        self.each = [r / b for r, b in zip(rates, base) if r and b]
        if self.each:
            self.median = statistics.median(self.each)
            self.min, self.max = min(self.each), max(self.each)

    def __bool__(self):
        return bool(self.each)

    def __str__(self):
        return f"{number(self.median)} ({number(self.min)}–{number(self.max)})" if self else "–"


def number(ratio):
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def quantity(rates, unit):
    rates = [rate for rate in rates if rate]
    if not rates:
        return "–"
    rate = statistics.median(rates)
    for factor, prefix in (1e9, "G"), (1e6, "M"), (1e3, "k"):
        if rate >= factor:
            return f"{rate / factor:.3g} {prefix}{unit}"
    return f"{rate:.3g} {unit}"


# ---- for people ----


def cells(table):
    """The table as text: a heading, and a line for each row."""
    names = [c.name for c in table.classes]
    lines = [["", *names]]
    for row in table.rows:
        base = table.rates(row, names[0])
        lines.append([row.title, quantity(base, row.unit)]
                     + [str(Ratio(table.rates(row, name), base)) for name in names[1:]])
    return lines


def checkout_cells(table):
    lines = [["pairs a second, records there", *(c.name for c in table.classes), "ratio"]]
    for row in table.rows:
        rates = [table.rates(row, c.name) for c in table.classes]
        ratio = Ratio(rates[-1], rates[0]) if len(rates) > 1 else "–"
        lines.append([str(row.n), *(quantity(r, "") for r in rates), str(ratio)])
    return lines


def all_cells(bench):
    """Each table with its title."""
    for table in [bench.files, *bench.others]:
        if table.rows and table.classes:
            yield table.title, cells(table)
    if bench.checkouts.rows:
        yield bench.checkouts.title, checkout_cells(bench.checkouts)


def print_cells(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join([line[0].ljust(widths[0])]
                        + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]))


def losses(table, against, limit, only_data=False):
    """The rows where camlock's ratio is below the limit, worst first."""
    found = []
    for row in table.rows:
        ratio = Ratio(table.rates(row, "camlock"), table.rates(row, against))
        if ratio and ratio.median < limit and (row.data or not only_data):
            doubt = ", within the spread" if ratio.max >= limit else ""
            found.append((ratio.median, f"{row.title} {ratio}{doubt}"))
    return [text for _, text in sorted(found)]


def all_losses(bench):
    """Says which rows are lost, against whom."""
    peers = [c.name for c in bench.files.classes if not c.name.startswith(("native", "camlock"))]
    for name in peers if bench.files.samples else []:
        yield f"behind {name}: {'; '.join(losses(bench.files, name, 1)) or 'no row'}"
    for table in [bench.files, *bench.others]:
        if any(row.data for row in table.rows) and table.samples:
            lost = "; ".join(losses(table, "native", NATIVE_ENOUGH, only_data=True)) or "none"
            yield f"{table.title}, data rows under {NATIVE_ENOUGH} of native: {lost}"


def tables(bench):
    return [bench.files, *bench.others, bench.checkouts]


def trouble(bench):
    """What could not be measured, though its subject is there."""
    return [f"{row} on {name}: {why}" for table in tables(bench)
            for (row, name), why in table.failures.items()] + [
        f"{name}: {why}" for table in tables(bench)
        for name, why in table.absent.items() if name in ("camlock", "native")]


def describe(machine, bench):
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)
    return [f"{machine['date']}, {machine['processor']}, load {machine['load_at_start']:.1f}, "
            f"Linux {machine['kernel']}, {machine['file_system']}", versions,
            f"{bench.arguments.rounds} rounds, samples of {bench.arguments.seconds} s; median "
            "(smallest–largest)"] + (
                ["the machine was busy with other things: the spread says what a number is worth"]
                if machine["load_at_start"] > os.cpu_count() else [])


def notes(bench):
    for table in (bench.files, bench.checkouts):
        for subject in table.classes if table.rows else []:
            yield f"{subject.name}: {subject.note}"
        for name, why in table.absent.items() if table.rows else []:
            yield f"not measured: {name}: {why}"


def print_all(machine, bench):
    print(*describe(machine, bench), "", *notes(bench), sep="\n")
    for title, lines in all_cells(bench):
        print(f"\n{title}")
        print_cells(lines)
    for text in trouble(bench):
        print(f"could not measure {text}")
    print("", *all_losses(bench), sep="\n")


# ---- as a page ----


def write_page(file, machine, bench):
    with file:
        def say(*lines):
            file.write("\n".join(lines) + "\n")

        say(*(f"- {line}" for line in [*describe(machine, bench), *notes(bench)]))
        for title, lines in all_cells(bench):
            say("", f"### {title}", "", "| " + " | ".join(lines[0]) + " |",
                "|---|" + "---:|" * (len(lines[0]) - 1))
            say(*("| " + " | ".join(line) + " |" for line in lines[1:]))
        say("", "### What is lost", "", *(f"- {line}" for line in all_losses(bench)))


# ---- for programs ----


def table_as_dict(table):
    names = [c.name for c in table.classes]

    def summary(row, name):
        rates = table.rates(row, name)
        ratio = Ratio(rates, table.rates(row, names[0]))
        spread = {"median": ratio.median, "min": ratio.min, "max": ratio.max} if ratio else None
        return {"rates": rates, "ratio": spread,
                "failure": table.failures.get((row.name, name))}

    return {"base": names[0] if names else None, "absent": table.absent,
            "subjects": {c.name: c.note for c in table.classes},
            "rows": {row.name: {"title": row.title, "unit": row.unit,
                                "subjects": {name: summary(row, name) for name in names}}
                     for row in table.rows}}


def write_json(file, machine, bench):
    result = {**machine, "rounds": bench.arguments.rounds, "seconds": bench.arguments.seconds,
              "files": table_as_dict(bench.files), "checkouts": table_as_dict(bench.checkouts),
              "on": {table.title: table_as_dict(table) for table in bench.others}}
    with file:
        json.dump(result, file, indent=1)
        file.write("\n")

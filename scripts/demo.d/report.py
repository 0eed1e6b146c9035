#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turn what the demo has measured into a report, and into a verdict.

usage: report.py DIR SECONDS EXIT COLOUR WIDTH
Reads DIR/hosts/{result.json,dmesg.*}, writes DIR/report.json and
DIR/report.txt, prints the report. EXIT: how the run ended. Exit code: 0 if
everything went well.
"""
import json
import os
import re
import sys

MIB = 1 << 20
LABEL = 34
COLUMN = 17
KERNEL_TROUBLE = re.compile(
    r"WARNING:|BUG:|\bOops\b|INFO: (task|rcu|possible|trying)|Call Trace|soft lockup|hard LOCKUP"
    r"|general protection|refcount_t:|UBSAN:|KASAN:|Kernel panic|self-detected stall")


# Values as people read them; None becomes "-"

def number(n):
    return f"{n:,}".replace(",", " ")


def count(n, what):
    return f"{number(n)} {what}{'' if n == 1 else 's'}"


def seconds(us):
    return f"{us / 1e6:.2f} s"


def ms(us):
    return f"{number(round(us / 1000))} ms"


def size(n):
    return f"{n / MIB:.1f} MiB" if n < 1 << 30 else f"{n / (1 << 30):.2f} GiB"


def dig(tree, *path):
    for key in path:
        if not isinstance(tree, dict) or tree.get(key) is None:
            return None
        tree = tree[key]
    return tree


class Move:
    """Figures of one move, and what is wrong with it"""
    def __init__(self, data):
        self.data = data
        self.name = f"move {data['number']}"
        self.way = f"{data['from']} -> {data['to']}"
        self.moved = data.get("exit") == 0

    def get(self, *path):
        return dig(self.data, *path)

    def us(self, key):
        value = self.get("vmmig", "us", key)
        return value if value is not None and value >= 0 else None

    def ram(self, key):
        return self.get("vmmig", "ram", key)

    def after(self, key):
        status = self.get("guest-end") or self.get("guest-after") or {}
        return status.get(key)

    def during(self, key):
        """How much a counter of the guest has grown"""
        old, new = self.get("guest-before", key), self.after(key)
        return None if old is None or new is None else new - old

    def milliseconds(self, *path):
        value = self.get(*path)
        return None if value is None else value * 1000

    def outside(self):
        """The longest silence in microseconds"""
        gap = self.milliseconds("peer", "udp_gap_ms")
        silent = self.milliseconds("peer", "udp_silent_ms")
        return None if gap is None else max(gap, silent or 0)

    def outside_alone(self):
        gap, hook = self.outside(), self.us("hook")
        return None if gap is None or hook is None else max(gap - hook, 0)

    def rate(self):
        sent, time = self.ram("bytes"), self.us("precopy")
        return sent / (time / 1e6) if sent is not None and time else None

    def verified(self):
        found = re.fullmatch(r"\w+ pages (\d+) bad (\d+)", self.get("verify") or "")
        background = self.during("mem_pages_verified")
        if not found or background is None:
            return None, None
        return background + int(found[1]), max(int(found[2]), self.after("mem_bad"))

    def same_connection(self):
        p, b = self.get("peer"), self.get("peer-before")
        if not p or not b:
            return None
        return (p["tcp_conns"] == b["tcp_conns"] and p["tcp_closed"] == b["tcp_closed"]
                and self.after("tcp_ok") is True)

    def messages(self):
        """Before the move and since"""
        before, now = self.get("guest-before", "tcp_msgs"), self.after("tcp_msgs")
        return None if before is None or now is None else (before, now - before)

    def messages_lost(self):
        there, here = self.get("peer", "tcp_bad"), self.after("tcp_bad")
        return None if there is None or here is None else there + here

    def problems(self):
        if not self.moved:
            return
        c = self.data.get("compare") or {}
        if c.get("compared") is None:
            yield f"the RAM was not compared: {c.get('error', 'no result')}"
        elif c["bytes"]:
            yield (f"{count(c['bytes'], 'byte')} of RAM not the same, in {count(c['pages'], 'page')}, "
                   f"the first at {c['first']:#x}")
        if self.verified()[0] is None:
            yield "the guest's memory was not verified"
        elif self.verified()[1]:
            yield f"{count(self.verified()[1], 'bad page')} in the guest's memory"
        if not self.during("disk_ops"):
            yield "no operation on the guest's disk"
        if self.after("disk_bad"):
            yield f"{count(self.after('disk_bad'), 'bad file')} on the guest's disk"
        if not self.same_connection():
            yield "the guest's TCP connection was lost"
        if self.messages_lost():
            yield f"{count(self.messages_lost(), 'TCP message')} lost or out of order"
        if not (self.messages() or (0, 0))[1] or (self.get("peer", "udp_silent_ms") or 0) > 1000:
            yield "the outside world does not hear the VM any more"
        if self.get("source-gone") is False:
            yield f"something of the VM is left on {self.data['from']}"



ROWS = [
    ("Time", None),
    ("total", lambda m: m.us("total"), seconds),
    ("  setting up the destination", lambda m: m.us("setup"), seconds),
    ("  RAM, while the VM runs", lambda m: m.us("precopy"), seconds),
    ("  comparing the RAM (this demo)", lambda m: m.us("hook"), seconds),
    ("downtime", None),
    ("  by vmmig-qemu", lambda m: m.us("downtime"), ms),
    ("  longest silence seen outside", lambda m: m.outside(), ms),
    ("    without comparing the RAM", lambda m: m.outside_alone(), ms),
    ("longest pause the guest noticed", lambda m: m.milliseconds("guest-after", "max_gap_ms"), ms),
    ("RAM", None),
    ("passes (iterations)", lambda m: m.ram("passes"), number),
    ("pages sent", lambda m: m.ram("pages-data"), number),
    ("pages of zeros, not sent", lambda m: m.ram("pages-zero"), number),
    ("bytes sent", lambda m: m.ram("bytes"), size),
    ("throughput", lambda m: m.rate(), lambda n: f"{size(n)}/s"),
    ("CPU of the kernel, source", lambda m: m.us("cpu-source"), seconds),
    ("CPU of the kernel, destination", lambda m: m.us("cpu-destination"), seconds),
    ("Is it the same VM?", None),
    ("RAM files compared at the stop", lambda m: m.get("compare", "compared"), number, "B"),
    ("  bytes that differ", lambda m: m.get("compare", "bytes"), number, "zero"),
    ("memory verifier, pages", lambda m: m.verified()[0], number),
    ("  bad", lambda m: m.verified()[1], number, "zero"),
    ("disk verifier, operations", lambda m: m.during("disk_ops"), number),
    ("  bad", lambda m: m.after("disk_bad"), number, "zero"),
    ("TCP connection to the outside", lambda m: m.same_connection(),
     lambda same: "the same" if same else "LOST", "true"),
    ("  messages before the move", lambda m: (m.messages() or (None,))[0], number),
    ("  messages since", lambda m: (m.messages() or (None, None))[1], number),
    ("  lost or out of order", lambda m: m.messages_lost(), number, "zero"),
    ("left on the source", lambda m: m.get("source-gone"),
     lambda gone: "nothing" if gone else "SOMETHING", "true"),
]


class Page:
    def __init__(self, colour):
        self.colour = colour
        self.plain, self.shown = [], []

    def paint(self, text, style):
        code = {"good": "32", "bad": "1;31", "head": "1", "faint": "2"}.get(style)
        return f"\033[{code}m{text}\033[0m" if self.colour and code else text

    def line(self, *parts):
        """parts: text, or (text, style)"""
        parts = [p if isinstance(p, tuple) else (p, None) for p in parts]
        self.plain.append("".join(text for text, _ in parts).rstrip())
        self.shown.append("".join(self.paint(*p) for p in parts).rstrip())


def cell(move, row):
    value = row[1](move)
    kind = row[3] if len(row) > 3 else None
    if value is None:
        return "-", None
    style = None
    if kind == "zero":
        style = "bad" if value else "good"
    elif kind == "true":
        style = "good" if value else "bad"
    return row[2](value) + (" B" if kind == "B" else ""), style


def table(page, moves):
    page.line(" " * LABEL, *((f"{m.name:>{COLUMN}}", "head") for m in moves))
    page.line(" " * LABEL, *((f"{m.way:>{COLUMN}}", "faint") for m in moves))
    for row in ROWS:
        if row[1] is None:
            # Headings begin with a capital letter
            if row[0][0].isupper():
                page.line((row[0], "head"))
            else:
                page.line(f"  {row[0]}")
            continue
        cells = [cell(m, row) for m in moves]
        page.line(f"  {row[0]:<{LABEL - 2}}", *((f"{t:>{COLUMN}}", s) for t, s in cells))


def kernel_logs(folder):
    """{host: lines that should not be there}; None: no log"""
    found = {}
    for role in "ab":
        try:
            with open(f"{folder}/dmesg.{role}", encoding="utf-8", errors="replace") as f:
                found[f"host{role}"] = [line.strip() for line in f if KERNEL_TROUBLE.search(line)]
        except OSError:
            found[f"host{role}"] = None
    return found


def kernel_problems(logs):
    for host, lines in logs.items():
        if lines is None:
            yield f"{host} has left no kernel log"
        elif lines:
            yield f"the kernel of {host} complains: {lines[0]}"


def verdict(wanted, longest):
    times = "once" if wanted == 1 else f"{wanted} times"
    still = f"; seen from outside it was silent for at most {ms(longest)}" if longest else ""
    return (f"The VM moved {times}, every byte identical{still}. Its memory, disk and TCP "
            f"connection are whole.")


def main():
    folder, took, status, colour, width = sys.argv[1:6]
    with open(f"{folder}/hosts/result.json", encoding="utf-8") as f:
        result = json.load(f)
    moves = [Move(m) for m in result["moves"]]
    logs = kernel_logs(f"{folder}/hosts")
    problems = [f"{m.name}: {p}" for m in moves for p in m.problems()]
    problems += list(kernel_problems(logs)) + result["notes"]
    if result["failed"]:
        problems.insert(0, f"{result['step']}: {result['failed']}")
    elif int(status):
        problems.insert(0, f"the lab ended with exit code {status}")

    page = Page(colour == "1")
    g = result.get("guest", {})
    page.line()
    page.line((f"One VM, {count(len([m for m in moves if m.moved]), 'move')}", "head"), f" in {took} s")
    page.line(f"  guest  {g.get('machine')}, {g.get('smp')} vCPUs, {g.get('mem')}, "
              + (f"dirty ring {g.get('ring')}" if g.get("ring") else "no dirty ring")
              + f"; writes {g.get('rate')} MB/s, disk by NBD, TCP to the outside")
    for host, h in result.get("hosts", {}).items():
        page.line(f"  {host}  Linux {h['kernel']}, QEMU {h['qemu']}")
    at_once = max((int(width) - LABEL) // COLUMN, 1)
    for i in range(0, len(moves), at_once):
        page.line()
        table(page, moves[i:i + at_once])
    page.line()
    for host, lines in logs.items():
        text = "no log" if lines is None else count(len(lines), "line") + " of trouble" if lines else \
            "no warning, no bug, no oops"
        page.line(f"Kernel log of {host}: ", (text, "good" if lines == [] else "bad"))
    page.line()
    longest = max((m.outside_alone() or 0 for m in moves), default=0)
    if problems:
        for p in problems:
            page.line(("FAILED  ", "bad"), p)
        moved = len([m for m in moves if m.moved])
        word = verdict_failed(moved, g.get("moves", 0), problems)
        page.line((word, "bad"))
    else:
        word = verdict(len(moves), longest)
        page.line((word, "good"))

    result |= {"verdict": word, "ok": not problems, "problems": problems, "seconds": int(took),
               "kernel-logs": logs}
    with open(f"{folder}/report.json", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
    with open(f"{folder}/report.txt", "w", encoding="utf-8") as f:
        f.write("\n".join(page.plain) + "\n")
    print("\n".join(page.shown))
    sys.exit(1 if problems else 0)


def verdict_failed(moved, wanted, problems):
    return f"The demo failed: {moved} of {count(wanted, 'move')} done, {count(len(problems), 'problem')}."


main()

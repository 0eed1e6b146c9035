#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Medians, ratios, targets, tables and plots of what a bench has measured.

usage: report.py DIR     reads DIR/run/SCENARIO, writes to DIR
"""
import json
import os
import statistics
import sys

import svg
import targets
from scenarios import SCENARIOS
from systems import BY_NAME, PLACE, SYSTEMS

MIB, GIB = 1 << 20, 1 << 30

# name in the rows, heading, divisor, format
COLUMNS = (
    ("total_s", "total s", 1, "{:.2f}"),
    ("downtime_ms", "downtime ms, reported", 1, "{:.0f}"),
    ("guest_gap_ms", "seen by the guest", 1, "{:.0f}"),
    ("before_stop_ms", "of it before the stop", 1, "{:.0f}"),
    ("after_start_ms", "of it after the start", 1, "{:.0f}"),
    ("scans_ms", "of it both scans", 1, "{:.1f}"),
    ("throughput", "MB/s", 1e6, "{:.0f}"),
    ("wire_per_used", "wire / used", 1, "{:.3f}"),
    ("cpu_per_gib", "CPU s/GiB, host-wide", 1, "{:.2f}"),
    ("memory", "memory MiB", MIB, "{:.1f}"),
    ("work_lost_s", "work lost s", 1, "{:.2f}"),
)
BUDGET = (
    ("stop", "QEMU stops the vCPUs, drains disks"),
    ("final-sync", "final sync"),
    ("final-scan", "- scan of all page tables"),
    ("final-send", "- sending what it found, acknowledged"),
    ("state-save", "device state saved, beside the final sync"),
    ("confirm", "confirming scan"),
    ("state-transfer", "rest of the state, and the answer"),
    ("ram-wait", "destination waits for RAM"),
    ("state-load", "device state loaded"),
    ("commit", "commit to running, both ways"),
    ("cont", "- QEMU's cont"),
    ("downtime", "all of it"),
)


def spread(values, divisor, form):
    """Median, and the range if there were several"""
    values = sorted(v / divisor for v in values)
    text = form.format(statistics.median(values))
    if len(values) > 1:
        low, high = (form.format(v).replace(" %", "") for v in (values[0], values[-1]))
        text += f" ({low} to {high})"
    return text


class Data:
    def __init__(self, results):
        self.moves = [m for r in results for m in r["moves"]]
        self.links = [x for r in results for x in r["link"]]
        self.scenarios = {k: v for r in results for k, v in r["scenarios"].items()}
        for move in self.moves:
            if "busy_s" in move:
                self.cpu(move)

    def cpu(self, move):
        """Two seconds before one move say little: the median of all of them"""
        before = [m["busy_before"] for m in self.moves if "busy_before" in m and
                  (m["scenario"], m["rate"]) == (move["scenario"], move["rate"])]
        move["cpu_s"] = move["busy_s"] - statistics.median(before) * move["total_s"]
        move["cpu_per_gib"] = move["cpu_s"] / (self.scenarios[move["scenario"]]["used"] / GIB)

    def values(self, scenario, system, what, rate=None):
        return [m[what] for m in self.moves if m["ok"] and m["scenario"] == scenario and
                m["system"] == system and m["rate"] == rate and m.get(what) is not None]

    def median(self, scenario, system, what, rate=None):
        values = self.values(scenario, system, what, rate)
        return statistics.median(values) if values else None

    def link(self, scenario, title):
        values = [x["throughput"] for x in self.links if x["scenario"] == scenario and x["title"] == title]
        return statistics.median(values) if values else None

    def ram(self, scenario):
        return self.scenarios.get(scenario, {}).get("ram")

    def rates(self, scenario):
        return list(dict.fromkeys(m["rate"] for m in self.moves if m["scenario"] == scenario))


def table(heads, rows):
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def system_rows(data, name, rate, columns):
    base = data.median(name, "multifd", "total_s", rate)
    for system in SYSTEMS:
        moves = [m for m in data.moves if (m["scenario"], m["system"], m["rate"]) == (name, system.name, rate)]
        if not moves:
            continue
        good = [m for m in moves if m["ok"]]
        row = [system.title, f"{len(good)} of {len(moves)}"]
        for what, _, divisor, form in columns:
            values = data.values(name, system.name, what, rate)
            row.append(spread(values, divisor, form) if values else "")
        ours = data.median(name, system.name, "total_s", rate)
        row.append(f"{ours / base:.2f} x" if ours and base else "")
        yield row


def scenario_part(data, name):
    info = data.scenarios[name]
    yield f"### {name}: {info['title']}"
    yield ""
    if info.get("error"):
        yield f"Ended early: {info['error']}"
        yield ""
    if info.get("used"):
        yield f"RAM {info['ram'] / MIB:.0f} MiB, of which {info['used'] / MIB:.0f} MiB were in use at the start."
        yield ""
    for title in ("iperf3", "iperf3 -Z", PLACE):
        rows = [x for x in data.links if x["scenario"] == name and x["title"] == title]
        if rows:
            cpu = [x["cpu_per_gib"] for x in rows if "cpu_per_gib" in x]
            yield (f"{title}: {spread([x['throughput'] for x in rows], 1e6, '{:.0f}')} MB/s"
                   + (f", CPU {spread(cpu, 1, '{:.2f}')} s/GiB  " if cpu else "  "))
    yield ""
    for rate in data.rates(name):
        columns = [c for c in COLUMNS if any(data.values(name, s.name, c[0], rate) for s in SYSTEMS)]
        if rate:
            yield f"{rate} MB/s asked for:"
            yield ""
        yield from table(["system", "moved", *(c[1] for c in columns), "time of multifd's"],
                         system_rows(data, name, rate, columns))
    found = info.get("converges")
    if found:
        yield from table(["system", "highest rate that converges, MB/s", "guest data afterwards"], (
            [BY_NAME[k].title, f"{v['rate'] or 0:.0f}" + (" (all that the guest can do)" if v["guest_limit"] else ""),
             v["verify"]] for k, v in found.items()))
    reasons = dict.fromkeys(f"{BY_NAME[m['system']].title}: {m['error']}" for m in data.moves
                            if m["scenario"] == name and m.get("error") and
                            m["error"] != "does not converge")
    for reason in reasons:
        yield f"* {reason}"
    yield ""


def budget(data):
    for name in ("idle-1g", "idle-4g", "idle-8g"):
        reports = [m["report"]["us"] for m in data.moves
                   if m["ok"] and m["scenario"] == name and m["system"] == "vmmig-1"]
        if not reports:
            continue
        yield f"### Downtime of vmmig, one stream, {name}"
        yield ""
        yield from table(["step", "median us", "from", "to"], (
            [words, *(str(round(f(r[key] for r in reports))) for f in (lambda v: statistics.median(list(v)), min, max))]
            for key, words in BUDGET))


def process_part(data):
    """What each part of the system used, beside the host-wide figure"""
    name = next((n for n in ("idle-4g", "idle-1g") if n in data.scenarios), None)
    if not name:
        return
    keys = (("cpu_s", "host-wide"), ("qemu_cpu_source_s", "QEMU, source"), ("qemu_cpu_target_s", "QEMU, destination"),
            ("kernel_cpu_source_s", "vmmig's kernel work, source"),
            ("kernel_cpu_target_s", "vmmig's kernel work, destination"))
    yield f"### CPU seconds by process, {name}"
    yield ""
    yield from table(["system", *(k[1] for k in keys)], (
        [s.title, *("" if (v := data.median(name, s.name, k)) is None else f"{v:.2f}" for k, _ in keys)]
        for s in SYSTEMS if data.values(name, s.name, "cpu_s")))


def markdown(data, results):
    yield "# Results of the bench"
    yield ""
    yield "Medians, with the range in brackets. Each scenario had a host, or two, of its own."
    yield ""
    yield from table(["scenario", "made by", "repetitions", "Linux", "QEMU", "CPUs", "GiB"], (
        [", ".join(r["scenarios"]), f"`{r['command']}`", str(r["repeat"]), h["kernel"], h["qemu"], str(h["cpus"]),
         f"{h['memory'] / GIB:.1f}"] for r in results for h in [r["host"]]))
    yield "## Targets"
    yield ""
    yield from table(["what", "target", "reached", ""], targets.rows(data))
    yield "## Scenarios"
    yield ""
    for name in data.scenarios:
        yield from scenario_part(data, name)
    yield "## Details"
    yield ""
    yield from budget(data)
    yield from process_part(data)


def speed(curve, window=0.2):
    """Bytes sent until now, as MB/s over a window"""
    out, tail = [], 0
    for now, sent in curve:
        while curve[tail][0] < now - window:
            tail += 1
        if now > curve[tail][0]:
            out.append((max(0, now), (sent - curve[tail][1]) / (now - curve[tail][0]) / 1e6))
    return out


def typical(data, name, system):
    """The move whose time is the median's"""
    moves = sorted((m for m in data.moves if m["ok"] and m["scenario"] == name and m["system"] == system),
                   key=lambda m: m["total_s"])
    return moves[len(moves) // 2] if moves else None


def plots(data, out):
    for name in data.scenarios:
        series = {s.title: speed(m["curve"]) for s in SYSTEMS if (m := typical(data, name, s.name))}
        series = {k: v for k, v in series.items() if v}
        if series and len(data.rates(name)) == 1:
            write(out, f"throughput-{name}.svg", svg.lines(
                f"Throughput: {data.scenarios[name]['title']}", "seconds", "MB/s", series))
    names = [s.title for s in SYSTEMS]
    for file, what, title, unit in (("downtime", "guest_gap_ms", "Downtime as the guest saw it", "ms"),
                                    ("cpu", "cpu_per_gib", "CPU of the whole host, both sides", "s per GiB"),
                                    ("time", "total_s", "Total time", "s")):
        groups = {}
        for name in data.scenarios:
            values = {s.title: v for s in SYSTEMS if (v := data.median(name, s.name, what, data.rates(name)[0]
                                                                       if data.rates(name) else None)) is not None}
            if values and len(data.rates(name)) == 1:
                groups[name] = values
        if groups:
            write(out, f"{file}.svg", svg.bars(title, unit, groups, names))
    for file, what, title, unit in (("size-time", "total_s", "Total time by RAM", "s"),
                                    ("size-downtime", "guest_gap_ms", "Downtime by RAM", "ms")):
        series = {s.title: [(data.ram(n) / (1 << 30), v) for n in ("idle-1g", "idle-4g", "idle-8g")
                            if (v := data.median(n, s.name, what)) is not None] for s in SYSTEMS}
        series = {k: v for k, v in series.items() if len(v) > 1}
        if series:
            write(out, f"{file}.svg", svg.lines(title, "GiB", unit, series))


def write(out, name, text):
    with open(os.path.join(out, name), "w", encoding="utf-8") as f:
        f.write(text)


def main():
    out = sys.argv[1]
    results = []
    for name in (*SCENARIOS, "two-hosts"):
        part = os.path.join(out, "run", name)
        # Without the command it was interrupted
        if not (os.path.exists(f"{part}/result.json") and os.path.exists(f"{part}/command")):
            continue
        with open(f"{part}/result.json", encoding="utf-8") as f:
            results.append(json.load(f))
        with open(f"{part}/command", encoding="utf-8") as f:
            results[-1]["command"] = f.read().strip()
    data = Data(results)
    text = "\n".join(markdown(data, results)) + "\n"
    write(out, "result.md", text)
    write(out, "result.json", json.dumps(results))
    plots(data, out)
    print(text.split("## Scenarios")[0].split("## Targets")[1].strip())


main()

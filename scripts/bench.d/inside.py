#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The part of the bench that runs inside a host of the lab.

Moves guests with each system in turn and writes all figures to
/vmmig-out/result.json, after every move. Lines for people begin with '@live '.

usage: inside.py REPEAT SYSTEMS SCENARIO      two sides in one host
       inside.py --pair REPEAT SYSTEMS        this host and hostb, 1 GiB idle
SYSTEMS are names with commas; '': all
"""
import json
import os
import sys
import time
import traceback

import lab
from lab import OUT, Failed, ask, run, sh, tell
from sample import Sampler, busy, process_memory
from scenarios import GIB, MAIN, SCENARIOS
from systems import BY_NAME, PLACE

MODULE = f"{lab.BUILD}/vmmig.ko"
BEFORE_S = 4            # the guest is watched for so long before each move
# What a host, a guest or a QEMU that died leads to
ERRORS = (Failed, OSError, ValueError, LookupError, ZeroDivisionError)


def peer(command):
    return ask("/run/peer.ctl", command)


class Bench:
    def __init__(self, sides, repeat, pair):
        self.sides, self.repeat, self.pair = list(sides), repeat, pair
        self.at = None          # index of the side where the guest is
        self.guest_args = []
        self.result = {"pair": pair, "repeat": repeat, "host": facts(), "link": [],
                       "scenarios": {}, "moves": []}

    def save(self):
        with open(f"{OUT}/result.new", "w", encoding="utf-8") as f:
            json.dump(self.result, f)
        os.rename(f"{OUT}/result.new", f"{OUT}/result.json")

    # The guest

    def start(self, name, scenario, private=False):
        args = ["--machine", "q35", "--smp", str(scenario.smp), "--mem", f"{scenario.ram}M", "--append",
                f"wl.tcp=0 wl.udp=4 wl.beat=4 wl.verify=1 {scenario.load}"
                + ("" if scenario.disk else " wl.disk=0")]
        if not scenario.disk:
            args += ["--disk", "none"]
        if private:
            args += ["--private"]
        self.guest_args, self.at = args, 0
        side = self.sides[0]
        side.vm("start", "g", "--ram", side.ram(), *args)
        side.vm("wait", "g", "400", timeout=420)
        info = self.result["scenarios"].setdefault(name, {
            "title": scenario.title, "ram": scenario.ram << 20, "link": scenario.link})
        if not private:
            info["used"] = os.stat(side.ram()).st_blocks * 512
        else:
            info.setdefault("used", process_memory(side.qemu()))
        if scenario.rate:
            side.guest(f"rate {scenario.rate}")

    def stop(self):
        for side in self.sides:
            side.clean()
        self.at = None

    # One move

    def watch(self, source):
        """The guest and the host before the move: work and busy CPUs, a second"""
        time.sleep(1)           # what made the target's QEMU comes to rest
        work, t0, b0 = source.status()["work_done"], time.monotonic(), busy() - time.process_time()
        time.sleep(BEFORE_S)
        b1, status, t1 = busy() - time.process_time(), source.status(), time.monotonic()
        return {"busy": (b1 - b0) / BEFORE_S, "status": status,
                "work": (status["work_done"] - work) / (t1 - t0)}

    def move(self, name, scenario, system, number, rate=None):
        source, target = self.sides[self.at], self.sides[1 - self.at]
        row = {"scenario": name, "system": system.name, "repeat": number, "rate": rate,
               "from": source.name, "ok": False, "at": round(time.monotonic() - lab.BEGAN)}
        self.result["moves"].append(row)
        sampler = Sampler(source, target, lambda: json.loads(peer("status"))["udp_gap_ms"])
        try:
            system.prepare(source, target, self.guest_args)
            before = self.watch(source)
            peer("reset")
            sampler.start()
            work, t0 = source.status()["work_done"], time.monotonic()
            got = system.move(source, target, scenario.limit)
            if got:
                after, t1 = target.status(), time.monotonic()
                self.heard()
            time.sleep(0.1)
            sampler.end()
        except ERRORS as e:
            row["error"] = str(e)
            got = None
        finally:
            sampler.over.set()
        if got:
            self.at = 1 - self.at
            self.figures(row, got, sampler, before)
            self.guest_figures(row, got, before, work, after, t1 - t0)
            source.clean()
            row["ok"] = row["bad"] == 0
            self.verify(row)
            if not row["ok"]:
                row["error"] = "GUEST DATA IS WRONG"
                self.another(name, scenario)
        else:
            row.setdefault("error", "does not converge")
            target.clean()
            self.still_there(name, scenario)
        self.save()
        self.say(name, system, row)
        return row

    @staticmethod
    def heard():
        """A silence counts when it has ended"""
        end = time.monotonic() + 5
        while time.monotonic() < end and not 0 <= json.loads(peer("status"))["udp_silent_ms"] < 50:
            time.sleep(0.02)

    def still_there(self, name, scenario):
        """After a move that failed: a guest that was lost is replaced"""
        try:
            self.sides[self.at].guest("status", 10)
        except ERRORS:
            self.another(name, scenario)

    def another(self, name, scenario):
        """Another guest, like the one that was lost"""
        self.stop()
        self.start(name, scenario, "--private" in self.guest_args)

    def figures(self, row, got, sampler, before):
        start, end = got["start"], got["end"]
        if start is None:
            start = sampler.when(sampler.rows[0][1] + (1 << 20))
            end = start + got["total_s"]
        used = self.result["scenarios"][row["scenario"]]["used"]
        row |= {k: got[k] for k in ("total_s", "downtime_ms", "setup_s", "passes", "report")}
        row |= {k: v for k, v in got.items() if k.startswith(("kernel_", "scans_"))}
        row["wire_tx"] = sampler.between(start, end, 1)
        row["wire_rx"] = sampler.between(start, end, 2)
        row["wire_per_used"] = (row["wire_tx"] + row["wire_rx"]) / used
        row["throughput"] = sampler.throughput(start, end)
        row["silences"] = sampler.silences(start)
        row["curve"] = sampler.curve(start, end)
        if self.pair:
            return
        # The report takes off what the host does without a migration
        row["busy_s"] = sampler.between(start, end, 3)
        row["busy_before"] = before["busy"]
        for key in ("source", "target"):
            row[f"qemu_cpu_{key}_s"] = sampler.process_seconds(key, start, end)
            row[f"qemu_memory_{key}"] = sampler.growth(key, start, end)
        # Private RAM can't be told from what the migration takes
        if "--private" not in self.guest_args:
            row["memory"] = (row["qemu_memory_source"] + row["qemu_memory_target"] +
                             row.get("kernel_bytes", 0))

    def guest_figures(self, row, got, before, work, after, seconds):
        outside = json.loads(peer("status"))
        row["guest_gap_ms"] = outside["udp_gap_ms"]
        if got["stop"] and not self.pair:
            # Of its largest silence: what came before the stop, and what after the start
            silent, end = outside["udp_gap_from_ms"], outside["udp_gap_from_ms"] + outside["udp_gap_ms"]
            if silent <= got["stop"] * 1e3 <= end:
                row["before_stop_ms"] = got["stop"] * 1e3 - silent
                row["after_start_ms"] = end - got["end"] * 1e3
        row["beats_lost"] = outside["udp_lost"]
        row["bad"] = after["mem_bad"] + after["disk_bad"]
        row["rate_before"] = before["status"]["dirty_mb_s"]
        if before["work"] > 1:
            row["work_before"] = before["work"]
            row["work_lost_s"] = seconds - (after["work_done"] - work) / before["work"]

    @staticmethod
    def say(name, system, row):
        what = f"{name}, {system.title}" + (f", {row['rate']} MB/s" if row["rate"] else "")
        if "total_s" not in row:
            tell(f"{what}: {row['error']}")
            return
        tell(f"{what}: {row['total_s']:.2f} s, downtime {row['downtime_ms']:.0f} ms, "
             f"seen {row['guest_gap_ms']:.0f} ms, {row['throughput'] / 1e6:.0f} MB/s, "
             f"CPU {row.get('busy_s', 0):.2f} s"
             + ("" if row["ok"] else "  GUEST DATA IS WRONG"))

    # Scenarios

    def scenario(self, name):
        scenario = SCENARIOS[name]
        tell(f"{name}: {scenario.title}")
        try:
            if scenario.link or name.startswith("idle"):
                self.limits(name, scenario)
            if scenario.fresh:
                self.fresh_guests(name, scenario)
            else:
                self.start(name, scenario)
                if scenario.rates:
                    self.ladders(name, scenario)
                else:
                    self.rounds(name, scenario)
        except ERRORS as e:
            self.ended(name, scenario, e)
        self.save()

    def ended(self, name, scenario, error):
        traceback.print_exc()
        self.result["scenarios"].setdefault(name, {"title": scenario.title})["error"] = str(error)
        tell(f"{name}: {error}")

    def rounds(self, name, scenario):
        """All systems in turn, so that a change of the machine meets all of them"""
        tried, systems = set(), list(scenario.systems)
        for number in range(1, self.repeat + 1):
            for system in systems:
                if system in tried:
                    continue
                row = self.move(name, scenario, BY_NAME[system], number, scenario.rate)
                if row.get("error") == "does not converge":
                    tried.add(system)
            # Another direction and another one before it
            systems.append(systems.pop(0))

    def verify(self, row):
        """
        Is all memory right? This also touches all of it: page tables of a QEMU
        that vmmig has just filled are empty, and would be quick to scan.
        """
        row["verify"] = self.sides[self.at].guest("verify", 300).strip()
        row["ok"] &= row["verify"].startswith("ok")
        if not row["verify"].startswith("ok"):
            tell(f"GUEST DATA IS WRONG: {row['verify']}")

    def fresh_guests(self, name, scenario):
        for number in range(1, self.repeat + 1):
            for system in scenario.systems:
                private = scenario.private and not system.startswith("vmmig")
                self.start(name, scenario, private)
                self.move(name, scenario, BY_NAME[system], number)
                self.stop()

    def ladders(self, name, scenario):
        """A system goes up until it can't, or the guest can't"""
        for system in scenario.systems:
            best, end = None, False
            for rate in scenario.rates:
                self.sides[self.at].guest(f"rate {rate}")
                time.sleep(1)
                row = self.move(name, scenario, BY_NAME[system], 1, rate)
                if not row["ok"]:
                    break
                best = row["rate_before"]
                end = best < 0.7 * rate     # all that the guest can do
                if end:
                    break
            found = {"rate": best, "guest_limit": end, "verify": row.get("verify")}
            self.result["scenarios"][name].setdefault("converges", {})[system] = found
            self.sides[self.at].guest("rate 0")
            found["verify"] = found["verify"] or self.sides[self.at].guest("verify", 300).strip()
            tell(f"{name}, {BY_NAME[system].title}: converges up to {best} MB/s, guest data {found['verify']}")

    def limits(self, name, scenario):
        """What a TCP stream can do on this link, without and with a copy"""
        for words in ([], ["-Z"]):
            for number in range(1, self.repeat + 1):
                row = iperf(self.sides, words, 6 if scenario.link else 4)
                row |= {"scenario": name, "repeat": number, "title": "iperf3" + (" -Z" if words else "")}
                self.result["link"].append(row)
                if scenario.link:
                    break
            tell(f"{row['title']}: {row['throughput'] / 1e6:.0f} MB/s, CPU {row['cpu_per_gib']:.2f} s/GiB")
        for number in range(1, self.repeat + 1):
            row = place(self.sides[1]) | {"scenario": name, "repeat": number, "title": PLACE}
            self.result["link"].append(row)
        tell(f"{PLACE}: {row['throughput'] / 1e6:.0f} MB/s")


def iperf(sides, words, seconds):
    source, target = sides
    run(target.words("iperf3", "-s", "-1", "-D"))
    if source.local and not target.local:
        time.sleep(1)
    sampler = Sampler(source, target)
    b0, t0 = busy() - time.process_time(), time.monotonic()
    time.sleep(1)
    rest = (busy() - time.process_time() - b0) / (time.monotonic() - t0)
    sampler.start()
    t0 = time.monotonic()
    try:
        out = json.loads(run(source.words("iperf3", "-c", target.address, "-t", str(seconds), "-J", *words)))
    finally:
        t1 = time.monotonic()
        sampler.end()
    sent = sampler.between(t0, t1, 1)
    row = {"throughput": sampler.throughput(t0, t1), "bytes": sent,
           "iperf3": out["end"]["sum_received"]["bits_per_second"] / 8,
           "curve": sampler.curve(t0, t1)}
    if target.local:        # else it is half of the truth
        row["cpu_per_gib"] = (sampler.between(t0, t1, 3) - rest * (t1 - t0)) / (sent / GIB)
    return row


def place(side):
    """What pages of tmpfs cost that are allocated and filled without a network"""
    t0 = time.monotonic()
    side.sh(f"dd if=/dev/zero of={side.ram()} bs=1M count=1024 2>/dev/null")
    row = {"throughput": GIB / (time.monotonic() - t0)}
    side.sh(f"rm {side.ram()}")
    return row


def facts():
    return {"kernel": os.uname().release, "cpus": os.cpu_count(),
            "qemu": run(["qemu-system-x86_64", "--version"]).split()[3],
            "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}


def warm(megabytes):
    """Emulated memory is made at its first use: not while it is measured"""
    sh("for i in 1 2; do dd if=/dev/zero of=/dev/shm/warm$i bs=1M count=$1 2>/dev/null & done;"
       "wait; rm /dev/shm/warm*", str(megabytes // 2), timeout=900)


def main():
    pair = sys.argv[1] == "--pair"
    repeat, systems, *name = sys.argv[1 + pair:]
    sides = (lab.Host("a"), lab.Host("b")) if pair else lab.one_host()
    bench = Bench(sides, int(repeat), pair)
    for scenario in SCENARIOS.values():
        scenario.systems = [s for s in scenario.systems if not systems or s in systems.split(",")]
    try:
        run(["insmod", MODULE])
        if pair:
            run(sides[1].words("insmod", MODULE))
        run(["vm", "peer", "start"])
        if pair:
            over_two_hosts(bench)
        else:
            scenario = SCENARIOS[name[0]]
            # A file as large as the host's RAM, and private RAM that is larger
            sh("mount -o remount,size=100% /dev/shm; echo 1 >/proc/sys/vm/overcommit_memory")
            if scenario.link:
                lab.shape(sides, scenario.link)
            warm(scenario.memory() - 2048)
            bench.scenario(name[0])
    finally:
        bench.save()
        bench.stop()
        run(["vm", "peer", "stop"], check=False)
        for side in sides:
            side.end()
    errors = [i["error"] for i in (*bench.result["scenarios"].values(), *bench.result["moves"]) if "error" in i]
    if any(e != "does not converge" for e in errors):
        sys.exit(1)


def over_two_hosts(bench):
    scenario = SCENARIOS["idle-1g"]
    name = "two-hosts"
    scenario.title = "idle, 1 GiB filled, two hosts"
    for number in range(1, bench.repeat + 1):
        for words in ([], ["-Z"]):
            row = iperf(bench.sides, words, 4)
            row |= {"scenario": name, "repeat": number, "title": "iperf3" + (" -Z" if words else "")}
            bench.result["link"].append(row)
    systems = [s for s in scenario.systems if s in MAIN]
    for number in range(1, bench.repeat + 1):
        for system in systems:
            try:
                bench.start(name, scenario)
                bench.move(name, scenario, BY_NAME[system], number)
                bench.stop()
            except ERRORS as e:
                bench.ended(name, scenario, e)
        systems.append(systems.pop(0))


main()

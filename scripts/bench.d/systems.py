# SPDX-License-Identifier: GPL-2.0
"""The systems that are compared. Each moves the guest g between two sides.

A move returns the times (of this host's clock) between which it took place:
from when both ends are ready to when the guest runs at the target, and what
the system itself says about it. None: it did not converge in time.
"""
import json
import os
import selectors
import shlex
import subprocess
import threading
import time

from lab import BUILD, OUT, Failed, Qmp, run

PORT = 4444
DOWNTIME_MS = 300
HUGE = 1 << 40          # bytes per second: no limit
PLACE = "dd to tmpfs"   # how fast one CPU makes and fills pages
CAPABILITIES = ("multifd", "zero-copy-send")


class Moment(threading.Thread):
    """When did a QEMU tell an event of its guest? None: not seen until over is set.
    A monitor serves one client at a time, so it is left as soon as it can be."""

    def __init__(self, path, event):
        super().__init__(daemon=True)
        self.path, self.event, self.at, self.over = path, event, None, threading.Event()
        self.start()

    def run(self):
        while not self.at and not self.over.is_set():
            try:
                self.listen()
            except (Failed, OSError):
                self.over.wait(0.05)    # there is no QEMU yet, or no longer

    def listen(self):
        qmp = Qmp(self.path, 0)
        try:
            while not self.at and not self.over.is_set():
                seen = qmp.wait(self.event, time.monotonic() + 0.2)
                self.at = seen and seen[0]
        finally:
            qmp.close()


class Vmmig:
    def __init__(self, name, streams):
        self.name, self.streams = name, streams
        self.title = f"vmmig, {streams} stream{'s' if streams > 1 else ''}"

    def prepare(self, source, target, guest):
        """vmmig-qemu starts the target's QEMU by itself, but for its tap"""
        del source, guest
        target.make_tap()

    def command(self, source, target, limit):
        words = [f"{BUILD}/userspace/build/vmmig-qemu", "migrate", "--qmp", "/run/g.qmp",
                 "--json", "--quiet", "--streams", str(self.streams), "--connect", target.address,
                 "--downtime-limit", str(DOWNTIME_MS),
                 "--timeout", str(limit), "--timeout-action", "abort",
                 "--dest-ram", f"mem={target.ram()}", "--dest-log", f"{OUT}/target.log",
                 "--dest-replace", f"{OUT}/g.{source.uts}.={OUT}/g.{target.uts}."]
        if target.words("x")[0] == "nsenter":
            # The remote shell is followed by a host and one word of shell
            words += ["--rsh", shlex.join(target.words("sh", "-c", 'shift; exec sh -c "$*"', "rsh"))]
        words += ["--remote-path", f"{BUILD}/userspace/build/vmmig-qemu", target.uts]
        return source.words(*words)

    def move(self, source, target, limit):
        moments = [Moment(side.path("/run/g.mon"), event) if side.local else None
                   for side, event in ((source, "STOP"), (target, "RESUME"))]
        try:
            report = self.report(source, target, limit)
            return report and self.result(report, *moments)
        finally:
            for m in filter(None, moments):
                m.over.set()

    def report(self, source, target, limit):
        """What vmmig-qemu says about its move; None: it was not done in time"""
        out = b""
        with open(f"{OUT}/vmmig.log", "w", encoding="utf-8") as log, \
                subprocess.Popen(self.command(source, target, limit), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=log) as process, \
                selectors.DefaultSelector() as wait:
            wait.register(process.stdout, selectors.EVENT_READ)
            end = time.monotonic() + limit + 120
            while True:
                if not wait.select(max(0, end - time.monotonic())):
                    process.terminate()
                    try:
                        process.wait(60)
                    except subprocess.TimeoutExpired:
                        process.kill()
                    raise Failed("vmmig-qemu does not end")
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    break
                out += data
        try:
            report = json.loads(out)
        except ValueError as e:
            with open(f"{OUT}/vmmig.log", encoding="utf-8") as f:
                raise Failed(f"vmmig-qemu: {f.read().strip()[-300:]}") from e
        if process.returncode:
            if "time limit" in (report.get("error") or ""):
                return None
            raise Failed(f"vmmig-qemu: {report.get('error')}")
        return report

    @staticmethod
    def result(report, stop, arrival):
        us = report["us"]
        seconds = (us["precopy"] + us["downtime"]) / 1e6
        end = None
        if arrival:
            arrival.join(5)
            if not arrival.at:
                raise Failed("the guest was not seen to run at the target")
            end = arrival.at
        return {
            # Without an end, the first bytes on the link tell the start
            "start": end and end - seconds, "end": end, "total_s": seconds,
            "stop": stop and stop.at,
            "downtime_ms": us["downtime"] / 1e3, "setup_s": us["setup"] / 1e6,
            "scans_ms": us["final-scan"] / 1e3 + report["ram"]["confirm-ns"] / 1e6,
            "kernel_bytes": report["ram"]["kernel-bytes"],
            "kernel_cpu_source_s": us["cpu-source"] / 1e6,
            "kernel_cpu_target_s": us["cpu-destination"] / 1e6,
            "passes": report["ram"]["passes"], "report": report,
        }


class Qemu:
    def __init__(self, name, title, capabilities=()):
        self.name, self.title, self.capabilities = name, title, capabilities

    def settings(self, do):
        # The source was the target of another system
        do("migrate-set-capabilities", capabilities=[
            {"capability": c, "state": c in self.capabilities} for c in CAPABILITIES])
        values = {"max_bandwidth": HUGE, "downtime_limit": DOWNTIME_MS}
        if "multifd" in self.capabilities:
            values["multifd_channels"] = 2
        do("migrate-set-parameters", **values)

    def prepare(self, source, target, guest):
        del source
        target.vm("start", "g", "--incoming", "--ram", target.ram(), *guest)

        def do(command, **arguments):
            request = {"execute": command,
                       "arguments": {k.replace("_", "-"): v for k, v in arguments.items()}}
            run(target.words("/vmmig-guest/ask", "-q", "/run/g.mon", "30", json.dumps(request)),
                command)

        self.settings(do)
        do("migrate-incoming", uri=f"tcp:{target.address}:{PORT}")

    def move(self, source, target, limit):
        qmp = Qmp(source.path("/run/g.mon"))
        there = Qmp(target.path("/run/g.mon")) if target.local else None
        try:
            return self.steps(qmp, there, target, limit)
        finally:
            qmp.close()
            if there:
                there.close()

    def steps(self, qmp, there, target, limit):
        caps = [{"capability": "events", "state": True}]
        qmp.do("migrate-set-capabilities", capabilities=caps)
        self.settings(qmp.do)
        start = time.monotonic()
        qmp.do("migrate", uri=f"tcp:{target.address}:{PORT}")
        ended = qmp.wait("MIGRATION", start + limit, ("completed", "failed"))
        if not ended:
            # One that is about to stop the guest is let through
            qmp.do("migrate_cancel")
            ended = qmp.wait("MIGRATION", start + limit + 60, ("completed", "failed", "cancelled"))
            if not ended or ended[1] != "completed":
                return None
        info = qmp.do("query-migrate")
        if ended[1] != "completed":
            raise Failed(f"QEMU: {info.get('error-desc', 'the migration failed')}")
        resumed = there.wait("RESUME", time.monotonic() + 30) if there else ended
        if not resumed:
            raise Failed("the guest does not run at the target")
        stop = qmp.wait("STOP", 0)
        return {"start": start, "end": resumed[0], "total_s": resumed[0] - start,
                "stop": stop and stop[0],
                "downtime_ms": info["downtime"],
                "setup_s": 0, "passes": info["ram"].get("dirty-sync-count"), "report": info}


SYSTEMS = [
    Vmmig("vmmig-1", 1),
    Vmmig("vmmig-2", 2),
    Qemu("precopy", "QEMU precopy"),
    Qemu("multifd", "QEMU multifd, 2 channels", ("multifd",)),
    Qemu("zerocopy", "QEMU multifd, zero-copy-send", CAPABILITIES),
]
BY_NAME = {s.name: s for s in SYSTEMS}

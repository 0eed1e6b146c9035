# SPDX-License-Identifier: GPL-2.0
"""What the host does, every 50 ms: bytes on the link, busy CPUs, QEMU's share.

The sampler's own CPU time is taken off the host's.
"""
import os
import threading
import time

from lab import Failed, read

INTERVAL = 0.05
TICK = os.sysconf("SC_CLK_TCK")


def busy():
    """Seconds all CPUs were busy, without what guests ran"""
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    # user nice system idle iowait irq softirq steal guest guest_nice; user has guest in it
    return (v[0] + v[1] + v[2] + v[5] + v[6] - v[8] - v[9]) / TICK


def process_cpu(pid):
    """Seconds a process used, without its guest's; None if it has gone"""
    try:
        f = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(f[11]) + int(f[12]) - int(f[40])) / TICK


def process_memory(pid):
    """Bytes of its own memory; guest RAM is a file, and so not in it"""
    try:
        for line in read(f"/proc/{pid}/status").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return None


class Sampler(threading.Thread):
    def __init__(self, source, target, gap=None):
        """@gap: asks for the guest's largest silence until now, in ms"""
        super().__init__(daemon=True)
        self.gap, self.gaps = gap, []
        self.source, self.target = source, target
        self.rows, self.over, self.error = [], threading.Event(), None
        self.cpu = {"source": [], "target": []}     # of QEMU: (time, seconds)
        self.memory = {"source": [], "target": []}

    def process(self, key, side, also_memory):
        pid = side.qemu()
        if not pid:
            return
        now, cpu = time.monotonic(), process_cpu(pid)
        if cpu is not None:
            self.cpu[key].append((now, cpu))
        memory = process_memory(pid) if also_memory else None
        if memory is not None:
            self.memory[key].append((now, memory))

    def take(self, n=0):
        tx, rx = self.source.link_bytes()
        self.rows.append((time.monotonic(), tx, rx, busy() - time.process_time()))
        if self.gap and not n % 2:
            ms = self.gap()
            if not self.gaps or ms > self.gaps[-1][1]:
                self.gaps.append((time.monotonic(), ms))
        if not n % 4:
            self.process("source", self.source, not n % 8)
            self.process("target", self.target, not n % 8)

    def run(self):
        n = 0
        while not self.over.is_set():
            try:
                self.take(n)
            except (Failed, OSError, ValueError) as e:
                self.error = e
                return
            n += 1
            self.over.wait(INTERVAL)

    def end(self):
        """The last sample; fails if one before it did"""
        self.over.set()
        self.join()
        if self.error:
            raise Failed(f"the sampler ended early: {self.error}")
        self.take()

    def at(self, when, column):
        """Value of a column at a time, between two samples"""
        before = self.rows[0]
        for row in self.rows:
            if row[0] >= when:
                if row[0] == before[0]:
                    return row[column]
                part = (when - before[0]) / (row[0] - before[0])
                return before[column] + part * (row[column] - before[column])
            before = row
        return before[column]

    def between(self, start, end, column):
        return self.at(end, column) - self.at(start, column)

    def process_seconds(self, key, start, end):
        v = [c for t, c in self.cpu[key] if start - 0.3 <= t <= end + 0.3]
        return v[-1] - v[0] if len(v) > 1 else 0.0

    def growth(self, key, start, end):
        v = [m for t, m in self.memory[key] if t <= end + 0.3]
        before = [m for t, m in self.memory[key] if t <= start] or v[:1]
        return max(0, max(v) - before[-1]) if v else 0

    def throughput(self, start, end):
        """Bytes per second while the middle 90 % of all bytes were sent"""
        first, last = self.at(start, 1), self.at(end, 1)
        low, high = (first + (last - first) * x for x in (0.05, 0.95))
        t0, t1 = self.when(low), self.when(high)
        return (high - low) / (t1 - t0) if t1 > t0 else 0.0

    def when(self, value):
        before = self.rows[0]
        for row in self.rows:
            if row[1] >= value:
                if row[1] == before[1]:
                    return row[0]
                return before[0] + (row[0] - before[0]) * (value - before[1]) / (row[1] - before[1])
            before = row
        return before[0]

    def silences(self, start):
        """[seconds since the start, ms]: whenever a silence was the longest yet"""
        return [[round(t - start, 2), ms] for t, ms in self.gaps]

    def curve(self, start, end):
        """[seconds since the start, bytes sent since then] for the plot"""
        base = self.at(start, 1)
        return [[round(t - start, 3), round(tx - base)] for t, tx, _, _ in self.rows
                if start - 0.1 <= t <= end + 0.1]

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The part of the demo that runs on host A of the lab.

Starts a guest under load, moves it to host B, back, and so on, and writes
all figures to /vmmig-out/result.json. Lines for scripts/demo on standard
output: '@phase TEXT' begins a step, '@live TEXT' is its progress, '@fail TEXT'
says why it ended early, '@log FILE' is the log that shows it.
"""
import argparse
import json
import os
import re
import selectors
import shlex
import subprocess
import sys
import time

OUT = "/vmmig-out"
HERE = os.path.dirname(os.path.abspath(__file__))
ASK = "/vmmig-guest/ask"
MOVE_SECONDS = 240
MIB = 1 << 20
PAGE = 4096


class Failed(Exception):
    def __init__(self, text, log=None):
        super().__init__(text)
        self.log = log


def tell(kind, text):
    print(f"@{kind} {text}", flush=True)


def on(host, *words):
    """The command line that runs words on a host"""
    return list(words) if host == "hosta" else ["ssh", host, shlex.join(words)]


def start(host, *words):
    return subprocess.Popen(on(host, *words), stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process, what):
    out, _ = process.communicate(timeout=150)
    if process.returncode:
        lines = out.strip().splitlines()
        raise Failed(f"{what}: {lines[-1] if lines else f'exit code {process.returncode}'}")
    return out


def run(host, what, *words):
    return finish(start(host, *words), what)


def wait_for(what, look, seconds=60):
    """Ask look() until it returns something"""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise Failed(f"{what}: not within {seconds} s")


def guest(host, command, seconds=20):
    """An answer of the guest's workload"""
    return run(host, f"the guest does not answer on {host}", ASK, "/run/g.cmd",
               str(seconds), command)


def guest_status(host):
    return json.loads(guest(host, "status"))


def peer(command):
    return run("hosta", "the peer does not answer", ASK, "/run/peer.ctl", "10", command)


def megabytes(size):
    n, unit = re.fullmatch(r"(\d+)([MG]?)", size).groups()
    return int(n) << (10 if unit == "G" else 0)


PREPARE = f"""
set -e
insmod /vmmig-build/vmmig.ko
if [ "$(hostname)" = hostb ]; then
    ip tuntap add tap-g mode tap vnet_hdr
    ip link set tap-g master br0 up
    ssh -o ControlMaster=yes -o ControlPersist=yes -fN hosta </dev/null >/run/ssh.log 2>&1
fi
setsid {HERE}/compare.py serve </dev/null >/run/compare.log 2>&1 &
"""


def prepare(args):
    hosts = {h: start(h, "bash", "-c", PREPARE) for h in ("hosta", "hostb")}
    run("hosta", "the outside world does not start", "vm", "peer", "start")
    memory = megabytes(args.mem)
    load = f"wl.mem={memory // 4}M wl.fill={memory // 8}M wl.rate={args.rate}"
    run("hosta", "the guest does not start", "vm", "start", "g", "--machine", args.machine,
        "--smp", str(args.smp), "--mem", args.mem, "--ring", str(args.ring), "--append", load)
    tell("phase", "the guest boots on hosta")
    try:
        run("hosta", "the guest does not boot", "vm", "wait", "g", "120")
        for host, process in hosts.items():
            finish(process, f"cannot prepare {host}")
        return wait_for("the guest's load does not begin", loaded)
    except Failed as e:
        e.log = e.log or f"{OUT}/g.hosta.console.log"
        raise


def loaded():
    s = guest_status("hosta")
    return s["tcp_msgs"] > 20 and s["disk_ops"] > 1 and s["mem_pages_verified"] > 0 and s


def size(n):
    return f"{n / MIB:.1f} MiB" if n < 1 << 30 else f"{n / (1 << 30):.2f} GiB"


class Progress:
    """What vmmig-qemu prints to standard error, as lines for people"""
    def __init__(self, log, compare):
        self.log, self.compare = log, compare
        self.last, self.lines, self.comparing = 0, [], False

    def line(self, line):
        try:
            p = json.loads(line)
        except ValueError:
            self.log.write(line + "\n")
            self.lines.append(line)
            return
        if time.monotonic() - self.last < 0.4 or not p.get("pass"):
            return
        self.last = time.monotonic()
        text = f"pass {p['pass']}: {size(p['bytes'])} sent, {size(p['bytes-rate'])}/s"
        # Known from the first pass after the first one
        if p["pass"] > 2:
            text += (f"; {size(p['pages-remaining'] * PAGE)} left, the VM writes "
                     f"{size(p['dirty-pages-rate'] * PAGE)}/s")
        tell("live", text)

    def idle(self):
        if not self.comparing and os.path.exists(self.compare):
            self.comparing = True
            tell("live", "the VM stands still: comparing the RAM of both hosts")


def follow(process, progress):
    """Read both outputs until they end; returns the first"""
    out, rest = b"", b""
    end = time.monotonic() + MOVE_SECONDS
    with selectors.DefaultSelector() as files:
        files.register(process.stdout, selectors.EVENT_READ)
        files.register(process.stderr, selectors.EVENT_READ)
        while files.get_map():
            if time.monotonic() > end:
                process.terminate()
                raise Failed(f"the move did not end within {MOVE_SECONDS} s", progress.log.name)
            for key, _ in files.select(0.3):
                data = os.read(key.fd, 65536)
                if not data:
                    files.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    out += data
                else:
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        progress.line(line.decode(errors="replace").rstrip("\r"))
            progress.idle()
    process.wait()
    return out.decode(errors="replace")


def read_json(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def migrate(move, name, source, target):
    """Runs vmmig-qemu at the source"""
    compare = f"{OUT}/{name}.compare.json"
    words = on(source, "vmmig-qemu", "migrate", "--qmp", "/run/g.qmp", "--json",
               "--progress-json", "--hook-stopped", f"{HERE}/compare.py check {compare}",
               # each QEMU has logs of its own
               "--dest-replace", f"{OUT}/{move['files']}={OUT}/{name}", target)
    began = time.monotonic()
    with open(f"{OUT}/{name}.log", "w", encoding="utf-8") as log:
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            progress = Progress(log, compare)
            out = follow(process, progress)
        log.write(out)
    move["wall"] = time.monotonic() - began
    move["exit"] = process.returncode
    move["compare"] = read_json(compare)
    try:
        move["vmmig"] = json.loads(out)
    except ValueError:
        move["vmmig"] = {}
    if process.returncode:
        why = move["vmmig"].get("error") or (progress.lines or ["no reason given"])[-1]
        at = move["vmmig"].get("step")
        raise Failed(f"vmmig-qemu ended with {process.returncode}"
                     f"{f' at {at!r}' if at else ''}: {why}", f"{OUT}/{name}.log")


def heard(before):
    """Both the heartbeat and the TCP connection have reached the peer again"""
    p = json.loads(peer("status"))
    return (p["tcp_msgs"] > before["tcp_msgs"] and 0 <= p["udp_silent_ms"] < 1000) and p


def source_gone(host):
    """Is there no QEMU and no RAM file of the VM any more?"""
    done = start(host, "sh", "-c", "! pgrep -x qemu-system-x86 && ! ls /dev/shm/g.ram")
    done.communicate(timeout=30)
    return done.returncode == 0


def one_move(result, n, source, target):
    move = {"number": n, "from": source, "to": target, "files": "g.hosta" if n == 1 else f"move{n - 1}"}
    result["moves"].append(move)
    tell("phase", f"move {n}: {source} -> {target}")
    guest(source, "reset-gap")
    peer("reset")
    move["guest-before"] = guest_status(source)
    time.sleep(0.3)
    before = json.loads(peer("status"))
    try:
        migrate(move, f"move{n}", source, target)
        tell("live", f"the VM runs on {target}: verifying all its memory")
        gone = source_gone(source)
        # What came before the VM stopped is older than this
        at_end = json.loads(peer("status"))
        try:
            move["peer"] = wait_for("the outside world hears nothing of the VM",
                                    lambda: heard(at_end), 20)
        except Failed:
            move["peer"] = json.loads(peer("status"))
        move["guest-after"] = guest_status(target)
        move["verify"] = guest(target, "verify", 100).strip()
        move["guest-end"] = guest_status(target)
        move["source-gone"] = gone
    finally:
        move["peer-before"] = before


def unload(result):
    for host in ("hosta", "hostb"):
        try:
            run(host, f"the module on {host} cannot be unloaded", "rmmod", "vmmig")
        except Failed as e:
            result["notes"].append(str(e))


def facts(args):
    text = run("hosta", "no kernel release", "sh", "-c", "uname -r; qemu-system-x86_64 --version | head -n1")
    there = run("hostb", "no kernel release", "sh", "-c", "uname -r; qemu-system-x86_64 --version | head -n1")
    hosts = {}
    for host, lines in (("hosta", text), ("hostb", there)):
        kernel, qemu = lines.strip().splitlines()[:2]
        hosts[host] = {"kernel": kernel, "qemu": re.sub(r".*version (\S+).*", r"\1", qemu)}
    return {"hosts": hosts, "guest": vars(args)}


def main():
    parser = argparse.ArgumentParser()
    for name, kind in (("machine", str), ("smp", int), ("mem", str), ("ring", int),
                       ("moves", int), ("rate", str)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    args = parser.parse_args()
    result = {"moves": [], "failed": None, "notes": [], "step": "preparing the hosts"}
    try:
        result |= facts(args)
        prepare(args)
        at, other = "hosta", "hostb"
        for n in range(1, args.moves + 1):
            result["step"] = f"move {n}"
            one_move(result, n, at, other)
            at, other = other, at
        result["step"] = "ending"
        tell("phase", "stopping the guest, unloading the module")
        run(at, "the guest's QEMU does not end", ASK, "-q", "/run/g.qmp", "20", '{"execute":"quit"}')
        wait_for("the guest's QEMU does not end", lambda: source_qemu_gone(at), 20)
        unload(result)
    except (Failed, subprocess.TimeoutExpired, ValueError, KeyError) as e:
        text = str(e) if isinstance(e, Failed) else f"{type(e).__name__}: {e}"
        result["failed"] = text
        tell("fail", text)
        log = getattr(e, "log", None)
        if log:
            tell("log", log)
    with open(f"{OUT}/result.json", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
    sys.exit(1 if result["failed"] else 0)


def source_qemu_gone(host):
    done = start(host, "pgrep", "-x", "qemu-system-x86")
    done.communicate(timeout=30)
    return done.returncode == 1


main()

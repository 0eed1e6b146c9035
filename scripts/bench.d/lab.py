# SPDX-License-Identifier: GPL-2.0
"""Two sides of a migration, and how to talk to what runs there.

A side has a name, the address that RAM is sent to, and a private /run, so that
one QEMU command line fits both. Sides are two sets of namespaces of one host,
or the two hosts of a pair.
"""
import json
import os
import select
import shlex
import socket
import subprocess
import time

OUT = "/vmmig-out"
BUILD = "/vmmig-build"
LINK = "mig0"
BEGAN = time.monotonic()


class Failed(Exception):
    pass


def tell(text):
    print(f"@live {time.monotonic() - BEGAN:5.0f} {text}", flush=True)


def run(words, what=None, timeout=150, check=True):
    """Run a program to its end, return what it printed"""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as e:
        raise Failed(f"{what or words[0]}: no end within {timeout} s") from e
    if check and done.returncode:
        lines = done.stdout.strip().splitlines()
        raise Failed(f"{what or ' '.join(words)}: {lines[-1] if lines else done.returncode}")
    return done.stdout


def sh(text, *rest, timeout=150):
    return run(["sh", "-ec", text, "sh", *rest], timeout=timeout)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


class Lines:
    """A unix socket that speaks in lines"""

    def __init__(self, path, seconds=20):
        self.sock, self.rest = socket.socket(socket.AF_UNIX), b""
        end = time.monotonic() + seconds
        while True:
            try:
                self.sock.connect(path)
                return
            except OSError as e:
                if time.monotonic() > end:
                    self.sock.close()
                    raise Failed(f"{path}: {e.strerror}") from e
                time.sleep(0.05)

    def send(self, text):
        self.sock.sendall(text.encode() + b"\n")

    def line(self, seconds):
        """The next line, None if it does not come in time"""
        end = time.monotonic() + seconds
        while b"\n" not in self.rest:
            if not select.select([self.sock], [], [], max(0, end - time.monotonic()))[0]:
                return None
            data = self.sock.recv(65536)
            if not data:
                raise Failed("a socket was closed by its server")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace")

    def close(self):
        self.sock.close()


def ask(path, question, seconds=60):
    s = Lines(path)
    try:
        s.send(question)
        line = s.line(seconds)
    finally:
        s.close()
    if line is None:
        raise Failed(f"{path}: no answer to '{question}'")
    return line


class Qmp:
    """Commands to a QEMU and its events, each with QEMU's own time"""

    def __init__(self, path, seconds=20):
        self.lines, self.events = Lines(path, seconds), []
        try:
            self.next(20)
            self.do("qmp_capabilities")
        except Failed:
            self.close()
            raise

    def next(self, seconds):
        line = self.lines.line(seconds)
        if line is None:
            return None
        msg = json.loads(line)
        if "event" in msg:
            at = msg["timestamp"]["seconds"] + msg["timestamp"]["microseconds"] / 1e6
            self.events.append((at - time.time() + time.monotonic(), msg["event"], msg.get("data") or {}))
        return msg

    def do(self, command, **arguments):
        request = {"execute": command}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.lines.send(json.dumps(request))
        while True:
            msg = self.next(30)
            if msg is None:
                raise Failed(f"QEMU does not answer to {command}")
            if "error" in msg:
                raise Failed(f"{command}: {msg['error']['desc']}")
            if "return" in msg:
                return msg["return"]

    def wait(self, event, end, statuses=None):
        """(time, status) of an event, also one that came before; None at the end"""
        seen = 0
        while True:
            for at, name, data in self.events[seen:]:
                if name == event and (not statuses or data.get("status") in statuses):
                    return at, data.get("status")
            seen = len(self.events)
            if time.monotonic() > end:
                return None
            self.next(min(0.5, max(0.01, end - time.monotonic())))

    def close(self):
        self.lines.close()


class Side:
    """What both kinds of sides share: a guest named g"""
    local = True

    def vm(self, *words, check=True, timeout=150):
        return run(self.words("vm", *words), f"vm {words[0]}", timeout, check)

    def ram(self):
        return f"/dev/shm/{self.name}.ram"

    def guest(self, question, seconds=100):
        if self.local:
            return ask(self.path("/run/g.cmd"), question, seconds)
        return self.vm("cmd", "g", question)

    def status(self):
        return json.loads(self.guest("status"))

    def qemu(self):
        """Process of the guest's QEMU, None if there is none"""
        try:
            return int(read(self.path("/run/g.pid")))
        except (OSError, ValueError):
            return None

    def make_tap(self):
        self.sh("ip tuntap add tap-g mode tap vnet_hdr && ip link set tap-g master br0 up")

    def sh(self, text):
        return run(self.words("sh", "-ec", text))

    def clean(self):
        """Nothing of the guest stays here"""
        self.vm("stop", "g", check=False)
        self.sh(f"ip link del tap-g 2>/dev/null || true; rm -f {self.ram()}")


class Namespaces(Side):
    def __init__(self, name, number):
        self.name, self.address = name, f"10.77.0.{number}"
        self.uts = name
        self.holder = subprocess.Popen(
            ["unshare", "-m", "-n", "-u", "--propagation", "private", "sh", "-ec",
             f"hostname {name}; mount -t tmpfs tmpfs /run; mount -t sysfs sysfs /sys;"
             "ip link set lo up; touch /run/ready; exec sleep infinity"])
        end = time.monotonic() + 20
        while not os.path.exists(self.path("/run/ready")):
            if time.monotonic() > end:
                raise Failed("cannot make namespaces")
            time.sleep(0.05)
        sh(f"ip link add up-{name} type veth peer name eth0 netns {self.holder.pid};"
           f"ip link set up-{name} master br0 up")
        self.sh("ip link add br0 type bridge forward_delay 0 mcast_snooping 0;"
                "ip link set eth0 master br0 up;"
                f"ip addr add 192.168.77.{10 + number}/24 dev br0; ip link set br0 up")

    def words(self, *words):
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-n", "-u", *words]

    def path(self, path):
        return f"/proc/{self.holder.pid}/root{path}"

    def link_bytes(self):
        """Sent and received on the link between the sides"""
        for line in read(f"/proc/{self.holder.pid}/net/dev").splitlines():
            name, _, rest = line.partition(":")
            if name.strip() == LINK:
                f = rest.split()
                return int(f[8]), int(f[0])
        raise Failed(f"no {LINK}")

    def end(self):
        self.holder.kill()
        self.holder.wait()


class Host(Side):
    """A host of a pair; the bench runs on A"""

    def __init__(self, name):
        self.name, self.uts = name, f"host{name}"
        self.local = name == "a"
        self.address = "192.168.77.1" if self.local else "192.168.77.2"

    def words(self, *words):
        return list(words) if self.local else ["ssh", self.uts, shlex.join(words)]

    def path(self, path):
        return path

    def qemu(self):
        return super().qemu() if self.local else None

    def link_bytes(self):
        base = "/sys/class/net/eth0/statistics/"
        return int(read(base + "tx_bytes")), int(read(base + "rx_bytes"))

    def end(self):
        pass


def one_host():
    """Two sides, and between them a link of their own"""
    sh("modprobe -a tun veth bridge; ip link add br0 type bridge forward_delay 0 mcast_snooping 0; ip link set br0 up")
    a, b = Namespaces("a", 1), Namespaces("b", 2)
    sh(f"ip link add {LINK} netns {a.holder.pid} type veth peer name {LINK} netns {b.holder.pid}")
    for side in (a, b):
        side.sh(f"ip addr add {side.address}/24 dev {LINK}; ip link set {LINK} up")
    return a, b


def shape(sides, how):
    """Make the link a slow, long or lossy one; how: '' for as it was"""
    for side in sides:
        side.sh(f"tc qdisc del dev {LINK} root 2>/dev/null || true;"
                f"ip link set {LINK} gso_max_segs {1 if 'loss' in how else 65535}")
        if how:
            side.sh(f"tc qdisc add dev {LINK} root netem {how}")

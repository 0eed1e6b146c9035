# SPDX-License-Identifier: GPL-2.0
"""What is moved, and over what."""

MAIN = ("vmmig-1", "vmmig-2", "precopy", "multifd")
ALL = MAIN + ("zerocopy",)
GIB = 1 << 30


class Scenario:
    """
    title     what it is, for people
    ram       size of the guest's RAM in MiB
    load      options of the guest's workload
    systems   who takes part
    link      netem's arguments, '': none
    rate      MB/s that the guest is told to write
    rates     those to try, one after the other, until a system can't
    limit     seconds, then a system does not converge
    fresh     each move has a guest of its own, since QEMU reads the holes of
              RAM at the source and so fills them
    private   QEMU's guest has private RAM: shared, it would be filled at both
              ends, and not fit
    disk      the guest has one
    smp       its vCPUs; two fill a large RAM faster
    """

    def __init__(self, title, ram, load, systems=MAIN, **more):
        self.title, self.ram, self.load, self.systems = title, ram, load, systems
        self.link, self.rate, self.rates, self.limit = "", None, [], 60
        self.fresh = self.private = self.disk = False
        self.smp = 1
        self.__dict__.update(more)

    def memory(self):
        """MiB of the host: RAM twice, and the host itself"""
        used = 1024 if self.private else self.ram
        return 2 * used + 2048


def filled(gib, **more):
    return Scenario(f"idle, {gib} GiB filled", gib * 1064 + 216, f"wl.fill={gib}G wl.mem=32M wl.rate=0",
                    ALL, smp=2, limit=60 * gib, **more)


def dirty(pattern, hot, **more):
    return Scenario(f"writes, {pattern}, {hot} MiB hot", 1536,
                    f"wl.mem=1G wl.hot={hot}M wl.pattern={pattern[:6]} wl.rate=0",
                    limit=40, **more)


LADDER = [50, 100, 200, 400, 800, 1600, 3200]
FILL = "wl.fill=1G wl.mem=32M wl.rate=0"

SCENARIOS = {
    "idle-1g": filled(1),
    "idle-4g": filled(4),
    "idle-8g": filled(8),
    "sparse-2g": Scenario("2 GiB, 512 MiB touched", 2048, "wl.fill=480M wl.mem=32M wl.rate=0",
                          fresh=True, private=True),
    "sparse-16g": Scenario("16 GiB, 512 MiB touched", 16384, "wl.fill=480M wl.mem=32M wl.rate=0",
                           fresh=True, private=True),
    "dirty-50": dirty("random", 768, rate=50, systems=("vmmig-1", "multifd")),
    "dirty-random-small": dirty("random", 64, rates=LADDER),
    "dirty-random-large": dirty("random", 768, rates=LADDER),
    "dirty-sequential-small": dirty("seq", 64, rates=LADDER),
    "dirty-sequential-large": dirty("seq", 768, rates=LADDER),
    "slowdown": Scenario("writes all it can, 16 MiB hot", 1536,
                         "wl.fill=1G wl.mem=32M wl.hot=16M wl.rate=max"),
    "disk": Scenario("virtio-blk load", 1280, "wl.fill=1G wl.mem=32M wl.rate=0 wl.disk=100", disk=True),
    "wan": Scenario("1 Gbit/s, 100 ms", 1280, FILL, limit=240,
                    link="delay 50ms rate 1gbit limit 100000"),
    "loss": Scenario("1 Gbit/s, 1 % loss", 1280, FILL, limit=240,
                     link="rate 1gbit loss 1% limit 100000"),
}
QUICK = ("idle-1g", "dirty-50")
FULL = tuple(n for n in SCENARIOS if n != "dirty-50")

# SPDX-License-Identifier: GPL-2.0
"""What is to be reached, and what was. Each row: what, target, reached, verdict."""

PAGE = 4096
GIB = 1 << 30
LINK = 1e9 / 8                  # bytes per second of the shaped link


def at_most(value, limit):
    return "not measured" if value is None else "pass" if value <= limit else "miss"


def at_least(value, limit):
    return "not measured" if value is None else "pass" if value >= limit else "miss"


def show(value, text="{:.3f} x"):
    return "-" if value is None else text.format(value)


def divide(a, b):
    return None if a is None or not b else a / b


def against(data, scenario, what, peer, system="vmmig-1"):
    return divide(data.median(scenario, system, what), data.median(scenario, peer, what))


def idle(data, wanted="idle-4g"):
    """The scenario of the target, or the one that was measured"""
    for name in (wanted, "idle-1g", "idle-8g"):
        if None not in (data.median(name, s, "total_s") for s in ("vmmig-1", "multifd")):
            return name
    return wanted


def bulk(data):
    name = idle(data)
    value = divide(data.median(name, "vmmig-1", "throughput"), data.link(name, "iperf3 -Z"))
    yield f"{name}: bulk throughput, one stream, of iperf3 -Z", ">= 0.95 x", show(value), at_least(value, 0.95)
    for peer, limit in (("multifd", 0.5), ("precopy", 0.2)):
        value = against(data, name, "total_s", peer)
        yield f"{name}: total time, of {peer}'s", f"<= {limit} x", show(value), at_most(value, limit)
    value = against(data, name, "cpu_per_gib", "multifd")
    yield f"{name}: CPU seconds per GiB, of multifd's", "<= 0.33 x", show(value), at_most(value, 0.33)


def downtime(data):
    for name in ("idle-1g", "idle-4g"):
        for what, words in (("guest_gap_ms", "seen by the guest"), ("downtime_ms", "reported")):
            value = against(data, name, what, "multifd")
            yield f"{name}: downtime {words}, of multifd's", "<= 1 x", show(value), at_most(value, 1)
    # Both scans of the stopped guest: the final one and the confirming one
    sizes = [(data.ram(n), data.median(n, "vmmig-1", "scans_ms"), data.median(n, "vmmig-1", "downtime_ms"))
             for n in ("idle-1g", "idle-4g", "idle-8g")]
    sizes = [s for s in sizes if None not in s]
    for ram, scans, all_of_it in sizes:
        yield (f"{ram / GIB:.2f} GiB of RAM: both scans of the stopped guest", "shown",
               f"{scans:.0f} of {all_of_it:.0f} ms", "")
    if len(sizes) > 1:
        growth = (sizes[-1][1] - sizes[0][1]) / ((sizes[-1][0] - sizes[0][0]) / GIB)
        yield "both scans, growth for each GiB", "shown", f"{growth:.1f} ms", ""


def writes(data):
    for name, info in data.scenarios.items():
        rates = {k: v["rate"] for k, v in info.get("converges", {}).items()}
        if not rates:
            continue
        ours, theirs = rates.get("vmmig-1"), rates.get("multifd")
        value = divide(ours, theirs)
        verdict = at_least(value, 1.5)
        if {"vmmig-1", "multifd"} <= rates.keys() and not (ours and theirs):
            verdict = "pass" if ours else "miss"
        text = f"{ours or 0:.0f} of {theirs or 0:.0f} MB/s, {show(value)}"
        if info["converges"].get("vmmig-1", {}).get("guest_limit"):
            text += " (all that the guest can write)"
            verdict = "guest's limit" if verdict == "miss" else verdict
        yield f"{name}: highest rate that converges, of multifd's", ">= 1.5 x", text, verdict
    value = against(data, "slowdown", "work_lost_s", "multifd")
    yield "slowdown: work that the guest lost, of multifd's", "<= 1 x", show(value), at_most(value, 1)


def others(data):
    small, large = (data.median(n, "vmmig-1", "total_s") for n in ("sparse-2g", "sparse-16g"))
    value = divide(large, small)
    yield "sparse: total time with 16 GiB, of that with 2 GiB", "<= 1.25 x", show(value), at_most(value, 1.25)
    value = divide(data.median("wan", "vmmig-1", "throughput"), LINK)
    yield "wan: share of the link", ">= 90 %", show(value, "{:.0%}"), at_least(value, 0.9)
    sizes = {data.ram(n): data.median(n, "vmmig-1", "kernel_bytes") for n in data.scenarios
             if data.ram(n) and data.median(n, "vmmig-1", "kernel_bytes")}
    if len(sizes) > 1:
        low, high = min(sizes), max(sizes)
        bits = (sizes[high] - sizes[low]) * 8 / ((high - low) / PAGE)
        yield "kernel memory at the source, growth for each page", "<= 4 bits", f"{bits:.2f} bits", at_most(bits, 4)
    elif sizes:
        (ram, size), = sizes.items()
        yield ("kernel memory at the source, fixed buffers included", "<= 4 bits a page",
               f"{size * 8 * PAGE / ram:.2f} bits", at_most(size * 8 * PAGE / ram, 4))


def rows(data):
    for part in (bulk, downtime, writes, others):
        yield from part(data)

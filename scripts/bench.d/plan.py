# SPDX-License-Identifier: GPL-2.0
"""What a bench runs, and what it needs.

usage: plan.py list | plan.py QUICK REPEAT [SCENARIO...]
Prints a line for each scenario: its name, MiB of a host, and its time limit in
seconds.
"""
import sys

from scenarios import FULL, QUICK, SCENARIOS

PAIR = "two-hosts"


def seconds(scenario, repeat):
    """Patience: boot and fill the guest, and each move"""
    fill = 60 + scenario.ram / 20
    moves = len(scenario.systems) * (repeat if len(scenario.rates) < 2 else len(scenario.rates))
    return fill * (moves if scenario.fresh else 1) + moves * (60 + scenario.ram / 50)


def main():
    if sys.argv[1] == "list":
        for name, s in SCENARIOS.items():
            print(f"{name:24} {s.title}; needs {s.memory() / 1024:.1f} GiB")
        print(f"{PAIR:24} idle, 1 GiB filled, over the network of two hosts; needs 10 GiB")
        return
    quick, repeat, names = sys.argv[1] != "0", int(sys.argv[2]), sys.argv[3:]
    names = names or [*(QUICK if quick else FULL), *([] if quick else [PAIR])]
    for name in names:
        if name != PAIR and name not in SCENARIOS:
            sys.exit(f"bench: there is no scenario '{name}'; see --list")
    for name in names:
        if name == PAIR:
            print(name, 5120, 300 + repeat * 600)
        else:
            print(name, SCENARIOS[name].memory(), round(300 + seconds(SCENARIOS[name], repeat)))


main()

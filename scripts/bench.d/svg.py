# SPDX-License-Identifier: GPL-2.0
"""Plots as SVG: lines over an x axis, and groups of bars."""
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50
COLOURS = ("#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#777777")


def ticks(top):
    """Round numbers from 0 to just above @top"""
    if top <= 0:
        return [0, 1]
    step = 10 ** floor(log10(top))
    step *= 0.2 if top / step < 2 else 0.5 if top / step < 5 else 1
    return [round(i * step, 9) for i in range(ceil(top / step) + 1)]


class Plot:
    def __init__(self, title, y_title, top):
        self.marks = ticks(top)
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>']
        self.text(WIDTH / 2, 20, title, size=15)
        self.text(16, HEIGHT / 2, y_title, turn=True)
        for mark in self.marks:
            y = self.y(mark)
            self.line([(LEFT, y), (WIDTH - RIGHT, y)], "#ddd", 1)
            self.text(LEFT - 6, y + 4, f"{mark:g}", anchor="end")

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.marks[-1] * (HEIGHT - TOP - BOTTOM)

    def text(self, x, y, text, anchor="middle", size=12, turn=False):
        how = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
                          f'font-size="{size}"{how}>{escape(text)}</text>')

    def line(self, points, colour, width=2):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                          f'stroke-width="{width}"/>')

    def bar(self, x, width, value, colour):
        y = self.y(value)
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                          f'height="{HEIGHT - BOTTOM - y:.1f}" fill="{colour}"/>')

    def legend(self, names):
        x = LEFT + 4
        for i, name in enumerate(names):
            self.parts.append(f'<rect x="{x:.0f}" y="{HEIGHT - 18}" width="10" height="10" '
                              f'fill="{COLOURS[i % len(COLOURS)]}"/>')
            self.text(x + 14, HEIGHT - 9, name, anchor="start", size=11)
            x += 24 + 6.2 * len(name)

    def end(self):
        return "\n".join([*self.parts, "</svg>", ""])


def lines(title, x_title, y_title, series):
    """@series: {name: [(x, y), ...]}"""
    points = [p for s in series.values() for p in s]
    plot = Plot(title, y_title, max(y for _, y in points))
    marks = ticks(max(x for x, _ in points))

    def at(x):
        return LEFT + x / marks[-1] * (WIDTH - LEFT - RIGHT)

    for mark in marks:
        plot.text(at(mark), HEIGHT - BOTTOM + 14, f"{mark:g}")
    plot.text((LEFT + WIDTH) / 2, HEIGHT - BOTTOM + 28, x_title)
    for i, values in enumerate(series.values()):
        plot.line([(at(x), plot.y(max(0, y))) for x, y in values], COLOURS[i % len(COLOURS)])
    plot.legend(series)
    return plot.end()


def bars(title, y_title, groups, names):
    """@groups: {group: {name: value}}"""
    plot = Plot(title, y_title, max(v for g in groups.values() for v in g.values()))
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    width = room * 0.85 / len(names)
    for g, (group, values) in enumerate(groups.items()):
        left = LEFT + g * room + room * 0.07
        plot.text(LEFT + (g + 0.5) * room, HEIGHT - BOTTOM + 14, group, size=11)
        for i, name in enumerate(names):
            if name in values:
                plot.bar(left + i * width, width * 0.9, max(0, values[name]), COLOURS[i % len(COLOURS)])
    plot.legend(names)
    return plot.end()

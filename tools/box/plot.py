"""Draws the training log as an SVG: loss, and held-out exactness of each family, over tokens.

    python3 plot.py LOG.jsonl OUT.svg
"""

import json
import math
import sys

WIDTH, HEIGHT, LEFT, TOP, PANEL = 960, 640, 60, 30, 250
HUES = ["#1b6ca8", "#c8553d", "#588157", "#7b2d8b", "#b8860b", "#2a9d8f", "#6c757d", "#d6336c",
        "#3a5a40", "#e07a5f", "#457b9d", "#8d6a9f", "#606c38", "#bc6c25"]


def read(path):
    """(tokens, loss) and (tokens, {family: share}) rows."""
    losses, scores = [], []
    with open(path, encoding="utf-8") as f:
        for row in map(json.loads, f):
            if "loss" in row:
                losses.append((row["tokens"], row["loss"]))
            if "score" in row:
                scores.append((row["tokens"], row["score"]))
    return losses, scores


def line(points, colour, x, y):
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>'


def text(x, y, words, anchor="start", colour="#333"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def rule(y):
    return f'<line x1="{LEFT}" x2="{WIDTH - 160}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'


def draw(losses, scores):
    last = max(t for t, _ in losses + scores)
    low = math.log10(min(v for _, v in losses)) - 0.05
    high = math.log10(max(v for _, v in losses)) + 0.05
    second = TOP + PANEL + 60

    def x(tokens):
        return LEFT + (WIDTH - 160 - LEFT) * tokens / last

    def y_loss(v):
        return TOP + PANEL * (high - math.log10(v)) / (high - low)

    def y_score(v):
        return second + PANEL * (1 - v)

    out = [text(LEFT, 18, "loss of learnt tokens (logarithmic), over millions of tokens read")]
    for v in (5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005):
        if low <= math.log10(v) <= high:
            out += [rule(y_loss(v)), text(LEFT - 6, y_loss(v) + 4, v, "end")]
    out.append(line(losses, HUES[0], x, y_loss))
    out.append(text(LEFT, second - 12, "held-out items whose whole reply is exact"))
    for v in (0, 0.5, 0.95, 1):
        out += [rule(y_score(v)), text(LEFT - 6, y_score(v) + 4, f"{100 * v:.0f}%", "end")]
    for i, family in enumerate(scores[-1][1] if scores else []):
        points = [(t, s[family]) for t, s in scores if family in s]
        out.append(line(points, HUES[i % len(HUES)], x, y_score))
        out.append(text(WIDTH - 150, second + 12 + 17 * i,
                        f"{family} {100 * points[-1][1]:.0f}%", colour=HUES[i % len(HUES)]))
    for i in range(6):
        out.append(text(x(last * i / 5), second + PANEL + 18, f"{last * i / 5e6:.1f}", "middle"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" '
            f'fill="#fff"/>\n' + "\n".join(out) + "\n</svg>\n")


def main():
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(draw(*read(sys.argv[1])))


if __name__ == "__main__":
    main()

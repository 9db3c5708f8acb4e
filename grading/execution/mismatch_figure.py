"""The figures of a failed comparison: the first differing steps as a table, and the path as a picture."""

import math
from html import escape

from nbformat import NotebookNode
from nbformat.v4 import new_output

from grading.oracle.compare import Mismatch, both, close, show

YOURS, EXPECTED = "#D55E00", "#0072B2"  # orange and blue of Okabe and Ito, told apart by everyone
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 220, 70, 34, 28


def outputs(error: AssertionError) -> list[NotebookNode]:
    """The outputs to put before an error; none if it has nothing to show."""
    if not isinstance(error, Mismatch) or not error.rows:
        return []
    html = table(error.rows)
    shown = [(where, *_pair(yours, wanted)) for where, yours, wanted in error.rows]
    text = "\n".join(f"{where}: yours {yours}, expected {wanted}" for where, yours, wanted in shown)
    if error.paths:
        html += path_picture(*error.paths)
        if error.bowl:
            html += bowl_picture(error.paths[0], error.paths[1], error.paths[4], error.bowl)
    return [new_output("display_data", data={"text/html": html, "text/plain": text})]


def table(rows: list[tuple[str, object, object]]) -> str:
    """The first differing places: where, yours, expected."""
    cells = "".join(
        f"<tr><th scope='row'>{escape(where)}</th>{''.join(f'<td>{escape(text)}</td>' for text in _pair(*values))}</tr>"
        for where, *values in rows
    )
    head = "<tr><th scope='col'>where</th><th scope='col'>yours</th><th scope='col'>expected</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{cells}</tbody></table>"


def _pair(yours: object, expected: object) -> tuple[str, str]:
    """Both values as texts, which differ unless the difference is only rounding."""
    alike = isinstance(expected, (int, float)) and close(yours, expected)
    return (show(yours), show(expected)) if alike else both(yours, expected)


def path_picture(yours: list, expected: list, name: str, place: int, step: int) -> str:
    """One parameter, step by step, yours and expected, as an SVG with a text alternative.

    Args:
        yours, expected: paths, rows of numbers.
        name: of the parameter; `place` is its column.
        step: where they part.
    """
    last = min(len(expected) - 1, step + 6)
    wanted = [row[place] for row in expected[: last + 1]]
    low, high = min(wanted), max(wanted)
    margin = 0.6 * (high - low) or 1.0  # a diverging path must not flatten the other
    mine = [_number(row, place) for row in yours[: last + 1]]
    inside = [min(max(value, low - margin), high + margin) for value in mine if value is not None]
    low, high = min([low, *inside]), max([high, *inside])

    def point(index: int, value: float) -> str:
        x = LEFT + index * (WIDTH - LEFT - 16) / max(1, last)
        y = TOP + (high - min(max(value, low), high)) * (HEIGHT - TOP - BOTTOM) / ((high - low) or 1.0)
        return f"{x:.1f},{y:.1f}"

    def line(values: list, color: str, dash: str, mark: str) -> str:
        points = [point(i, value) for i, value in enumerate(values) if value is not None]
        marks = "".join(
            f"<circle cx='{p.split(',')[0]}' cy='{p.split(',')[1]}' r='3.2' fill='{mark}' stroke='{color}'/>"
            for p in points
        )
        return (
            f"<polyline points='{' '.join(points)}' fill='none' stroke='{color}' stroke-width='2' "
            f"stroke-dasharray='{dash}'/>{marks}"
        )

    labels = "".join(
        f"<text x='{LEFT - 6}' y='{float(point(0, value).split(',')[1]) + 4}' text-anchor='end'>{value:.4g}</text>"
        for value in (low, high)
    )
    labels += "".join(
        f"<text x='{point(i, low).split(',')[0]}' y='{HEIGHT - 14}' text-anchor='middle'>{i}</text>"
        for i in range(0, last + 1, max(1, last // 8))
    )
    there = _number(yours[step], place) if step < len(yours) else None
    shown, wished = _pair(there, expected[step][place])
    says = (
        f"{escape(name)} step by step. The two paths agree up to step {step - 1} and part at step {step}: "
        f"yours goes to {escape(shown)}, expected is {escape(wished)}."
    )
    legend = (
        f"<text x='{LEFT}' y='16' fill='{EXPECTED}'>● expected (solid)</text>"
        f"<text x='{LEFT + 150}' y='16' fill='#A33F00'>○ yours (dashed)</text>"
        f"<text x='{WIDTH - 16}' y='16' text-anchor='end'>{escape(name)}, by step</text>"
    )
    return (
        f"<figure style='margin: .5rem 0'><svg role='img' aria-label=\"{says}\" viewBox='0 0 {WIDTH} {HEIGHT}' "
        f"style='max-width: {WIDTH}px; width: 100%; font: 12px sans-serif'>"
        f"<line x1='{LEFT}' y1='{HEIGHT - BOTTOM}' x2='{WIDTH - 16}' y2='{HEIGHT - BOTTOM}' stroke='#bbb'/>"
        f"{labels}{legend}{line(wanted, EXPECTED, '', EXPECTED)}{line(mine, YOURS, '6 4', 'white')}</svg>"
        f"<figcaption>{says}</figcaption></figure>"
    )


def bowl_picture(yours: list, expected: list, step: int, bowl: tuple[float, float]) -> str:
    """Two paths in the plane, on the level lines of a*x1**2 + b*x2**2, as an SVG with a text alternative.

    Args:
        yours, expected: paths, rows of two numbers.
        step: where they part.
        bowl: a and b.
    """
    wanted = [tuple(row) for row in expected]
    mine = [(_number(row, 0), _number(row, 1)) for row in yours[: len(expected)]]
    mine = [point for point in mine if None not in point]
    # The range of the expected path and the minimum; a diverging path leaves the picture.
    wide, high = (1.15 * max(max(abs(point[i]) for point in wanted), 1e-9) for i in (0, 1))
    size = WIDTH / 2, (HEIGHT - TOP) / 2
    middle = size[0], TOP + size[1]

    def at(point: tuple[float, float]) -> tuple[float, float]:
        x, y = (min(max(value / end, -1.0), 1.0) for value, end in zip(point, (wide, high)))
        return middle[0] + x * size[0], middle[1] - y * size[1]

    def line(points: list, color: str, dash: str, mark: str) -> str:
        places = [at(point) for point in points]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        marks = "".join(
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.2' fill='{mark}' stroke='{color}'/>" for x, y in places
        )
        return (
            f"<polyline points='{joined}' fill='none' stroke='{color}' stroke-width='2' stroke-dasharray='{dash}'/>"
            f"{marks}"
        )

    top = bowl[0] * wide**2 + bowl[1] * high**2
    levels = "".join(
        f"<ellipse cx='{middle[0]}' cy='{middle[1]}' rx='{(share * top / bowl[0]) ** 0.5 / wide * size[0]:.1f}' "
        f"ry='{(share * top / bowl[1]) ** 0.5 / high * size[1]:.1f}' fill='none' stroke='#ccc'/>"
        for share in (0.02, 0.08, 0.18, 0.32, 0.5, 0.72)
    )
    says = (
        f"The two paths seen from above, on the level lines of f, its minimum in the middle: x1 from {-wide:.3g} to "
        f"{wide:.3g}, x2 from {-high:.3g} to {high:.3g}. They part at step {step}."
    )
    return (
        f"<figure style='margin: .5rem 0'><svg role='img' aria-label=\"{says}\" viewBox='0 0 {WIDTH} {HEIGHT}' "
        f"style='max-width: {WIDTH}px; width: 100%; font: 12px sans-serif'>"
        f"<svg x='0' y='{TOP}' width='{WIDTH}' height='{HEIGHT - TOP}' viewBox='0 {TOP} {WIDTH} {HEIGHT - TOP}'>"
        f"{levels}{line(wanted, EXPECTED, '', EXPECTED)}{line(mine, YOURS, '6 4', 'white')}"
        f"<text x='{middle[0] - 5}' y='{middle[1] + 5}'>★</text></svg>"
        f"<text x='8' y='16' fill='{EXPECTED}'>● expected (solid)</text>"
        f"<text x='158' y='16' fill='#A33F00'>○ yours (dashed)</text>"
        f"<text x='{WIDTH - 16}' y='16' text-anchor='end'>from above, ★ minimum</text></svg>"
        f"<figcaption>{says}</figcaption></figure>"
    )


def _number(row: object, place: int) -> float | None:
    value = row[place] if isinstance(row, list) and place < len(row) else None
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

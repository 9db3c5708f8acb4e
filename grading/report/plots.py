"""The interactive plots of the report. A table beside each plot has the same numbers."""

from collections import Counter
from math import ceil

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

BLUE, GRAY = "#00518f", "#8a8a8a"


def library() -> str:
    """plotly.js itself, once for each page, so that the page needs no network."""
    return get_plotlyjs()


def scores(points: list[float], full: float) -> go.Figure:
    """How many students have how many points."""
    width = max(1.0, full / 24)
    bins = {"start": -width / 2, "end": full + width, "size": width}
    figure = go.Figure(
        go.Histogram(x=points, xbins=bins, marker_color=BLUE, marker_line={"color": "white", "width": 1})
    )
    figure.update_xaxes(title=f"points of {full:g}", range=[-width, full + width])
    most = max(Counter((value + width / 2) // width for value in points).values(), default=1)
    figure.update_yaxes(title="students", rangemode="tozero", dtick=ceil(most / 6))  # nobody is half a student
    return _styled(figure, 300)


def shares(names: list[str], values: list[float], title: str) -> go.Figure:
    """A horizontal bar from 0 to 100 % for each name, the first on top."""
    percent = [100 * value for value in values]
    figure = go.Figure(
        go.Bar(x=percent, y=names, orientation="h", marker_color=BLUE, texttemplate="%{x:.0f} %", textposition="auto")
    )
    figure.update_xaxes(title=title, range=[0, 100], ticksuffix=" %")
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, 110 + 24 * len(names))


def separation(names: list[str], values: list[float]) -> go.Figure:
    """A horizontal bar for the discrimination of each exercise or test; those below 0.2 are hatched."""
    figure = go.Figure()
    for title, weak in (("0.2 and more", False), ("below 0.2", True)):
        chosen = [(name, value) for name, value in zip(names, values) if (value < 0.2) == weak]
        figure.add_bar(
            x=[value for _, value in chosen],
            y=[name for name, _ in chosen],
            name=title,
            orientation="h",
            texttemplate="%{x:.2f}",
            marker={"color": GRAY if weak else BLUE, "pattern": {"shape": "/" if weak else ""}},
        )
    figure.update_xaxes(title="correlation with the rest of the assignment", range=[min([0.0, *values]) - 0.1, 1])
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names)
    figure.update_layout(barmode="overlay", legend={"orientation": "h", "y": 1, "yanchor": "bottom"})
    return _styled(figure, 140 + 24 * len(names), top=50)


def matrix(students: list[str], exercises: list[str], values: list[list[float]]) -> go.Figure:
    """Share of the points by student (rows) and exercise (columns); the weakest student on top."""
    figure = go.Figure(
        go.Heatmap(
            x=exercises,
            y=students,
            z=[[100 * value for value in row] for row in values],
            zmin=0,
            zmax=100,
            colorscale="Cividis",
            colorbar={"title": "% of points"},
            hovertemplate="%{y}, %{x}: %{z:.0f} %<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_xaxes(side="top", tickangle=-45)
    figure.update_yaxes(autorange="reversed", type="category")
    return _styled(figure, 190 + 18 * len(students), top=120)


def seconds(names: list[str], values: list[list[float]]) -> go.Figure:
    """How long each cell ran, a point for each student."""
    figure = go.Figure(
        [go.Box(x=x, name=name, boxpoints="all", marker_color=BLUE, showlegend=False) for name, x in zip(names, values)]
    )
    figure.update_xaxes(title="seconds", rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, 110 + 30 * len(names))


def _styled(figure: go.Figure, height: int, top: int = 20) -> go.Figure:
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 10, "r": 20, "t": top, "b": 50}, bargap=0.2, font_size=13
    )
    figure.update_yaxes(automargin=True)
    return figure


def html(figure: go.Figure, name: str) -> str:
    """The figure as a part of a page that holds `library()`."""
    config = {"responsive": True, "displaylogo": False}
    return figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"plot-{name}", config=config)


def script(drawn: str) -> str:
    """The script of a plot, see `html`; a browser that ends it earlier, at a text in it, runs nothing of it."""
    _, _, rest = drawn.partition("<script")
    return rest.partition(">")[2].rpartition("</script>")[0]

import base64
import html
import io
import json
import uuid

import matplotlib.pyplot as plt
from IPython.display import display

# ---- The notebook's cell begins here. ----

"""Pictures. You need not read this cell."""

BLUE, ORANGE, GREEN, PINK, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"
STYLES = [(BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (PINK, ":", "D"), (BLACK, (0, (5, 1)), "v")]
plt.rcParams.update({"figure.dpi": 90, "legend.fontsize": 9, "axes.grid": True, "grid.alpha": 0.3})


class Movable:
    """A picture that moves with its sliders: HTML and a short script. It needs no kernel and no network."""

    def __init__(self, body, script, alt, **data):
        self.alt = alt
        self.page = (
            f'<div id="{{id}}" style="max-width: 860px; font: 14px sans-serif">{body}</div><script>(function () {{'
            f'const box = document.getElementById("{{id}}"), data = {json.dumps(data)}; {script} }})();</script>'
        )

    def __repr__(self):
        return f"[picture that moves: {self.alt}]"

    def _repr_html_(self):
        return self.page.replace("{id}", f"movable-{uuid.uuid4().hex}")


def slider(name, label, low, high, step, value):
    """A slider, with its label and a place for its value."""
    return (
        f'<label style="display: inline-block; margin: 4px 18px 4px 0">{label} <input type="range" name="{name}" '
        f'min="{low}" max="{high}" step="{step}" value="{value}" style="width: 170px; vertical-align: middle"> '
        f'<output name="{name}" style="display: inline-block; width: 3.2em"></output></label>'
    )


COMMON = """
const $ = (name) => box.querySelector(`[data-part="${name}"]`);
const value = (name) => Number(box.querySelector(`input[name="${name}"]`).value);
const write = (name, text) => { box.querySelector(`output[name="${name}"]`).textContent = text; };
const points = (list) => list.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
box.addEventListener("input", draw);
"""


def show_hill():
    """The valley of this course, with sliders for eta, gamma and the angle by which it is turned."""
    alt = (
        "On the left the level lines of a long, narrow valley, with the path of a ball from the start to the minimum; "
        "on the right its distance from the minimum after each step. Sliders change the learning rate, the part of the "
        "velocity that is kept, and the angle of the valley; a sentence below says how many steps the ball needs."
    )
    body = (
        slider("eta", "learning rate η", 0.01, 1.2, 0.01, 0.4)
        + slider("gamma", "velocity kept γ", 0, 0.98, 0.01, 0)
        + slider("angle", "hill turned by", -90, 90, 5, 0)
        + '<div style="display: flex; flex-wrap: wrap; gap: 8px">'
        + f'<svg data-part="hill" viewBox="0 0 440 400" width="440" role="img" aria-label="{alt}" '
        + 'style="background: white; max-width: 100%"></svg><svg data-part="chart" viewBox="0 0 390 400" width="390" '
        + 'aria-hidden="true" style="background: white; max-width: 100%"></svg></div>'
        + '<p data-part="words" aria-live="polite" style="min-height: 2.6em"></p>'
    )
    script = (
        COMMON
        + """
const [flat, steep] = data.eigenvalues, tolerance = data.tolerance;
function draw() {
  const eta = value("eta"), gamma = value("gamma"), turn = value("angle") * Math.PI / 180;
  write("eta", eta.toFixed(2)); write("gamma", gamma.toFixed(2)); write("angle", value("angle") + "°");
  const c = Math.cos(turn), s = Math.sin(turn);
  const a = flat * c * c + steep * s * s, b = (flat - steep) * c * s, d = flat * s * s + steep * c * c;
  let [x, y] = [c * data.start[0] - s * data.start[1], s * data.start[0] + c * data.start[1]], v = 0, w = 0;
  const path = [[x, y]];
  for (let t = 0; t < data.steps; t++) {
    v = gamma * v + eta * (a * x + b * y); w = gamma * w + eta * (b * x + d * y);
    x -= v; y -= w;
    if (!(Math.hypot(x, y) < 1e9)) break;
    path.push([x, y]);
  }
  const far = path.map(([p, q]) => Math.hypot(p, q));
  let need = far.length; while (need > 0 && far[need - 1] <= tolerance) need--;
  const place = ([p, q]) => [220 + 32 * Math.max(-99, Math.min(99, p)), 200 - 32 * Math.max(-99, Math.min(99, q))];
  const shown = path.slice(0, 121).map(place), degrees = -value("angle");
  let picture = "";
  for (const level of [0.1, 0.6, 1.6, 3.2, 5.4, 8.2, 12]) {
    const rx = 32 * Math.sqrt(2 * level / flat), ry = 32 * Math.sqrt(2 * level / steep);
    picture += `<ellipse cx="220" cy="200" rx="${rx}" ry="${ry}" fill="none" stroke="#bbb" transform="rotate(${degrees} 220 200)"/>`;
  }
  picture += `<polyline points="${points(shown)}" fill="none" stroke="#0072B2" stroke-width="1.6"/>`;
  for (const [p, q] of shown) picture += `<circle cx="${p.toFixed(1)}" cy="${q.toFixed(1)}" r="2.6" fill="#0072B2"/>`;
  const [p, q] = shown[0];
  picture += `<rect x="${p - 5}" y="${q - 5}" width="10" height="10" fill="#000"/><text x="${p + 8}" y="${q + 4}">start</text>`;
  picture += `<text x="220" y="209" text-anchor="middle" font-size="26" fill="#D55E00">★</text>`;
  $("hill").innerHTML = picture;
  const across = (t) => 62 + 308 * t / 120, up = (r) => 40 + 50 * (1 - Math.log10(Math.max(r, 1e-6)));
  let chart = "";
  for (let k = 1; k >= -5; k--) {
    chart += `<line x1="62" x2="370" y1="${up(10 ** k)}" y2="${up(10 ** k)}" stroke="#ddd"/><text x="56" y="${up(10 ** k) + 4}" text-anchor="end" font-size="12">${k >= 0 ? 10 ** k : (10 ** k).toFixed(-k)}</text>`;
  }
  for (let t = 0; t <= 120; t += 20) chart += `<text x="${across(t)}" y="372" text-anchor="middle" font-size="12">${t}</text>`;
  const curve = far.slice(0, 121).map((r, t) => [across(t), up(Math.min(r, 60))]).filter(([, h]) => h <= 345);
  chart += `<line x1="62" x2="370" y1="${up(tolerance)}" y2="${up(tolerance)}" stroke="#D55E00" stroke-dasharray="5 4"/>`;
  chart += `<polyline points="${points(curve)}" fill="none" stroke="#0072B2" stroke-width="2"/>`;
  chart += `<text x="210" y="18" text-anchor="middle" font-size="13">distance from the star after each step</text><text x="210" y="392" text-anchor="middle" font-size="13">step</text>`;
  $("chart").innerHTML = chart;
  const who = gamma === 0 ? "Gradient descent" : "Momentum";
  $("words").textContent = `${who}, η = ${eta.toFixed(2)}, γ = ${gamma.toFixed(2)}, hill turned by ${value("angle")}°: ` + (
    far[far.length - 1] > far[0] || path.length <= data.steps ? "the ball leaves the valley: it diverges."
    : need >= far.length ? `after ${data.steps} steps the ball is still more than ${tolerance} from the star.`
    : `from step ${need} on the ball stays within ${tolerance} of the star.`);
}
draw();
"""
    )
    display(Movable(body, script, alt, eigenvalues=[0.2, 4.0], start=[-5.0, -2.0], tolerance=0.01, steps=400))


def show_map(rate):
    """A map of `rate(1.0, eta, gamma)`, and the path of momentum at the point that the sliders or a click choose."""
    alt = (
        "On the left a map: to the right eta times lambda from 0 to 4.2, upwards gamma from 0 to 1, darker where the rate "
        "is smaller, white where the path does not shrink. On the right the path of momentum at the chosen point, "
        "between two curves that shrink by the rate at each step. A sentence below says what is to be seen."
    )
    columns, rows = [round(0.05 * i, 2) for i in range(85)], [round(0.02 * i, 2) for i in range(51)]
    rates = [[round(float(rate(1.0, column, row)), 4) for column in columns] for row in rows]
    body = (
        slider("product", "ηλ", 0, 4.2, 0.05, 0.5)
        + slider("gamma", "γ", 0, 1, 0.02, 0.5)
        + '<div style="display: flex; flex-wrap: wrap; gap: 8px">'
        + f'<svg data-part="map" viewBox="0 0 430 360" width="430" role="img" aria-label="{alt}" style="background: white; '
        + 'max-width: 100%; cursor: crosshair"></svg><svg data-part="path" viewBox="0 0 400 360" width="400" '
        + 'aria-hidden="true" style="background: white; max-width: 100%"></svg></div>'
        + '<p data-part="words" aria-live="polite" style="min-height: 2.6em"></p>'
    )
    script = (
        COMMON
        + """
const {columns, rows, rates} = data, width = 370 / columns.length, height = 300 / rows.length;
const across = (product) => 45 + 370 * (product + 0.025) / 4.25, up = (gamma) => 320 - 300 * (gamma + 0.01) / 1.02;
const shade = (rate) => { const k = Math.pow(rate, 3); return `rgb(${20 + 215 * k}, ${60 + 165 * k}, ${120 + 60 * k})`; };
let ground = "";
rows.forEach((gamma, i) => columns.forEach((product, j) => {
  if (rates[i][j] < 1) ground += `<rect x="${(across(product) - width / 2).toFixed(1)}" y="${(up(gamma) - height / 2).toFixed(1)}" width="${(width + 0.4).toFixed(2)}" height="${(height + 0.4).toFixed(2)}" fill="${shade(rates[i][j])}"/>`;
}));
for (let k = 0; k <= 4; k++) ground += `<text x="${across(k)}" y="337" text-anchor="middle" font-size="12">${k}</text>`;
for (let k = 0; k <= 10; k += 2) ground += `<text x="40" y="${up(k / 10) + 4}" text-anchor="end" font-size="12">${k / 10}</text>`;
ground += `<text x="230" y="355" text-anchor="middle" font-size="13">ηλ</text><text x="14" y="175" font-size="13">γ</text>`;
function draw() {
  const product = value("product"), gamma = value("gamma");
  write("product", product.toFixed(2)); write("gamma", gamma.toFixed(2));
  const rate = rates[Math.round(gamma / 0.02)][Math.round(product / 0.05)];
  $("map").innerHTML = ground + `<circle cx="${across(product)}" cy="${up(gamma)}" r="7" fill="none" stroke="#000" stroke-width="4"/><circle cx="${across(product)}" cy="${up(gamma)}" r="7" fill="none" stroke="#fff" stroke-width="2"/>`;
  let x = 1, v = 0; const path = [x];
  for (let t = 0; t < 40; t++) { v = gamma * v + product * x; x -= v; path.push(x); }
  const right = (t) => 40 + 345 * t / 40, high = (y) => 180 - 100 * Math.max(-1.5, Math.min(1.5, y));
  const size = Math.max(1, ...path.map((y, t) => Math.abs(y) / Math.max(Math.pow(rate, t), 1e-12)).filter((q) => q < 40));
  let picture = "";
  for (const y of [-1, 0, 1]) picture += `<line x1="40" x2="385" y1="${high(y)}" y2="${high(y)}" stroke="#ddd"/><text x="34" y="${high(y) + 4}" text-anchor="end" font-size="12">${y}</text>`;
  for (let t = 0; t <= 40; t += 10) picture += `<text x="${right(t)}" y="347" text-anchor="middle" font-size="12">${t}</text>`;
  for (const sign of [1, -1]) picture += `<polyline points="${points(path.map((_, t) => [right(t), high(sign * size * Math.pow(rate, t))]))}" fill="none" stroke="#D55E00" stroke-dasharray="5 4"/>`;
  picture += `<polyline points="${points(path.map((y, t) => [right(t), high(y)]))}" fill="none" stroke="#0072B2" stroke-width="1.6"/>`;
  path.forEach((y, t) => { if (Math.abs(y) < 1.5) picture += `<circle cx="${right(t).toFixed(1)}" cy="${high(y).toFixed(1)}" r="3" fill="#0072B2"/>`; });
  picture += `<text x="210" y="14" text-anchor="middle" font-size="13">x after each step, between ± c · rate to the power t</text>`;
  $("path").innerHTML = picture;
  let signs = 0; for (let t = 1; t < 15; t++) if (path[t] * path[t - 1] < 0) signs++;
  const manner = signs > 12 ? "jumps across at every step" : signs > 0 ? "swings across" : "slides down on one side";
  $("words").textContent = `ηλ = ${product.toFixed(2)}, γ = ${gamma.toFixed(2)}: your rate is ${rate.toFixed(3)}. ` + (rate < 1
    ? `A tenth is left after about ${Math.max(1, Math.ceil(Math.log(0.1) / Math.log(Math.max(rate, 1e-9))))} steps; x ${manner}.`
    : "x does not come to rest.");
}
function choose(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const area = $("map").getBoundingClientRect(), scale = 430 / area.width;
  const product = ((event.clientX - area.left) * scale - 45) / 370 * 4.25, gamma = (320 - (event.clientY - area.top) * scale) / 300 * 1.02;
  box.querySelector('input[name="product"]').value = product; box.querySelector('input[name="gamma"]').value = gamma;
  draw();
}
$("map").addEventListener("pointerdown", choose); $("map").addEventListener("pointermove", choose);
draw();
"""
    )
    display(Movable(body, script, alt, columns=columns, rows=rows, rates=rates))


class Picture:
    """A drawn figure as an image, with a text for those who do not see it."""

    def __init__(self, figure, text):
        file = io.BytesIO()
        figure.savefig(file, format="png", bbox_inches="tight")
        self.text, self.data = text, base64.b64encode(file.getvalue()).decode()

    def __repr__(self):
        return f"[picture: {self.text}]"

    def _repr_html_(self):
        return f'<img alt="{html.escape(self.text)}" src="data:image/png;base64,{self.data}">'


def show_figure(text):
    """Show the figure that was drawn last; `text` says in words what is to be seen."""
    figure = plt.gcf()
    display(Picture(figure, text))
    plt.close(figure)

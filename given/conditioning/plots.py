import matplotlib.pyplot as plt
from IPython.display import display

from given.movable import Movable

# ---- The notebook's cell begins here. ----

"""Pictures. You need not read this cell."""

plt.rcParams.update({"axes.grid": True, "grid.alpha": 0.3})


def slider(name, label, low, high, step, value):
    """A slider, with its label and a place for its value."""
    return (
        f'<label style="display: inline-block; margin: 4px 18px 4px 0">{label} <input type="range" name="{name}" '
        f'min="{low}" max="{high}" step="{step}" value="{value}" style="width: 170px; vertical-align: middle"> '
        f'<output name="{name}" style="display: inline-block; width: 3.2em"></output></label>'
    )


COMMON = """
const part = (name) => box.querySelector(`[data-part="${name}"]`);
const value = (name) => Number(box.querySelector(`input[name="${name}"]`).value);
const write = (name, text) => { box.querySelector(`output[name="${name}"]`).textContent = text; };
const points = (list) => list.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
const attributes = (more) => Object.entries(more).map(([key, value]) => ` ${key}="${value}"`).join("");
const line = (x1, y1, x2, y2, more) => `<line${attributes({x1, y1, x2, y2, stroke: "#ddd", ...more})}/>`;
const curve = (list, more) =>
  `<polyline${attributes({points: points(list), fill: "none", stroke: "#0072B2", ...more})}/>`;
const dot = ([x, y], r) => `<circle${attributes({cx: x.toFixed(1), cy: y.toFixed(1), r, fill: "#0072B2"})}/>`;
const word = (text, x, y, more) =>
  `<text${attributes({x, y, "font-size": 12, "text-anchor": "middle", ...more})}>${text}</text>`;
const left = {"text-anchor": "end"}, dashed = {stroke: "#D55E00", "stroke-dasharray": "5 4"};
box.addEventListener("input", draw);
"""

HILL_SCRIPT = """
const [flat, steep] = data.eigenvalues, tolerance = data.tolerance;
function walk(eta, gamma, turn) {
  const c = Math.cos(turn), s = Math.sin(turn), [x0, y0] = data.start;
  const a = flat * c * c + steep * s * s, b = (flat - steep) * c * s, d = flat * s * s + steep * c * c;
  let x = c * x0 - s * y0, y = s * x0 + c * y0, v = 0, w = 0;
  const path = [[x, y]];
  while (path.length <= data.steps && Math.hypot(x, y) < 1e9) {
    v = gamma * v + eta * (a * x + b * y);
    w = gamma * w + eta * (b * x + d * y);
    x -= v;
    y -= w;
    path.push([x, y]);
  }
  return path;
}
function hill(path, degrees) {
  const cut = (number) => 32 * Math.max(-99, Math.min(99, number));
  const shown = path.slice(0, 121).map(([x, y]) => [220 + cut(x), 200 - cut(y)]), [x, y] = shown[0];
  const place = {cx: 220, cy: 200, transform: `rotate(${-degrees} 220 200)`, fill: "none", stroke: "#bbb"};
  const levels = [0.1, 0.6, 1.6, 3.2, 5.4, 8.2, 12].map((level) =>
    `<ellipse${attributes({rx: cut(Math.sqrt(2 * level / flat)), ry: cut(Math.sqrt(2 * level / steep)), ...place})}/>`);
  return levels.join("") + curve(shown, {"stroke-width": 1.6}) + shown.map((point) => dot(point, 2.6)).join("")
    + `<rect${attributes({x: x - 5, y: y - 5, width: 10, height: 10})}/>` + word("start", x + 26, y + 4)
    + word("★", 220, 209, {"font-size": 26, fill: "#D55E00"});
}
function chart(far) {
  const across = (t) => 62 + 308 * t / 120, up = (r) => 40 + 50 * (1 - Math.log10(Math.max(r, 1e-6)));
  let grid = "";
  for (let k = 1; k >= -5; k--) {
    const height = up(10 ** k);
    grid += line(62, height, 370, height) + word((10 ** k).toFixed(Math.max(0, -k)), 56, height + 4, left);
  }
  for (let t = 0; t <= 120; t += 20) grid += word(t, across(t), 372);
  const drawn = far.slice(0, 121).map((r, t) => [across(t), up(Math.min(r, 60))]).filter(([, y]) => y <= 345);
  return grid + line(62, up(tolerance), 370, up(tolerance), dashed) + curve(drawn, {"stroke-width": 2})
    + word("distance from the star after each step", 216, 18) + word("step", 216, 392);
}
function draw() {
  const eta = value("eta"), gamma = value("gamma"), degrees = value("angle");
  write("eta", eta.toFixed(2));
  write("gamma", gamma.toFixed(2));
  write("angle", degrees + "°");
  const path = walk(eta, gamma, degrees * Math.PI / 180), far = path.map(([x, y]) => Math.hypot(x, y));
  let need = far.length;
  while (need > 0 && far[need - 1] <= tolerance) need--;
  part("hill").innerHTML = hill(path, degrees);
  part("chart").innerHTML = chart(far);
  let end = `from step ${need} on the ball stays within ${tolerance} of the star.`;
  if (need >= far.length) end = `after ${data.steps} steps the ball is still more than ${tolerance} from the star.`;
  if (far[far.length - 1] > far[0]) end = "the ball leaves the valley: it diverges.";
  const who = gamma === 0 ? "Gradient descent" : "Momentum";
  part("words").textContent =
    `${who}, η = ${eta.toFixed(2)}, γ = ${gamma.toFixed(2)}, hill turned by ${degrees}°: ${end}`;
}
draw();
"""

MAP_SCRIPT = """
const {columns, rows, rates} = data, width = 370 / columns.length, height = 300 / rows.length;
const across = (product) => 45 + 370 * (product + 0.025) / 4.25, up = (gamma) => 320 - 300 * (gamma + 0.01) / 1.02;
function shade(rate) {
  const k = Math.pow(rate, 3);
  return `rgb(${20 + 215 * k}, ${60 + 165 * k}, ${120 + 60 * k})`;
}
function tile(product, gamma, rate) {
  const size = {width: (width + 0.4).toFixed(2), height: (height + 0.4).toFixed(2), fill: shade(rate)};
  const x = (across(product) - width / 2).toFixed(1), y = (up(gamma) - height / 2).toFixed(1);
  return rate < 1 ? `<rect${attributes({x, y, ...size})}/>` : "";
}
let ground = rows.map((gamma, i) => columns.map((product, j) => tile(product, gamma, rates[i][j])).join("")).join("");
for (let k = 0; k <= 4; k++) ground += word(k, across(k), 337);
for (let k = 0; k <= 10; k += 2) ground += word(k / 10, 40, up(k / 10) + 4, left);
ground += word("ηλ", 230, 355) + word("γ", 16, 175);
function ring(product, gamma) {
  const place = {cx: across(product), cy: up(gamma), r: 7, fill: "none"};
  return `<circle${attributes({...place, stroke: "#000", "stroke-width": 4})}/>`
    + `<circle${attributes({...place, stroke: "#fff", "stroke-width": 2})}/>`;
}
function walk(product, gamma) {
  let x = 1, v = 0;
  const path = [x];
  while (path.length <= 40) {
    v = gamma * v + product * x;
    x -= v;
    path.push(x);
  }
  return path;
}
function swings(path, rate) {
  const right = (t) => 40 + 345 * t / 40, high = (x) => 180 - 100 * Math.max(-1.5, Math.min(1.5, x));
  const sizes = path.map((x, t) => Math.abs(x) / Math.max(Math.pow(rate, t), 1e-12)).filter((size) => size < 40);
  const size = Math.max(1, ...sizes), bound = (sign) => path.map((_, t) => [right(t), high(sign * size * rate ** t)]);
  let grid = "";
  for (const x of [-1, 0, 1]) grid += line(40, high(x), 385, high(x)) + word(x, 34, high(x) + 4, left);
  for (let t = 0; t <= 40; t += 10) grid += word(t, right(t), 347);
  return grid + curve(bound(1), dashed) + curve(bound(-1), dashed)
    + curve(path.map((x, t) => [right(t), high(x)]), {"stroke-width": 1.6})
    + path.map((x, t) => Math.abs(x) < 1.5 ? dot([right(t), high(x)], 3) : "").join("")
    + word("x after each step, between ± c · rate to the power t", 212, 14);
}
function draw() {
  const product = value("product"), gamma = value("gamma");
  write("product", product.toFixed(2));
  write("gamma", gamma.toFixed(2));
  const rate = rates[Math.round(gamma / 0.02)][Math.round(product / 0.05)], path = walk(product, gamma);
  part("map").innerHTML = ground + ring(product, gamma);
  part("path").innerHTML = swings(path, rate);
  const sides = path.slice(0, 15).filter((x) => Math.abs(x) > 1e-9);  // a path may step on 0 exactly
  const changes = sides.slice(1).filter((x, t) => x * sides[t] < 0).length;
  let manner = changes > 0 ? "swings across" : "slides down on one side";
  if (changes > 12) manner = "jumps across at every step";
  const steps = Math.max(1, Math.ceil(Math.log(0.1) / Math.log(Math.max(rate, 1e-9))));
  const end = rate < 1 ? `A tenth is left after about ${steps} steps; x ${manner}.` : "x does not come to rest.";
  part("words").textContent =
    `ηλ = ${product.toFixed(2)}, γ = ${gamma.toFixed(2)}: your rate is ${rate.toFixed(3)}. ${end}`;
}
function choose(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const area = part("map").getBoundingClientRect(), scale = 430 / area.width;
  const x = (event.clientX - area.left) * scale, y = (event.clientY - area.top) * scale;
  box.querySelector('input[name="product"]').value = (x - 45) / 370 * 4.25;
  box.querySelector('input[name="gamma"]').value = (320 - y) / 300 * 1.02;
  draw();
}
for (const event of ["pointerdown", "pointermove"]) part("map").addEventListener(event, choose);
draw();
"""


def two_pictures(sliders, first, second, sizes, alt):
    """Sliders, two pictures side by side, and a sentence; sizes: of each the drawing's size and the width shown."""
    (drawn, width), (drawn_too, width_too) = sizes
    look = 'style="background: white; max-width: 100%"'
    return (
        f'{sliders}<div style="display: flex; flex-wrap: wrap; gap: 8px">'
        f'<svg data-part="{first}" viewBox="0 0 {drawn}" width="{width}" role="img" aria-label="{alt}" {look}>'
        f'</svg><svg data-part="{second}" viewBox="0 0 {drawn_too}" width="{width_too}" aria-hidden="true" {look}>'
        '</svg></div><p data-part="words" aria-live="polite" style="min-height: 2.6em"></p>'
    )


def show_hill():
    """The valley of this course, with sliders for eta, gamma and the angle by which it is turned."""
    alt = (
        "On the left the level lines of a long, narrow valley, with the path of a ball from the start to the "
        "minimum; "
        "on the right its distance from the minimum after each step. Sliders change the learning rate, the "
        "part of the "
        "velocity that is kept, and the angle of the valley; a sentence below says how many steps the ball needs."
    )
    sliders = (
        slider("eta", "learning rate η", 0.01, 1.2, 0.01, 0.4)
        + slider("gamma", "velocity kept γ", 0, 0.98, 0.01, 0)
        + slider("angle", "hill turned by", -90, 90, 5, 0)
    )
    body = two_pictures(sliders, "hill", "chart", (("440 400", 350), ("390 400", 310)), alt)
    hill = {"eigenvalues": [0.2, 4.0], "start": [-5.0, -2.0], "tolerance": 0.01, "steps": 400}
    display(Movable(body, COMMON + HILL_SCRIPT, alt, **hill))


def show_map(rate):
    """A map of `rate(1.0, eta, gamma)`, and the path of momentum at the point that the sliders or a click choose."""
    alt = (
        "On the left a map: to the right eta times lambda from 0 to 4.2, upwards gamma from 0 to 1, darker "
        "where the rate "
        "is smaller, white where the path does not shrink. On the right the path of momentum at the chosen point, "
        "between two curves that shrink by the rate at each step. A sentence below says what is to be seen."
    )
    columns, rows = [round(0.05 * i, 2) for i in range(85)], [round(0.02 * i, 2) for i in range(51)]
    rates = [[round(float(rate(1.0, column, row)), 4) for column in columns] for row in rows]
    sliders = slider("product", "ηλ", 0, 4.2, 0.05, 0.5) + slider("gamma", "γ", 0, 1, 0.02, 0.5)
    body = two_pictures(sliders, "map", "path", (("430 360", 430), ("400 360", 400)), alt)
    display(Movable(body, COMMON + MAP_SCRIPT, alt, columns=columns, rows=rows, rates=rates))

import numpy as np
from IPython.display import display

from given.movable import Movable

digits = None  # the notebook makes it
pictures = None  # the notebook makes it
train = None  # the notebook makes it
valid = None  # the notebook makes it

# ---- The notebook's cell begins here. ----

"""The picture at the beginning. You need not read this cell."""


def knob_runs(rates, n_epochs=10, batch_size=50, hidden=32):
    """The digits network, trained by plain mini-batch SGD once for each learning rate, all at once, in numpy.

    Returns for each rate the training and the validation losses of all epochs, and the answers on the validation data.
    """
    rng, n = np.random.default_rng(0), len(rates)
    A = np.repeat(rng.normal(size=(1, 64, hidden)) * 0.18, n, axis=0)
    C = np.repeat(rng.normal(size=(1, hidden, 10)) * 0.18, n, axis=0)
    step, losses, checked = np.reshape(rates, (-1, 1, 1)), [], []

    def run(X, y):
        summed = X @ A
        active = np.where(summed > 0, summed, 0.2 * summed)
        logits = active @ C
        shifted = logits - logits.max(axis=2, keepdims=True)
        log_shares = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))
        return summed, active, log_shares, -log_shares[:, np.arange(len(y)), y].mean(axis=1)

    with np.errstate(all="ignore"):
        for _ in range(n_epochs):
            order, seen = rng.permutation(train), []
            for rows in np.split(order, range(batch_size, len(order), batch_size)):
                X, y = pictures[rows], digits[rows]
                summed, active, log_shares, loss = run(X, y)
                seen.append(loss)
                error = (np.exp(log_shares) - np.eye(10)[y]) / len(y)
                back = error @ C.transpose(0, 2, 1) * np.where(summed > 0, 1.0, 0.2)
                C -= step * (active.transpose(0, 2, 1) @ error)
                A -= step * (X.T @ back)
            losses.append(np.mean(seen, axis=0))
            _, _, log_shares, loss = run(pictures[valid], digits[valid])
            checked.append(loss)
    return np.array(losses).T, np.array(checked).T, np.nan_to_num(log_shares, nan=-1.0).argmax(axis=2)


def show_knob():
    """The losses of the digits network at one learning rate out of many, and its answers to twelve pictures."""
    rates = np.geomspace(0.001, 10.0, 17)
    losses, checked, answers = knob_runs(rates)
    hard = np.argsort((answers[8:13] == digits[valid]).mean(axis=0), kind="stable")[:60:5]  # some that are not so easy
    alt = (
        "On the left the training and the validation loss of a network over ten epochs, at the learning rate that the "
        "slider chooses; on the right twelve handwritten digits with the network's answers, right or wrong. With small "
        "rates the losses hardly fall, with large ones they leave the picture."
    )
    body = (
        '<label>learning rate <input type="range" name="rate" min="0" max="16" step="1" value="2" '
        'style="width: 320px; vertical-align: middle"> <output name="rate"></output></label>'
        '<div style="display: flex; flex-wrap: wrap; gap: 8px">'
        f'<svg data-part="chart" viewBox="0 0 420 300" width="420" role="img" aria-label="{alt}" '
        'style="background: white; max-width: 100%"></svg><svg data-part="digits" viewBox="0 0 400 300" width="400" '
        'aria-hidden="true" style="background: white; max-width: 100%"></svg></div>'
        '<p data-part="words" aria-live="polite" style="min-height: 2.6em"></p>'
    )
    script = """
const part = (name) => box.querySelector(`[data-part="${name}"]`);
const across = (epoch) => 45 + 36 * (epoch - 0.2), up = (loss) => 255 - 75 * Math.min(loss, 3.05);
let grid = "";
for (let k = 0; k <= 3; k++) grid += `<line x1="45" x2="410" y1="${up(k)}" y2="${up(k)}" stroke="#ddd"/><text x="38" y="${up(k) + 4}" text-anchor="end" font-size="12">${k}</text>`;
for (let k = 1; k <= 10; k++) grid += `<text x="${across(k)}" y="274" text-anchor="middle" font-size="12">${k}</text>`;
grid += `<text x="228" y="294" text-anchor="middle" font-size="13">epoch</text><text x="45" y="16" font-size="13">loss per example</text>`;
function line(values, color, dashes) {
  const shown = []; for (let t = 0; t < values.length; t++) { if (values[t] === null) break; shown.push([across(t + 1), up(values[t])]); if (values[t] > 3) break; }
  return `<polyline points="${shown.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ")}" fill="none" stroke="${color}" stroke-width="2" stroke-dasharray="${dashes}"/>` + shown.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${color}"/>`).join("");
}
let images = "";
data.images.forEach((image, i) => {
  const left = 14 + 98 * (i % 4), top = 4 + 98 * Math.floor(i / 4);
  image.forEach((shade, k) => { images += `<rect x="${left + 8 * (k % 8)}" y="${top + 8 * Math.floor(k / 8)}" width="8.3" height="8.3" fill="rgb(${255 - shade},${255 - shade},${255 - shade})"/>`; });
});
function draw() {
  const i = Number(box.querySelector("input").value), rate = data.rates[i];
  box.querySelector("output").textContent = Number(rate.toPrecision(2));
  const key = `<text x="260" y="44" font-size="12" fill="#0072B2">● training</text><text x="330" y="44" font-size="12" fill="#D55E00">● validation</text>`;
  part("chart").innerHTML = grid + key + line(data.losses[i], "#0072B2", "") + line(data.checked[i], "#D55E00", "6 4");
  let marks = "";
  data.labels.forEach((label, k) => {
    const answer = data.answers[i][k], right = answer === label, left = 14 + 98 * (k % 4), top = 4 + 98 * Math.floor(k / 4);
    marks += `<text x="${left}" y="${top + 82}" font-size="14" fill="${right ? "#0072B2" : "#D55E00"}">${right ? "✓" : "✗"} reads ${answer}</text>`;
  });
  part("digits").innerHTML = images + marks;
  const share = Math.round(100 * data.shares[i]), last = data.checked[i][9];
  part("words").textContent = `Learning rate ${Number(rate.toPrecision(2))}: after ten epochs the network reads ${share} of 100 validation pictures, ` + (
    last === null || last > 100 ? "and its loss has left all bounds." : `at a loss of ${last.toFixed(2)}.`);
}
box.addEventListener("input", draw); draw();
"""
    finite = lambda rows: [[float(f"{x:.4g}") if np.isfinite(x) else None for x in row] for row in rows]  # noqa: E731
    display(
        Movable(
            body,
            script,
            alt,
            rates=[float(rate) for rate in rates],
            losses=finite(losses),
            checked=finite(checked),
            answers=answers[:, hard].tolist(),
            labels=digits[valid][hard].tolist(),
            images=np.round(255 * pictures[valid][hard]).astype(int).tolist(),
            shares=(answers == digits[valid]).mean(axis=1).tolist(),
        )
    )

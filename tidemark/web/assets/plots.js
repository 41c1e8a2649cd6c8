// Small plots of runs: a slot per run, oldest on the left. SVG, so that colours follow light and dark by themselves.

import { element } from "./common.js";

const HEIGHT = 176, TOP = 8, BOTTOM = 22, LEFT = 58, RIGHT = 8;

function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Round numbers from 0 up to at least `top`: steps of 1, 2 or 5 (of a minute or an hour for seconds). */
export function ticks(top, kind) {
  if (!(top > 0)) return [0, 1];
  const rough = top / 3;
  let step;
  const clock = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  if (kind === "seconds" && rough > 1 && rough <= 86400) {
    step = clock.find((value) => value >= rough);
  } else {
    const power = 10 ** Math.floor(Math.log10(rough));
    step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= rough);
    if (kind !== "seconds") step = Math.max(1, step);
  }
  const found = [0];
  while (found[found.length - 1] < top) found.push(found.length * step);
  return found;
}

const day = (text) => new Date(text).toISOString().slice(5, 10);
const clock = (text) => new Date(text).toISOString().slice(11, 16);

/**
 * A plot that is drawn again when its width or its runs change.
 *
 * `series`: `{label, color, value: (run) => number|null}` each; `stacked` draws bars, otherwise lines. `words` turns a
 * value into text, `axis` one beside a line of the grid; `kind` is "seconds" or "" for the axis.
 */
export class Plot {
  constructor({ title, series, stacked = false, words, axis = words, kind = "", empty }) {
    Object.assign(this, { title, series, stacked, words, axis, kind, empty });
    this.runs = [];
    this.at = -1;
    this.picture = svg("svg", { tabindex: "0", role: "img" });
    this.tip = element("div", { class: "tm-tip", role: "status", hidden: true });
    const legend = element("span", { class: "tm-legend" });
    if (series.length > 1) {
      for (const one of series) {
        const spot = element("i");
        spot.style.background = one.color;
        legend.append(element("span", {}, spot, one.label));
      }
    }
    this.node = element("figure", { class: "tm-plot" }, element("figcaption", {}, element("h2", {}, title), legend), this.picture, this.tip);
    new ResizeObserver(() => this.draw()).observe(this.picture);
    this.picture.addEventListener("pointermove", (event) => this.point(this.slotAt(event)));
    this.picture.addEventListener("pointerleave", () => this.point(-1));
    this.picture.addEventListener("blur", () => this.point(-1));
    this.picture.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || !this.runs.length) return;
      event.preventDefault();
      const from = this.at < 0 ? (step < 0 ? this.runs.length : -1) : this.at;
      this.point(Math.min(this.runs.length - 1, Math.max(0, from + step)));
    });
  }

  show(runs) {
    const key = JSON.stringify(runs);
    if (key === this.key) return;
    this.key = key;
    this.runs = runs.filter((run) => this.series.some((one) => one.value(run) !== null));
    this.draw();
  }

  slotAt(event) {
    const box = this.picture.getBoundingClientRect();
    const slot = Math.floor((event.clientX - box.left - LEFT) / this.slot);
    return slot >= 0 && slot < this.runs.length ? slot : -1;
  }

  draw() {
    const width = Math.max(200, this.picture.clientWidth), { runs, series } = this;
    this.picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.picture.replaceChildren();
    this.picture.setAttribute("aria-label", this.sentence());
    if (!runs.length) {
      this.picture.append(svg("text", { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, this.empty || "no run has told this yet"));
      return;
    }
    this.slot = (width - LEFT - RIGHT) / runs.length;
    const total = (run) => series.reduce((sum, one) => this.stacked ? sum + (one.value(run) || 0) : Math.max(sum, one.value(run) || 0), 0);
    const marks = ticks(Math.max(...runs.map(total)), this.kind), top = marks[marks.length - 1];
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    const x = (i) => LEFT + (i + 0.5) * this.slot;
    this.hover = svg("rect", { y: TOP, width: this.slot, height: HEIGHT - TOP - BOTTOM, fill: "var(--go)", opacity: "0" });
    this.picture.append(this.hover);
    for (const mark of marks) {
      this.picture.append(svg("line", { class: "tm-grid", x1: LEFT, x2: width - RIGHT, y1: y(mark), y2: y(mark) }),
        svg("text", { x: LEFT - 8, y: y(mark) + 4, "text-anchor": "end" }, this.axis(mark)));
    }
    if (this.stacked) this.drawBars(x, y);
    else for (const one of series) this.drawLine(one, x, y);
    this.drawTimes(width, x);
    this.point(this.at < runs.length ? this.at : -1);
  }

  drawBars(x, y) {
    const wide = Math.max(1.5, Math.min(26, this.slot * 0.72));
    this.runs.forEach((run, i) => {
      let sum = 0;
      for (const one of this.series) {
        const value = one.value(run) || 0;
        if (!value) continue;
        const low = y(sum), high = y(sum + value);
        sum += value;
        this.picture.append(svg("rect", { x: x(i) - wide / 2, y: high, width: wide, height: Math.max(0.5, low - high), fill: one.color, rx: Math.min(2, wide / 4) }));
      }
      if (run.state === "failed" || run.state === "lost") {
        this.picture.append(svg("path", { d: `M${x(i) - 4} ${y(sum) - 9}l8 8m0 -8l-8 8`, stroke: "var(--bad)", "stroke-width": 2 }));
      }
    });
  }

  drawLine(one, x, y) {
    const points = this.runs.map((run, i) => [i, one.value(run)]).filter(([, value]) => value !== null).map(([i, value]) => [x(i), y(value)]);
    if (!points.length) return;
    const path = points.map(([a, b], i) => `${i ? "L" : "M"}${a.toFixed(1)} ${b.toFixed(1)}`).join("");
    if (this.series.length === 1 && points.length > 1) {
      this.picture.append(svg("path", { d: `${path}L${points[points.length - 1][0]} ${y(0)}L${points[0][0]} ${y(0)}Z`, fill: one.color, opacity: "0.13" }));
    }
    this.picture.append(svg("path", { d: path, fill: "none", stroke: one.color, "stroke-width": 2, "stroke-linejoin": "round" }));
    if (points.length <= 20) for (const [a, b] of points) this.picture.append(svg("circle", { cx: a, cy: b, r: 2.5, fill: one.color }));
  }

  drawTimes(width, x) {
    const { runs } = this, room = Math.max(1, Math.floor((width - LEFT - RIGHT) / 90));
    const every = Math.ceil(runs.length / room);
    const oneDay = day(runs[0].started) === day(runs[runs.length - 1].started);
    for (let i = Math.floor((every - 1) / 2); i < runs.length; i += every) {
      const words = oneDay ? clock(runs[i].started) : `${day(runs[i].started)} ${clock(runs[i].started)}`;
      const at = Math.min(width - RIGHT - (oneDay ? 16 : 34), Math.max(LEFT + (oneDay ? 10 : 28), x(i)));
      this.picture.append(svg("text", { x: at, y: HEIGHT - 5, "text-anchor": "middle" }, words));
    }
  }

  /** Shows the figures of one run; -1 hides them. */
  point(i) {
    this.at = i;
    this.tip.hidden = i < 0;
    if (this.hover) this.hover.setAttribute("opacity", i < 0 ? "0" : "0.12");
    if (i < 0) return;
    const run = this.runs[i], at = LEFT + i * this.slot;
    this.hover.setAttribute("x", at);
    const name = run.number ? `backup ${run.number}` : run.state;
    this.tip.replaceChildren(element("div", {}, `${name} · ${day(run.started)} ${clock(run.started)} UTC`));
    for (const one of [...this.series].reverse()) {
      const value = one.value(run);
      if (value !== null) this.tip.append(element("div", {}, one.label, element("b", {}, this.words(value))));
    }
    const middle = at + this.slot / 2 > this.picture.clientWidth / 2;
    this.tip.style.left = middle ? "auto" : `${at + this.slot + 22}px`;
    this.tip.style.right = middle ? `${this.picture.clientWidth - at + 22}px` : "auto";
  }

  sentence() {
    if (!this.runs.length) return `${this.title}: nothing yet`;
    const last = this.runs[this.runs.length - 1];
    const values = this.series.filter((one) => one.value(last) !== null).map((one) => `${one.label} ${this.words(one.value(last))}`);
    return `${this.title} of ${this.runs.length} runs. The newest: ${values.join(", ")}. Left and right arrow keys go through the runs.`;
  }
}

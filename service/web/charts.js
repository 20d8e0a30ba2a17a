// The small plots: a sparkline over the last minute, the latency bar, the timeline of a recording.

import { h, known, number, say, svg } from "/web/dom.js";
import { colourOf } from "/web/draw.js";

const WIDTH = 240; // of a sparkline, in its own units
const FEWEST = 20; // values that fill it
const HEIGHT = 28;

export class Sparkline {
  constructor(keep = 60) {
    this.keep = keep;
    this.values = [];
    this.line = svg("polyline", { class: "line" });
    this.area = svg("polygon", { class: "area" });
    this.root = svg(
      "svg",
      { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      this.area,
      this.line,
    );
  }

  reset() {
    this.values = [];
    this.paint();
  }

  push(value) {
    this.values.push(value);
    if (this.values.length > this.keep) this.values.shift();
    this.paint();
  }

  paint() {
    const { values } = this;
    const places = Math.max(values.length, FEWEST);
    const top = Math.max(...values, 1e-9);
    const points = values.map((value, index) => {
      const x = WIDTH - ((values.length - 1 - index) / (places - 1)) * WIDTH;
      return [x, HEIGHT - 2 - (value / top) * (HEIGHT - 4)];
    });
    this.line.setAttribute("points", points.length > 1 ? points.map((point) => point.join(",")).join(" ") : "");
    if (points.length < 2) this.area.setAttribute("points", "");
    else this.area.setAttribute("points", [[points[0][0], HEIGHT], ...points, [WIDTH, HEIGHT]].map((point) => point.join(",")).join(" "));
  }
}

const STAGES = ["arrive", "queue", "encode", "infer", "post"];

// Where the milliseconds of an answer went, as a bar and a list.
export class LatencyBar {
  constructor() {
    this.parts = new Map(STAGES.map((stage) => [stage, h("span", { class: `stage-${stage}` })]));
    this.values = new Map([...STAGES, "total"].map((stage) => [stage, h("b", {}, "–")]));
    this.bar = h("div", { class: "latency", role: "img", "aria-label": "Latency by stage" }, ...this.parts.values());
    this.list = h(
      "ul",
      { class: "latency-legend" },
      [...this.values].map(([stage, value]) => h("li", {}, h("i", { class: `stage-${stage}` }), stage, value)),
    );
    this.root = h("div", {}, this.bar, this.list);
  }

  show(latency) {
    for (const [stage, part] of this.parts) part.style.setProperty("flex-grow", String(Math.max(latency[stage] ?? 0, 0)));
    for (const [stage, value] of this.values) say(value, known(latency[stage], (ms) => `${number(ms, 1)} ms`));
    this.bar.setAttribute("aria-label", `Latency by stage, in all ${number(latency.total, 0)} ms`);
  }
}

// Boxes of every answer of a recording, side by side, coloured by label.
export function timeline(canvas, answers, threshold) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const context = canvas.getContext("2d");
  const width = canvas.width / Math.max(answers.length, 1);
  const most = Math.max(1, ...answers.map((answer) => answer.boxes.length));
  answers.forEach((answer, index) => {
    const boxes = answer.boxes.filter((box) => box.score >= threshold);
    boxes.forEach((box, level) => {
      const height = (canvas.height - 6 * ratio) / most;
      context.fillStyle = colourOf(box.label);
      context.globalAlpha = 0.35 + 0.65 * box.score;
      context.fillRect(index * width, canvas.height - 3 * ratio - (level + 1) * height, Math.max(width - 1, 1), height - 1);
    });
  });
  context.globalAlpha = 1;
}

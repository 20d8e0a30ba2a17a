// The small plots: a sparkline over the last minute, the latency bar, the timeline of a recording.

import { colourOf } from "/web/draw.js";

export class Sparkline {
  constructor(canvas, colour, keep = 120) {
    this.canvas = canvas;
    this.colour = colour;
    this.keep = keep;
    this.values = [];
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
    const { canvas, values } = this;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = 28 * ratio;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (values.length < 2) return;
    const top = Math.max(...values, 1e-9);
    const x = (index) => (index / (this.keep - 1)) * canvas.width;
    const y = (value) => canvas.height - 2 - (value / top) * (canvas.height - 4);
    context.beginPath();
    values.forEach((value, index) => context.lineTo(x(index), y(value)));
    context.strokeStyle = this.colour;
    context.lineWidth = 1.5 * ratio;
    context.stroke();
    context.lineTo(x(values.length - 1), canvas.height);
    context.lineTo(0, canvas.height);
    context.fillStyle = `${this.colour}22`;
    context.fill();
  }
}

const STAGES = [
  ["arrive", "#7c8aa5"], ["queue", "#f2b544"], ["encode", "#b79cff"], ["infer", "#5ad1e6"], ["post", "#55d08a"],
];

export function latencyBar(bar, list, latency) {
  const parts = STAGES.filter(([stage]) => latency[stage] !== undefined && latency[stage] !== null);
  bar.replaceChildren(...parts.map(([stage, colour]) => {
    const span = document.createElement("span");
    span.style.background = colour;
    span.style.flexGrow = String(Math.max(latency[stage], 0));
    return span;
  }));
  const rows = [...parts, ["total", "transparent"]];
  list.replaceChildren(...rows.map(([stage, colour]) => {
    const item = document.createElement("li");
    const swatch = document.createElement("i");
    swatch.style.background = colour;
    const value = document.createElement("b");
    value.textContent = latency[stage] === null || latency[stage] === undefined ? "–" : `${latency[stage].toFixed(1)} ms`;
    item.append(swatch, stage, value);
    return item;
  }));
}

export function timeline(canvas, answers, threshold) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = 36 * ratio;
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

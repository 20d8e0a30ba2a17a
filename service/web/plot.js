// Counts over time as stacked bars. Drawn in SVG, so that colours follow the theme.

import { h, moment, number, svg } from "/web/dom.js";

const AXIS = 34; // left of the bars, CSS pixels
const FOOT = 18; // below them
const HEAD = 6;
const LEAST_TICK_PX = 84;
const TICKS_S = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

export class Plot {
  // height: CSS pixels. onPick(bucket): a bar was pressed, null where it cannot be.
  constructor({ height = 180, label, onPick = null }) {
    Object.assign(this, { height, onPick });
    this.data = null;
    this.at = null; // index of the bucket that is pointed at
    this.svg = svg("svg", { class: "plot-svg", height });
    this.tip = h("div", { class: "plot-tip", hidden: true });
    this.root = h(
      "div",
      { class: onPick ? "plot pickable" : "plot", tabindex: "0", role: "img", "aria-label": label, "data-arrows": "" },
      this.svg,
      this.tip,
    );
    this.root.addEventListener("pointermove", (event) => this.point(this.bucketAt(event)));
    this.root.addEventListener("pointerleave", () => this.point(null));
    this.root.addEventListener("blur", () => this.point(null));
    this.root.addEventListener("click", (event) => this.pick(this.bucketAt(event)));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.watcher = new ResizeObserver(() => this.paint());
    this.watcher.observe(this.root);
    this.label = label;
  }

  // begin, end: Dates; bucket_s: length of a bucket; series: [{name, colour}];
  // buckets: [{time: Date, values: {name: count}}], those with nothing may be left out.
  show(data) {
    this.data = data;
    const sum = data.buckets.reduce((all, bucket) => all + totalOf(bucket), 0);
    this.root.setAttribute("aria-label", `${this.label}: ${number(sum)} from ${moment(data.begin)} to ${moment(data.end)}`);
    this.root.dataset.total = String(sum);
    this.paint();
  }

  get width() {
    return Math.max(this.root.clientWidth, 120);
  }

  paint() {
    if (!this.data) return;
    const { width, height, data } = this;
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const top = niceTop(Math.max(1, ...data.buckets.map(totalOf)));
    const y = (value) => height - FOOT - (value / top) * (height - FOOT - HEAD);
    this.svg.replaceChildren(...this.grid(top, y), ...this.times(), ...this.bars(y), this.cursor());
  }

  x(time) {
    const { begin, end } = this.data;
    return AXIS + ((time - begin) / (end - begin)) * (this.width - AXIS);
  }

  grid(top, y) {
    return [0, top / 2, top].filter((value) => Number.isInteger(value)).flatMap((value) => [
      svg("line", { class: "plot-line", x1: AXIS, x2: this.width, y1: y(value), y2: y(value) }),
      svg("text", { class: "plot-text", x: AXIS - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)),
    ]);
  }

  times() {
    const { begin, end } = this.data;
    const fits = Math.max(1, Math.floor((this.width - AXIS) / LEAST_TICK_PX));
    const step_s = TICKS_S.find((one) => (end - begin) / 1000 / one <= fits) ?? TICKS_S.at(-1);
    const offset_ms = begin.getTimezoneOffset() * 60_000; // ticks at round times of day where we are
    const first = Math.ceil((begin - offset_ms) / 1000 / step_s) * step_s * 1000 + offset_ms;
    const ticks = [];
    for (let at = first; at < end; at += step_s * 1000) ticks.push(new Date(at));
    return ticks
      .map((tick) => [tick, this.x(tick)])
      .filter(([, x]) => x > AXIS + 14 && x < this.width - 16)
      .map(([tick, x]) => svg("text", { class: "plot-text", x, y: this.height - 4, "text-anchor": "middle" }, tickText(tick, step_s)));
  }

  bars(y) {
    const { buckets, series, bucket_s, begin } = this.data;
    const wide = Math.max(1, this.x(new Date(+begin + bucket_s * 1000)) - AXIS);
    const gap = wide > 4 ? 1 : 0;
    return buckets.flatMap((bucket) => {
      let below = 0;
      const x = Math.max(AXIS, this.x(bucket.time));
      return series.map(({ name, colour }) => {
        const value = bucket.values[name] ?? 0;
        if (!value) return null;
        const rect = svg("rect", { x, width: wide - gap, y: y(below + value), height: Math.max(y(below) - y(below + value), 1) });
        rect.style.setProperty("fill", colour);
        below += value;
        return rect;
      }).filter(Boolean);
    });
  }

  cursor() {
    this.line = svg("rect", { class: "plot-cursor", y: HEAD, height: this.height - FOOT - HEAD, visibility: "hidden" });
    return this.line;
  }

  bucketAt(event) {
    if (!this.data) return null;
    const { begin, end, bucket_s } = this.data;
    const x = event.clientX - this.root.getBoundingClientRect().left;
    if (x < AXIS) return null;
    const time = +begin + ((x - AXIS) / (this.width - AXIS)) * (end - begin);
    return Math.floor((time - begin) / 1000 / bucket_s);
  }

  point(at) {
    this.at = at;
    this.tip.hidden = at === null;
    this.line?.setAttribute("visibility", at === null ? "hidden" : "visible");
    if (at === null) return;
    const { begin, bucket_s, series } = this.data;
    const time = new Date(+begin + at * bucket_s * 1000);
    const bucket = this.find(time);
    const x = this.x(time);
    this.line.setAttribute("x", x);
    this.line.setAttribute("width", Math.max(1, this.x(new Date(+time + bucket_s * 1000)) - x));
    const rows = series.filter(({ name }) => bucket?.values[name]).map(({ name, colour }) => h("div", {}, h("i", { class: "swatch", style: { background: colour } }), name, h("b", {}, number(bucket.values[name]))));
    this.tip.replaceChildren(h("time", {}, moment(time)), ...(rows.length ? rows : [h("div", {}, "nothing")]));
    const flip = x > this.width - 170;
    this.tip.style.setProperty("left", flip ? "auto" : `${x + 14}px`);
    this.tip.style.setProperty("right", flip ? `${this.width - x + 8}px` : "auto");
  }

  find(time) {
    return this.data.buckets.find((bucket) => Math.abs(bucket.time - time) < (this.data.bucket_s * 1000) / 2);
  }

  pick(at) {
    if (at === null || !this.onPick) return;
    const begin = new Date(+this.data.begin + at * this.data.bucket_s * 1000);
    this.onPick({ begin, end: new Date(+begin + this.data.bucket_s * 1000) });
  }

  key(event) {
    if (!this.data) return;
    const last = Math.ceil((this.data.end - this.data.begin) / 1000 / this.data.bucket_s) - 1;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) this.point(Math.min(Math.max((this.at ?? (by > 0 ? -1 : last + 1)) + by, 0), last));
    else if (event.key === "Enter") this.pick(this.at);
    else return;
    event.preventDefault();
  }

  close() {
    this.watcher.disconnect();
  }
}

function totalOf(bucket) {
  return Object.values(bucket.values).reduce((sum, value) => sum + value, 0);
}

// 1, 2, 4, 10, 20, 40, 100 ...: the half of it is a whole number, too, but for 1.
function niceTop(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 6, 8, 10].map((one) => one * power).find((one) => one >= most);
}

function short(value) {
  return value >= 10_000 ? `${number(value / 1000)}k` : number(value);
}

function tickText(time, step_s) {
  if (step_s >= 86_400) return time.toLocaleDateString("en-GB", { day: "2-digit", month: "short" });
  return time.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...(step_s < 60 ? { second: "2-digit" } : {}) });
}

export function key(series) {
  return h("ul", { class: "legend" }, series.map(({ name, colour }) => h("li", {}, h("i", { class: "swatch", style: { background: colour } }), name)));
}

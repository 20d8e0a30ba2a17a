// Drawing and changing zones and lines, by mouse, by touch and by keys.
//
// Drawing: tap or click puts a point; a first drag draws a rectangle (a zone) or the whole line; the first point
// again, a double press, Enter or `finish()` closes a zone. Changing: corners and the middles between them are
// dragged, the body moves all; a double press on a corner removes it.

import { svg } from "/web/dom.js";
import { FEWEST, middle, rectangle, shapeOf } from "/web/zone_shapes.js";

const DRAG_PX = 10; // on the screen; less is a tap
const CLOSE_PX = 18;
const TWICE_MS = 350;

export class ZoneEditor {
  // stage: whose overlay is drawn on. on: {drawn(kind, points), moved(zone, points), chosen(zone), mode(mode)}
  constructor(stage, on) {
    this.stage = stage;
    this.overlay = stage.overlay;
    this.on = on;
    this.zones = [];
    this.notes = new Map(); // words beside a zone's name, by id
    this.mode = "view"; // view, zone (drawing one), line (drawing one), edit
    this.points = []; // of what is being drawn
    this.hover = null;
    this.chosen = null; // id of the zone that is changed
    this.grasped = null; // what a pointer holds
    this.overlay.addEventListener("pointerdown", (event) => this.press(event));
    this.overlay.addEventListener("pointermove", (event) => this.drag(event));
    this.overlay.addEventListener("pointerup", (event) => this.release(event));
    this.overlay.addEventListener("pointercancel", () => this.letGo());
    this.watcher = new ResizeObserver(() => this.paint());
    this.watcher.observe(stage.canvas);
  }

  // ---------------------------------------------------------------- what is shown

  show(zones) {
    const held = this.grasped && this.find(this.chosen);
    // What is being dragged stays under the pointer, whatever the service says meanwhile.
    this.zones = zones.map((zone) => ({ ...zone, points: held?.id === zone.id ? held.points : zone.points }));
    if (this.mode === "edit" && !this.find(this.chosen)) this.choose(null);
    else if (!this.grasped) this.paint();
  }

  note(notes) {
    this.notes = notes;
    if (!this.grasped && this.mode !== "edit") this.paint();
  }

  flash(id) {
    const shape = this.overlay.querySelector(`[data-zone="${CSS.escape(id)}"]`);
    shape?.classList.remove("flash");
    shape?.getBoundingClientRect(); // begins the animation anew
    shape?.classList.add("flash");
  }

  hide(hidden) {
    this.overlay.classList.toggle("hidden", hidden);
  }

  find(id) {
    return this.zones.find((zone) => zone.id === id);
  }

  setMode(mode) {
    this.mode = mode;
    this.overlay.dataset.mode = mode;
    this.points = [];
    this.hover = null;
    this.grasped = null;
    this.overlay.setAttribute("aria-hidden", String(mode === "view"));
    this.paint();
    this.on.mode(mode);
  }

  draw(kind) {
    this.chosen = null;
    this.setMode(kind);
  }

  choose(id) {
    this.chosen = id;
    this.setMode(id === null ? "view" : "edit");
    this.on.chosen(id === null ? null : this.find(id));
  }

  cancel() {
    this.chosen = null;
    this.setMode("view");
    this.on.chosen(null);
  }

  get drawing() {
    return this.mode === "zone" || this.mode === "line";
  }

  get unit() {
    return this.stage.view.sensor[0] / Math.max(this.overlay.clientWidth || this.stage.canvas.clientWidth, 1);
  }

  // ---------------------------------------------------------------- pointers

  where(event) {
    const [width, height] = this.stage.view.sensor;
    const place = this.overlay.getBoundingClientRect();
    const x = ((event.clientX - place.left) / place.width) * width;
    const y = ((event.clientY - place.top) / place.height) * height;
    return this.inside([x, y]);
  }

  inside([x, y]) {
    const [width, height] = this.stage.view.sensor;
    const keep = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 10) / 10;
    return [keep(x, width), keep(y, height)];
  }

  press(event) {
    if (event.button !== 0 || this.grasped) return;
    const point = this.where(event);
    const twice = this.isTwice(event, point);
    if (this.drawing) this.pressDrawing(point, twice);
    else if (this.mode === "edit") this.pressEditing(event, point, twice);
    if (!this.grasped) return;
    event.preventDefault();
    this.overlay.setPointerCapture(event.pointerId);
    this.paint();
  }

  // The browser's own double clicks need their element to stay; painting puts new ones.
  isTwice(event, point) {
    const last = this.pressed;
    this.pressed = { ms: event.timeStamp, point };
    return Boolean(last) && event.timeStamp - last.ms < TWICE_MS && this.near(point, last.point, DRAG_PX);
  }

  pressDrawing(point, twice) {
    const enough = this.mode === "zone" && this.points.length >= 3;
    if (enough && (twice || this.near(point, this.points[0], CLOSE_PX))) {
      this.finish();
      return;
    }
    this.grasped = { what: "new", from: point, moved: false };
    this.points.push(point);
  }

  pressEditing(event, point, twice) {
    const zone = this.find(this.chosen);
    const handle = event.target.closest("[data-point]");
    if (handle && twice) {
      this.removePoint(Number(handle.dataset.point));
      return;
    }
    if (handle) this.grasped = { what: "point", at: Number(handle.dataset.point), from: point };
    else if (event.target.closest("[data-middle]")) {
      const at = Number(event.target.closest("[data-middle]").dataset.middle);
      zone.points = [...zone.points.slice(0, at + 1), point, ...zone.points.slice(at + 1)];
      this.grasped = { what: "point", at: at + 1, from: point, moved: true };
    } else {
      const other = event.target.closest("[data-zone]")?.dataset.zone;
      if (other === zone.id) this.grasped = { what: "all", from: point, points: zone.points };
      else if (other) this.choose(other);
      return;
    }
    this.grasped.before = zone.points;
  }

  drag(event) {
    const point = this.where(event);
    if (!this.grasped) {
      if (this.drawing && this.points.length) {
        this.hover = point;
        this.paint();
      }
      return;
    }
    const { what, from } = this.grasped;
    if (!this.near(point, from, what === "new" ? DRAG_PX : 2)) this.grasped.moved = true;
    if (!this.grasped.moved) return;
    if (what === "new") this.dragNew(point);
    else this.dragKept(point);
    this.paint();
  }

  dragNew(point) {
    const first = this.grasped.first ?? this.points.length === 1;
    this.grasped.first = first;
    if (first && this.mode === "zone") this.points = rectangle(this.grasped.from, point);
    else if (first) this.points = [this.grasped.from, point];
    else this.points[this.points.length - 1] = point;
  }

  dragKept(point) {
    const zone = this.find(this.chosen);
    if (this.grasped.what === "point") {
      zone.points = zone.points.map((one, at) => (at === this.grasped.at ? point : one));
      return;
    }
    zone.points = this.moveAll(this.grasped.points, point[0] - this.grasped.from[0], point[1] - this.grasped.from[1]);
  }

  // Moved as far as all points stay on the sensor.
  moveAll(points, dx, dy) {
    const [width, height] = this.stage.view.sensor;
    const fit = (by, values, most) => Math.min(Math.max(by, -Math.min(...values)), most - Math.max(...values));
    const x = fit(dx, points.map((point) => point[0]), width);
    const y = fit(dy, points.map((point) => point[1]), height);
    return points.map((point) => this.inside([point[0] + x, point[1] + y]));
  }

  release() {
    const held = this.grasped;
    this.grasped = null;
    if (!held) return;
    if (held.what === "new") this.releaseNew(held);
    else if (held.moved) this.on.moved(this.find(this.chosen), this.find(this.chosen).points);
    this.paint();
  }

  releaseNew(held) {
    if (held.first || (this.mode === "line" && this.points.length === 2)) this.finish();
    else this.on.mode(this.mode); // what can be done now depends on the number of points
  }

  letGo() {
    if (this.grasped?.what === "new") this.points.pop();
    this.grasped = null;
    this.paint();
  }

  near(one, other, pixels) {
    return Math.hypot(one[0] - other[0], one[1] - other[1]) < pixels * this.unit;
  }

  // ---------------------------------------------------------------- what keys and buttons do

  get canFinish() {
    return this.drawing && this.points.length >= FEWEST[this.mode];
  }

  finish() {
    if (this.drawing && !this.points.length) this.points = this.suggestion();
    if (!this.canFinish) return;
    const [kind, points] = [this.mode, this.points];
    this.setMode("view");
    this.on.drawn(kind, points);
  }

  // In the middle, for those who draw by keys: the points are then moved by arrows.
  suggestion() {
    const [width, height] = this.stage.view.sensor;
    if (this.mode === "line") return [[width * 0.3, height / 2], [width * 0.7, height / 2]].map((point) => this.inside(point));
    return rectangle([width * 0.3, height * 0.3], [width * 0.7, height * 0.7]).map((point) => this.inside(point));
  }

  undo() {
    this.points.pop();
    this.paint();
    this.on.mode(this.mode);
  }

  removePoint(at) {
    const zone = this.find(this.chosen);
    if (zone.points.length <= FEWEST[zone.kind]) return;
    zone.points = zone.points.filter((_, index) => index !== at);
    this.paint();
    this.on.moved(zone, zone.points);
  }

  nudge(at, key, far) {
    const step = far ? 10 : 1;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[key];
    if (!by) return false;
    const zone = this.find(this.chosen);
    zone.points = zone.points.map((point, index) => (index === at ? this.inside([point[0] + by[0], point[1] + by[1]]) : point));
    this.paint();
    this.overlay.querySelector(`[data-point="${at}"]`)?.focus();
    clearTimeout(this.nudged);
    this.nudged = setTimeout(() => this.on.moved(zone, zone.points), 400);
    return true;
  }

  // ---------------------------------------------------------------- painting

  paint() {
    const unit = this.unit;
    const shapes = this.zones.map((zone) => shapeOf(zone, unit, { chosen: zone.id === this.chosen, note: this.notes.get(zone.id) ?? "" }));
    const chosen = this.mode === "edit" ? this.find(this.chosen) : null;
    this.overlay.replaceChildren(...shapes, ...(chosen ? this.handles(chosen, unit) : []), ...this.draft(unit));
  }

  handles(zone, unit) {
    const pairs = zone.points.map((point, at) => [point, zone.points[(at + 1) % zone.points.length], at]);
    const middles = (zone.kind === "line" ? pairs.slice(0, -1) : pairs).map(([one, other, at]) => {
      const [cx, cy] = middle(one, other);
      return svg("g", { class: "middle", "data-middle": at }, svg("circle", { class: "grip", cx, cy, r: 16 * unit }), svg("circle", { class: "dot", cx, cy, r: 4 * unit }));
    });
    const corners = zone.points.map(([cx, cy], at) => svg(
      "g",
      {
        class: "corner",
        "data-point": at,
        "data-arrows": "",
        tabindex: "0",
        role: "button",
        "aria-label": `Point ${at + 1} of ${zone.name}, ${Math.round(cx)}, ${Math.round(cy)}; arrows move it`,
        onkeydown: (event) => this.handleKey(event, at),
      },
      svg("circle", { class: "grip", cx, cy, r: 22 * unit }),
      svg("circle", { class: "dot", cx, cy, r: 6.5 * unit }),
    ));
    return [...middles, ...corners];
  }

  handleKey(event, at) {
    const done = event.key === "Backspace" ? (this.removePoint(at), true) : this.nudge(at, event.key, event.shiftKey);
    if (!done) return;
    event.preventDefault();
    event.stopPropagation();
  }

  draft(unit) {
    if (!this.drawing || !this.points.length) return [];
    const ends = this.hover && !this.grasped ? [...this.points, this.hover] : this.points;
    const tag = this.mode === "zone" && ends.length > 2 ? "polygon" : "polyline";
    const closes = this.mode === "zone" && this.points.length >= 3;
    return [
      svg(tag, { class: "draft", points: ends.map((point) => point.join(",")).join(" ") }),
      ...this.points.map(([cx, cy], at) => svg("circle", { class: closes && at === 0 ? "draft-dot closes" : "draft-dot", cx, cy, r: (closes && at === 0 ? 9 : 5) * unit })),
    ];
  }

  close() {
    this.watcher.disconnect();
    clearTimeout(this.nudged);
  }
}

// All streams in a grid.

import { sendJson } from "/web/api.js";
import { h, icon, known, number, paced, rate, say } from "/web/dom.js";
import { countByLabel } from "/web/draw.js";
import { swatch } from "/web/labels.js";
import { attempt, tell } from "/web/notices.js";
import { prefs, remember } from "/web/prefs.js";
import { addStream } from "/web/source_dialog.js";
import { Stage } from "/web/stage.js";
import { LINK_WORDS, StreamList } from "/web/streams.js";
import { stopStream } from "/web/stream_actions.js";
import { Watch } from "/web/watch.js";

const DEMO = { source: "sim://street?seed=1", name: "demo", keep: false };
const PICTURE_WIDTHS = { small: 240, medium: 320, large: 640 };
const SIZES = [["small", "S"], ["medium", "M"], ["large", "L"]];

export function mount(root) {
  const wall = new Wall(root);
  return { title: "", close: () => wall.close(), keys: wall.keys() };
}

class Wall {
  constructor(root) {
    this.tiles = new Map(); // by stream id
    this.summary = h("p", { class: "muted", id: "summary", role: "status" });
    this.grid = h("div", { class: "grid", dataset: { size: prefs.tile } });
    this.rest = h("div", {}); // loading, empty and error states
    root.append(
      h(
        "div",
        { class: "toolbar" },
        h("h1", {}, "Streams"),
        this.summary,
        h("div", { class: "spacer" }),
        this.sizes(),
        h("button", { type: "button", class: "primary", id: "add-stream", onclick: () => this.add() }, icon("add"), "Add stream"),
      ),
      this.grid,
      this.rest,
    );
    this.rest.append(loading());
    this.sight = new IntersectionObserver((entries) => {
      for (const entry of entries) entry.target.tile.watch.live.seen = entry.isIntersecting;
    });
    this.list = new StreamList((streams) => this.take(streams), (problem) => this.fail(problem));
  }

  sizes() {
    const choose = (size) => {
      remember({ tile: size });
      this.grid.dataset.size = size;
      for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset.size === size));
      this.rebuild();
    };
    const group = h(
      "div",
      { class: "segments", role: "group", "aria-label": "Size of tiles" },
      SIZES.map(([size, letter]) => h(
        "button",
        { type: "button", dataset: { size }, "aria-pressed": String(prefs.tile === size), "aria-label": `${size} tiles`, onclick: () => choose(size) },
        letter,
      )),
    );
    return group;
  }

  take(streams) {
    this.streams = streams;
    const ids = new Set(streams.map((stream) => stream.id));
    for (const [id, tile] of this.tiles) if (!ids.has(id)) this.drop(id, tile);
    for (const stream of streams) if (!this.tiles.has(stream.id)) this.put(stream);
    streams.forEach((stream, index) => this.tiles.get(stream.id).number(index));
    this.summarise();
    if (streams.length) this.rest.replaceChildren();
    else if (prefs.demo && !this.begun) this.startDemo();
    else if (!this.starting) this.rest.replaceChildren(this.nothing());
  }

  put(stream) {
    const tile = new Tile(stream, PICTURE_WIDTHS[prefs.tile], () => this.summarise(), () => this.stop(stream));
    this.tiles.set(stream.id, tile);
    this.grid.append(tile.root);
    this.sight.observe(tile.root);
  }

  drop(id, tile) {
    this.sight.unobserve(tile.root);
    tile.close();
    this.tiles.delete(id);
  }

  rebuild() {
    for (const [id, tile] of this.tiles) this.drop(id, tile);
    this.take(this.streams ?? []);
  }

  summarise() {
    const states = [...this.tiles.values()].map((tile) => tile.state);
    const count = (state) => states.filter((one) => one === state).length;
    const parts = ["live", "connecting", "stalled", "lost"].filter(count).map((state) => `${count(state)} ${LINK_WORDS[state].toLowerCase()}`);
    say(this.summary, states.length ? parts.join(", ") : "");
  }

  // The first page of a new installation shows something; whoever stops the demo is not given it again.
  async startDemo() {
    this.begun = this.starting = true;
    this.rest.replaceChildren(loading("Starting the simulated street"));
    try {
      await sendJson("POST", "/streams", prefs.threshold === null ? DEMO : { ...DEMO, threshold: prefs.threshold });
    } catch {
      // Another page was quicker, or this service has no simulator: the list says what there is.
    }
    this.starting = false;
    if (!this.list.closed) this.list.refresh();
  }

  async add() {
    const stream = await addStream();
    if (!stream) return;
    tell(`${stream.name} was added.`);
    this.list.refresh();
  }

  async stop(stream) {
    if (await stopStream(stream)) this.list.refresh();
  }

  nothing() {
    return h(
      "div",
      { class: "empty" },
      h("h2", {}, "No streams yet"),
      h("p", {}, "Connect a camera on the network or on USB, replay a recording, or look at the simulated street."),
      h(
        "div",
        { class: "row centre" },
        h("button", { type: "button", class: "primary", onclick: () => this.add() }, "Add a stream"),
        h("button", { type: "button", id: "start-demo", onclick: () => attempt(() => this.again()) }, "Start the demo"),
      ),
    );
  }

  again() {
    remember({ demo: true });
    return this.startDemo();
  }

  fail(problem) {
    if (this.tiles.size) return; // tiles tell their own state
    this.rest.replaceChildren(h(
      "div",
      { class: "empty bad" },
      h("h2", {}, problem.title ?? "The streams cannot be listed"),
      h("p", {}, problem.detail ?? ""),
      h("button", { type: "button", onclick: () => this.list.refresh() }, "Try again"),
    ));
  }

  keys() {
    const open = (index) => () => this.streams?.[index] && location.assign(`#/stream/${encodeURIComponent(this.streams[index].id)}`);
    const digits = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [String(index + 1), open(index)]));
    return {
      ...digits,
      n: () => this.add(),
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      ArrowUp: () => this.step(-this.columns()),
      ArrowDown: () => this.step(this.columns()),
    };
  }

  columns() {
    const tops = [...this.grid.children].map((tile) => tile.offsetTop);
    return Math.max(1, tops.filter((top) => top === tops[0]).length);
  }

  step(by) {
    const links = [...this.grid.querySelectorAll(".tile-link")];
    if (!links.length) return;
    const at = links.indexOf(document.activeElement);
    const to = at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1);
    links[to].focus();
  }

  close() {
    this.list.close();
    this.sight.disconnect();
    for (const tile of this.tiles.values()) tile.close();
  }
}

class Tile {
  constructor(stream, width, onState, onStop) {
    this.stream = stream;
    this.onState = onState;
    this.state = "connecting";
    this.readable = paced();
    this.stage = new Stage(`Events of ${stream.name}`, { compact: true });
    this.position = h("kbd", { class: "tile-key" });
    this.light = h("i", { class: "light" });
    this.warning = h("span", { class: "tag warn", hidden: true }, "sensor");
    this.objects = h("span", { class: "objects" });
    this.figures = h("span", { class: "muted figures-line" });
    this.link = h("a", { class: "tile-link", href: `#/stream/${encodeURIComponent(stream.id)}` }, this.stage.root);
    this.root = h(
      "article",
      { class: "tile", dataset: { stream: stream.id, name: stream.name } },
      h(
        "header",
        {},
        this.light,
        h("h2", {}, stream.name),
        this.warning,
        this.position,
        h("button", { type: "button", class: "icon quiet", "aria-label": `Stop ${stream.name}`, title: "Stop this stream", onclick: onStop }, icon("close")),
      ),
      this.link,
      h("footer", {}, this.objects, this.figures),
    );
    this.root.tile = this;
    this.watch = new Watch(stream, this.stage, { width, picturesPerSecond: prefs.wallRate }, {
      detections: () => this.count(),
      status: (message) => this.measure(message),
      state: (state, title, detail) => this.tell(state, title, detail),
    });
  }

  number(index) {
    say(this.position, index < 9 ? String(index + 1) : "");
    this.position.hidden = index >= 9;
  }

  // Called while `watch` is being made, too.
  tell(state, title, detail) {
    const changed = this.state !== state;
    this.state = this.root.dataset.state = state;
    this.link.setAttribute("aria-label", `${this.stream.name}: ${title}${detail ? `, ${detail}` : ""}`);
    if (changed) this.onState();
  }

  count() {
    this.root.dataset.answers = String(this.watch.answers);
    if (!this.readable()) return;
    const counts = countByLabel(this.watch.boxes.filter((box) => box.score >= this.watch.threshold));
    this.objects.replaceChildren(...counts.map(([label, count]) => h("span", {}, swatch(label), `${count}`, h("span", { class: "sr" }, ` ${label}`))));
  }

  measure(message) {
    if (this.state !== "live") {
      say(this.figures, "");
      return;
    }
    say(this.figures, `${known(message.events_per_s, rate)} · ${known(message.behind_ms, (ms) => `${number(ms)} ms behind`)}`);
    const warnings = message.sensor?.warnings ?? [];
    this.warning.hidden = !warnings.length;
    this.warning.title = warnings.join("; ");
  }

  close() {
    this.watch.close();
    this.root.remove();
  }
}

function loading(text = "Asking for the streams") {
  return h("div", { class: "empty waiting" }, h("div", { class: "spinner", "aria-hidden": "true" }), h("p", {}, text));
}

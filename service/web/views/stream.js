// One stream in full: picture, boxes, tracks, zones, figures, health, log.

import { getJson, sendJson } from "/web/api.js";
import { h, iconButton, paced, say } from "/web/dom.js";
import { countByLabel } from "/web/draw.js";
import { swatch } from "/web/labels.js";
import { attempt } from "/web/notices.js";
import { Clips } from "/web/panels/clips.js";
import { Controls } from "/web/panels/controls.js";
import { Counts } from "/web/panels/counts.js";
import { Log } from "/web/panels/log.js";
import { Measures } from "/web/panels/measures.js";
import { Sensor } from "/web/panels/sensor.js";
import { Tracks } from "/web/panels/tracks.js";
import { Zones } from "/web/panels/zones.js";
import { prefs, remember } from "/web/prefs.js";
import { has } from "/web/service.js";
import { Stage } from "/web/stage.js";
import { pathOf, stopStream } from "/web/stream_actions.js";
import { LINK_WORDS, StreamList } from "/web/streams.js";
import { Watch } from "/web/watch.js";

const PICTURE_WIDTH = 960;

export function mount(root, [id]) {
  const shown = { title: "Stream", close: () => {}, keys: {} };
  const body = h("div", { class: "empty waiting" }, h("div", { class: "spinner", "aria-hidden": "true" }), h("p", {}, "Opening the stream"));
  root.append(body);
  let left = false;
  shown.close = () => (left = true);
  getJson(`/streams/${encodeURIComponent(id)}`).then(
    (stream) => {
      if (left) return;
      body.remove();
      const view = new StreamView(root, stream);
      shown.close = () => view.close();
      Object.assign(shown.keys, view.keys());
      document.title = `${stream.name} · Spikesight`;
    },
    (problem) => left || body.replaceWith(missing(problem)),
  );
  return shown;
}

function missing(problem) {
  return h(
    "div",
    { class: "empty bad" },
    h("h1", {}, problem.status === 404 ? "This stream is gone" : problem.title),
    h("p", {}, problem.status === 404 ? "It was stopped, or it was a demo that ended when nobody watched." : problem.detail),
    h("a", { class: "button", href: "#/" }, "All streams"),
  );
}

class StreamView {
  constructor(root, stream) {
    this.stream = stream;
    this.others = [stream];
    this.readable = paced();
    this.stage = new Stage(`Events of ${stream.name} with detected objects`, { attributes: { id: "view" } });
    this.pill = h("span", { class: "pill", id: "status", role: "status", dataset: { state: "connecting" } }, "Connecting");
    this.legend = h("ul", { class: "legend", id: "legend", "aria-label": "Objects in view" });
    this.makePanels();
    root.append(this.head(), h("div", { class: "full" }, this.left(), this.right()));
    this.applyPrefs();
    this.watch = new Watch(stream, this.stage, { width: PICTURE_WIDTH, picturesPerSecond: Infinity }, this.handlers());
    this.panels.tracks.book = this.watch.tracks;
    this.list = new StreamList((streams) => this.takeOthers(streams));
  }

  makePanels() {
    const { stream, stage } = this;
    this.panels = {
      measures: new Measures(),
      controls: new Controls(stream, (threshold) => this.filter(threshold), () => this.stop()),
      log: new Log((id) => this.panels.zones?.flash(id)),
      tracks: new Tracks({ all: () => [] }, (id) => this.point(id)),
      sensor: new Sensor(),
      zones: has("/streams/{id}/zones") ? new Zones(stream, stage, (mode) => this.showMode(mode)) : null,
      counts: has("/detections/counts") ? new Counts(stream) : null,
      clips: has("/streams/{id}/recordings") ? new Clips(stream) : null,
    };
  }

  // ---------------------------------------------------------------- what is where

  head() {
    this.before = iconButton("back", "Stream before (←)", { disabled: true, onclick: () => this.step(-1) });
    this.after = iconButton("next", "Next stream (→)", { disabled: true, onclick: () => this.step(1) });
    return h(
      "div",
      { class: "toolbar" },
      h("a", { class: "crumb", href: "#/" }, "Streams"),
      h("h1", {}, this.stream.name),
      this.pill,
      h("span", { class: "muted source", title: this.stream.source }, this.stream.source),
      h("div", { class: "spacer" }),
      this.before,
      this.after,
    );
  }

  left() {
    const { zones, counts, log, sensor, clips } = this.panels;
    this.pauseButton = iconButton("pause", "Pause (space)", { id: "pause", onclick: () => this.pause() });
    this.tools = h(
      "div",
      { class: "stage-tools" },
      this.pauseButton,
      zones && iconButton("zone", "Draw a zone (z)", { id: "tool-zone", onclick: () => zones.draw("zone") }),
      zones && iconButton("line", "Draw a line (l)", { id: "tool-line", onclick: () => zones.draw("line") }),
      this.toggle("tails", "Tails", "Tails of tracks (t)"),
      this.toggle("scores", "Scores", "Scores in labels"),
      zones && this.toggle("zones", "Zones", "Zones and lines"),
      h("div", { class: "spacer" }),
      this.legend,
      iconButton("full", "Full screen (f)", { id: "full-screen", onclick: () => this.fullScreen() }),
    );
    this.box = h("div", { class: "stage-box" }, this.stage.root, this.tools, zones?.bar);
    return h("section", { class: "left", "aria-label": "View" }, this.box, h("div", { class: "below" }, counts?.root, log.root, sensor.root, clips?.root));
  }

  right() {
    const { measures, tracks, zones, controls } = this.panels;
    const parts = [tracks, zones, measures, controls].filter(Boolean);
    return h("aside", { class: "side", "aria-label": "Controls and measurements" }, parts.map((panel) => panel.root));
  }

  toggle(name, text, label) {
    const button = h("button", { type: "button", class: "toggle", "aria-pressed": String(prefs[name]), "aria-label": label, title: label, dataset: { pref: name } }, text);
    button.addEventListener("click", () => this.flip(name));
    return button;
  }

  flip(name) {
    remember({ [name]: !prefs[name] });
    this.tools.querySelector(`[data-pref="${name}"]`)?.setAttribute("aria-pressed", String(prefs[name]));
    this.applyPrefs();
  }

  applyPrefs() {
    this.stage.view.show_tails = prefs.tails;
    this.stage.view.show_scores = prefs.scores;
    this.stage.view.soon();
    this.panels.zones?.editor.hide(!prefs.zones);
  }

  // ---------------------------------------------------------------- messages

  handlers() {
    const { measures, controls, log, tracks, sensor, zones, clips } = this.panels;
    return {
      hello: (message) => {
        controls.hello(message);
        zones?.hello(message);
      },
      detections: (message) => {
        measures.detections(message);
        this.showLegend();
      },
      tracks: () => tracks.tracks(),
      status: (message) => {
        measures.status(message);
        controls.status(message);
        zones?.status(message);
      },
      reset: (message) => log.reset(message),
      error: (message) => log.error(message),
      zones: (message) => zones?.zonesChanged(message),
      zone: (message) => log.zone(message),
      alarm: (message) => log.alarm(message),
      sensor: (message) => sensor.sensor(message),
      sensor_changed: (message) => log.sensor(message),
      clip: (message) => clips?.changed(message),
      state: (state, title, detail) => this.tellState(state, title, detail),
      gone: (fatal) => fatal && this.list.refresh(),
    };
  }

  tellState(state, title, detail) {
    this.pill.dataset.state = state;
    say(this.pill, this.watch?.paused ? "Paused" : LINK_WORDS[state] ?? title);
    this.panels.log.state(state, detail);
  }

  showLegend() {
    if (!this.readable()) return;
    const counts = countByLabel(this.stage.view.boxes);
    this.legend.replaceChildren(...counts.map(([label, count]) => h("li", {}, swatch(label), `${label} ${count}`)));
  }

  filter(threshold) {
    this.watch.threshold = threshold;
    this.watch.redraw();
  }

  point(id) {
    this.stage.view.chosen = id;
    this.stage.view.soon();
  }

  // ---------------------------------------------------------------- what can be done

  pause() {
    this.watch.pause(!this.watch.paused);
    const { paused } = this.watch;
    this.pauseButton.replaceWith((this.pauseButton = iconButton(paused ? "play" : "pause", paused ? "Go on (space)" : "Pause (space)", { id: "pause", onclick: () => this.pause() })));
    this.pauseButton.focus();
    this.tellState(this.watch.link.state, LINK_WORDS[this.watch.link.state], this.watch.link.detail);
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.box.requestFullscreen?.().catch(() => {});
  }

  showMode(mode) {
    this.tools.hidden = mode !== "view"; // the drawing bar takes its place, so that the picture stays where it is
    for (const kind of ["zone", "line"]) this.tools?.querySelector(`#tool-${kind}`)?.setAttribute("aria-pressed", String(mode === kind));
    if (mode !== "view" && !prefs.zones) this.flip("zones");
  }

  async stop() {
    if (await stopStream(this.stream)) location.hash = "#/";
  }

  takeOthers(streams) {
    this.others = streams;
    const at = streams.findIndex((stream) => stream.id === this.stream.id);
    this.before.disabled = this.after.disabled = streams.length < 2 || at < 0;
  }

  open(stream) {
    if (stream && stream.id !== this.stream.id) location.hash = `#/stream/${encodeURIComponent(stream.id)}`;
  }

  step(by) {
    const at = this.others.findIndex((stream) => stream.id === this.stream.id);
    const count = this.others.length;
    if (at >= 0) this.open(this.others[(at + by + count) % count]);
  }

  keys() {
    const { zones } = this.panels;
    const digits = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [String(index + 1), () => this.open(this.others[index])]));
    const drawing = zones && {
      z: () => zones.draw("zone"),
      l: () => zones.draw("line"),
      Enter: () => zones.editor.finish(),
      Backspace: () => zones.editor.drawing && zones.editor.undo(),
      Delete: () => zones.editor.chosen && zones.remove(zones.editor.find(zones.editor.chosen)),
    };
    return {
      ...digits,
      ...drawing,
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      " ": () => this.pause(),
      f: () => this.fullScreen(),
      t: () => this.flip("tails"),
      r: () => attempt(() => sendJson("POST", pathOf(this.stream, "/reset"))),
      Escape: () => this.escape(),
    };
  }

  escape() {
    const editor = this.panels.zones?.editor;
    if (editor && editor.mode !== "view") editor.cancel();
    else if (this.stage.view.chosen !== null) this.panels.tracks.choose(null);
    else location.hash = "#/";
  }

  close() {
    this.list.close();
    this.watch.close();
    for (const panel of Object.values(this.panels)) panel?.close?.();
    if (document.fullscreenElement) document.exitFullscreen();
  }
}

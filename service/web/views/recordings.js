// Kept recordings and clips: looked through with their boxes, replayed as streams, downloaded, deleted, uploaded.

import { getJson, sendJson } from "/web/api.js";
import { confirmed } from "/web/dialog.js";
import { bytes, h, moment, number, span } from "/web/dom.js";
import { attempt } from "/web/notices.js";
import { clipWords } from "/web/panels/clips.js";
import { Replay } from "/web/replay_view.js";
import { openReplay } from "/web/replays.js";
import { has } from "/web/service.js";
import { Uploads } from "/web/uploads.js";

const EVERY_MS = 3000; // while a clip is being recorded

export function mount(root, [kind, id]) {
  const view = new Recordings(root, kind, id);
  return { title: "Recordings", close: () => view.close(), keys: view.keys() };
}

class Recordings {
  constructor(root, kind, id) {
    this.uploads = new Uploads((recording) => this.open("recording", recording.id));
    this.replayed = null;
    this.place = h("div", { id: "replay" });
    this.list = h("div", { id: "recordings" }, h("p", { class: "muted" }, "Loading …"));
    root.append(
      h("div", { class: "toolbar" }, h("h1", {}, "Recordings")),
      this.place,
      h("section", { class: "card", "aria-label": "Upload" }, this.uploads.root),
      h("section", { class: "card", "aria-label": "Kept" }, this.list),
    );
    this.refresh();
    if (id) this.show(kind, id);
  }

  open(kind, id) {
    location.hash = `#/recordings/${kind}/${id}`;
  }

  async show(kind, id) {
    this.shown = id;
    const replay = await attempt(() => openReplay(kind, id));
    if (!replay || this.closed) return;
    this.replayed = new Replay(replay);
    this.place.replaceChildren(this.replayed.root);
    this.replayed.run();
  }

  // ---------------------------------------------------------------- the list

  async refresh() {
    clearTimeout(this.timer);
    const [recordings, clips] = await Promise.all([attempt(() => getJson("/recordings")), has("/clips") ? attempt(() => getJson("/clips")) : null]);
    if (this.closed) return;
    const rows = [
      ...(recordings?.recordings ?? []).map((one) => [one.created, this.uploadRow(one)]),
      ...(clips?.clips ?? []).map((one) => [one.created, this.clipRow(one)]),
    ];
    if (clips?.clips.some((clip) => clip.state === "recording")) this.timer = setTimeout(() => this.refresh(), EVERY_MS);
    rows.sort(([one], [other]) => other.localeCompare(one));
    this.list.replaceChildren(rows.length ? table(rows.map(([, row]) => row)) : empty());
  }

  uploadRow(recording) {
    const { id, name } = recording;
    return h(
      "tr",
      { dataset: { recording: id } },
      h("td", { class: "name", title: name }, h("a", { href: `#/recordings/recording/${id}` }, name)),
      ...["upload", recording.format, span(recording.duration_us / 1e6), number(recording.events), bytes(recording.size_bytes), moment(new Date(recording.created))].map((cell) => h("td", {}, cell)),
      h(
        "td",
        { class: "actions" },
        h("a", { class: "button", href: `#/recordings/recording/${id}`, "aria-label": `Open ${name}` }, "Open"),
        h("button", { type: "button", "aria-label": `Replay ${name} as a stream`, onclick: () => this.replay(recording) }, "Replay"),
        has("/recordings/{id}/file") && h("a", { class: "button", download: name, href: `/recordings/${id}/file`, "aria-label": `Download ${name}` }, "Download"),
        h("button", { type: "button", class: "danger", "aria-label": `Delete ${name}`, onclick: () => this.remove(recording, `/recordings/${id}`) }, "Delete"),
      ),
    );
  }

  clipRow(clip) {
    const { id, name } = clip;
    const done = clip.state === "done";
    const why = clip.why === "alarm" ? `alarm: ${clip.reasons.map((reason) => reason.name).filter(Boolean).join(", ")}` : "clip";
    const cells = done ? [clip.format, span(clip.duration_us / 1e6), number(clip.events), bytes(clip.size_bytes + clip.boxes_bytes)] : [clip.format, clipWords(clip), "", ""];
    const file = (path, text) => h("a", { class: "button", download: true, href: `/clips/${id}/${path}`, "aria-label": `Download ${text.toLowerCase()} of ${name}` }, text);
    return h(
      "tr",
      { dataset: { clip: id, state: clip.state } },
      h("td", { class: "name", title: clip.note ?? name }, done ? h("a", { href: `#/recordings/clip/${id}` }, name) : name),
      h("td", {}, why),
      ...[...cells, moment(new Date(clip.created))].map((cell) => h("td", {}, cell)),
      h(
        "td",
        { class: "actions" },
        done && [h("a", { class: "button", href: `#/recordings/clip/${id}`, "aria-label": `Open ${name}` }, "Open"), file("events", "Events"), file("boxes", "Boxes"), file("zip", "Both")],
        clip.state === "recording" && h("button", { type: "button", onclick: () => this.stop(clip) }, "Stop"),
        clip.state !== "recording" && h("button", { type: "button", class: "danger", "aria-label": `Delete ${name}`, onclick: () => this.remove(clip, `/clips/${id}`) }, "Delete"),
      ),
    );
  }

  // As a live stream, again and again.
  async replay(recording) {
    const source = `recording://${recording.id}?speed=1&loop=1`;
    const stream = await attempt(async () => {
      const { streams } = await getJson("/streams");
      return streams.find((one) => one.source === source) ?? sendJson("POST", "/streams", { source, keep: false });
    });
    if (stream && !this.closed) location.hash = `#/stream/${encodeURIComponent(stream.id)}`;
  }

  async stop(clip) {
    await attempt(() => sendJson("POST", `/clips/${clip.id}/stop`));
    this.refresh();
  }

  async remove(one, path) {
    if (!(await confirmed(`Delete ${one.name}?`, "Its files are gone then.", "Delete"))) return;
    await attempt(() => sendJson("DELETE", path));
    if (this.shown === one.id) location.hash = "#/recordings";
    else this.refresh();
  }

  keys() {
    return {
      " ": () => this.replayed?.player.toggle(),
      ArrowLeft: () => this.replayed?.player.step(-1),
      ArrowRight: () => this.replayed?.player.step(1),
      Escape: () => (location.hash = "#/recordings"),
    };
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.uploads.close();
    this.replayed?.close();
  }
}

function table(rows) {
  const head = ["Name", "Kind", "Format", "Length", "Events", "Size", "Kept since", ""];
  return h("div", { class: "scroll" }, h("table", { class: "dense stacks" }, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
}

function empty() {
  return h("div", { class: "empty slim" }, h("h2", {}, "No recordings yet"), h("p", {}, "Upload one, or record a stream: what was seen in it is kept beside its events."));
}

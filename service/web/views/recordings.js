// Kept recordings and clips: looked through with their boxes, replayed as streams, downloaded, deleted, uploaded.

import { getJson, sendJson } from "/web/api.js";
import { confirmed } from "/web/dialog.js";
import { bytes, h, moment, number, say, span } from "/web/dom.js";
import { countByLabel } from "/web/draw.js";
import { swatch } from "/web/labels.js";
import { attempt } from "/web/notices.js";
import { Measures } from "/web/panels/measures.js";
import { Player } from "/web/player.js";
import { UploadReplay } from "/web/replays.js";
import { has } from "/web/service.js";
import { Uploads } from "/web/uploads.js";

export function mount(root, [kind, id]) {
  const view = new Recordings(root, kind, id);
  return { title: "Recordings", close: () => view.close(), keys: view.keys() };
}

class Recordings {
  constructor(root, kind, id) {
    this.uploads = new Uploads((recording) => this.open("recording", recording.id));
    this.player = null;
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

  // ---------------------------------------------------------------- the list

  async refresh() {
    const answer = await attempt(() => getJson("/recordings"));
    if (this.closed) return;
    const rows = (answer?.recordings ?? []).map((one) => this.row(one));
    if (!rows.length) {
      this.list.replaceChildren(h("div", { class: "empty slim" }, h("h2", {}, "No recordings yet"), h("p", {}, "Upload one, or record a stream: what it saw is kept beside its events.")));
      return;
    }
    const head = ["Name", "Kind", "Sensor", "Length", "Events", "Size", "Kept since", ""];
    this.list.replaceChildren(h("div", { class: "scroll" }, h("table", { class: "dense stacks" }, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows))));
  }

  row(recording) {
    const { id, name } = recording;
    const button = (text, label, action, attributes = {}) => h("button", { type: "button", "aria-label": `${label} ${name}`, onclick: action, ...attributes }, text);
    return h(
      "tr",
      { dataset: { recording: id } },
      h("td", { class: "name", title: name }, h("a", { href: `#/recordings/recording/${id}` }, name)),
      ...[recording.format, `${recording.width} × ${recording.height}`, span(recording.duration_us / 1e6), number(recording.events), bytes(recording.size_bytes), moment(new Date(recording.created))].map((cell) => h("td", {}, cell)),
      h(
        "td",
        { class: "actions" },
        h("a", { class: "button", href: `#/recordings/recording/${id}`, "aria-label": `Look through ${name}` }, "Open"),
        button("Replay", "Replay as a stream", () => this.replay(recording)),
        has("/recordings/{id}/file") && h("a", { class: "button", download: name, href: `/recordings/${id}/file`, "aria-label": `Download ${name}` }, "Download"),
        button("Delete", "Delete", () => this.remove(recording), { class: "danger" }),
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

  async remove(recording) {
    if (!(await confirmed(`Delete ${recording.name}?`, "The file is gone then.", "Delete"))) return;
    await attempt(() => sendJson("DELETE", `/recordings/${recording.id}`));
    if (this.shown === recording.id) location.hash = "#/recordings";
    else this.refresh();
  }

  // ---------------------------------------------------------------- one of them

  async show(kind, id) {
    this.shown = id;
    const recording = await attempt(() => getJson(`/recordings/${id}`));
    if (!recording || this.closed) return;
    const replay = new UploadReplay(recording);
    const measures = new Measures();
    this.status = h("span", { class: "pill", id: "status", role: "status", dataset: { state: "waiting" } }, "Analysing");
    this.legend = h("ul", { class: "legend", id: "legend" });
    this.player = new Player(recording, (t_us, width) => replay.picturePath(t_us, width), (answer, boxes) => this.moment(measures, answer, boxes));
    this.place.replaceChildren(
      h("div", { class: "toolbar" }, h("h2", {}, recording.name), this.status, h("div", { class: "spacer" }), h("a", { class: "button", href: "#/recordings" }, "Close")),
      h("div", { class: "full" }, h("div", { class: "left" }, this.player.root, this.legend), h("aside", { class: "side" }, this.threshold(), measures.root)),
    );
    await this.analyse(replay);
  }

  threshold() {
    const output = h("output", { class: "mono", id: "threshold-value" }, "0.25");
    const slider = h("input", { id: "threshold", type: "range", min: "0.05", max: "0.95", step: "0.01", value: "0.25" });
    slider.addEventListener("input", () => {
      say(output, Number(slider.value).toFixed(2));
      this.player.setThreshold(Number(slider.value));
    });
    return h("section", { class: "card", "aria-label": "Detection" }, h("label", { class: "slider" }, h("span", {}, "Threshold ", output), slider));
  }

  async analyse(replay) {
    this.analysis = new AbortController();
    const { player, status } = this;
    const done = await attempt(async () => {
      for await (const [answer, progress] of replay.answers(this.analysis.signal)) {
        player.add(answer);
        say(status, `Analysing, ${Math.min(99, Math.round(progress * 100))} %`);
      }
      return true;
    });
    if (this.closed) return;
    if (!done && !player.answers.length) {
      status.dataset.state = "lost";
      say(status, "Refused");
      player.stage.say("ended", "This recording could not be analysed");
      return;
    }
    status.dataset.state = "live";
    say(status, done ? `${number(player.answers.length)} answers` : "Analysed in part");
    if (player.answers.length) player.finish();
    else player.stage.say("ended", "This recording has no events");
  }

  moment(measures, answer, boxes) {
    measures.showAnswer(answer);
    this.legend.replaceChildren(...countByLabel(boxes).map(([label, count]) => h("li", {}, swatch(label), `${label} ${count}`)));
  }

  keys() {
    return {
      " ": () => this.player?.toggle(),
      ArrowLeft: () => this.player?.step(-1),
      ArrowRight: () => this.player?.step(1),
      Escape: () => (location.hash = "#/recordings"),
    };
  }

  close() {
    this.closed = true;
    this.analysis?.abort();
    this.uploads.close();
    this.player?.close();
  }
}

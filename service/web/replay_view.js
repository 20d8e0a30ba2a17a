// One recording in the player, with its figures and what happened in it.

import { h, number, say } from "/web/dom.js";
import { countByLabel } from "/web/draw.js";
import { sentence } from "/web/happenings.js";
import { swatch } from "/web/labels.js";
import { attempt } from "/web/notices.js";
import { Measures } from "/web/panels/measures.js";
import { Player } from "/web/player.js";

export class Replay {
  // replay: see replays.js
  constructor(replay) {
    const { recording } = replay;
    this.replay = replay;
    this.measures = new Measures({ live: false });
    this.status = h("span", { class: "pill", id: "status", role: "status", dataset: { state: "waiting" } }, replay.busy);
    this.legend = h("ul", { class: "legend", id: "legend" });
    this.events = h("ol", { class: "log", "aria-label": "What happened", tabindex: "0" });
    this.happened = h("section", { class: "card", id: "happened", hidden: true }, h("h2", {}, "What happened"), this.events);
    this.player = new Player(recording, (t_us, width) => replay.picturePath(t_us, width), (answer, boxes) => this.moment(answer, boxes));
    this.player.threshold = replay.threshold;
    this.root = h(
      "div",
      {},
      h("div", { class: "toolbar" }, h("h2", {}, recording.name), this.status, h("div", { class: "spacer" }), h("a", { class: "button", href: "#/recordings" }, "Close")),
      h("div", { class: "full" }, h("div", { class: "left" }, this.player.root, this.legend), h("aside", { class: "side" }, this.threshold(), this.measures.root, this.happened)),
    );
  }

  threshold() {
    const { threshold } = this.replay;
    const output = h("output", { class: "mono", id: "threshold-value" }, threshold.toFixed(2));
    const slider = h("input", { id: "threshold", type: "range", min: "0.05", max: "0.95", step: "0.01", value: String(threshold) });
    slider.addEventListener("input", () => {
      say(output, Number(slider.value).toFixed(2));
      this.player.setThreshold(Number(slider.value));
    });
    return h("section", { class: "card", "aria-label": "Detection" }, h("label", { class: "slider", for: "threshold" }, h("span", {}, "Threshold ", output), slider));
  }

  async run() {
    this.work = new AbortController();
    const done = await attempt(async () => {
      for await (const line of this.replay.lines(this.work.signal)) this.take(line);
      return true;
    });
    if (!this.closed) this.end(done);
  }

  take(line) {
    if (line.type === "detections") {
      this.player.add(line);
      const { first_t_us, duration_us } = this.replay.recording;
      const share = (line.t_us[1] - first_t_us) / Math.max(duration_us, 1);
      say(this.status, `${this.replay.busy}, ${Math.min(99, Math.round(share * 100))} %`);
    } else if (["zone", "alarm", "reset", "sensor_changed"].includes(line.type)) this.event(line);
  }

  event(line) {
    const seconds = (line.t_us - this.replay.recording.first_t_us) / 1e6;
    const known = typeof line.t_us === "number";
    if (known && seconds < 0) return; // told while the clip began, of what was before
    this.happened.hidden = false;
    const open = h("button", { type: "button", class: "link mono", disabled: !known, onclick: () => this.player.seekTime(line.t_us) }, known ? `${seconds.toFixed(2)} s` : "–");
    this.events.append(h("li", { class: line.type === "alarm" ? "bad" : "" }, open, h("span", {}, sentence(line))));
  }

  end(done) {
    const { player, status } = this;
    if (!done && !player.answers.length) {
      status.dataset.state = "lost";
      say(status, "Refused");
      player.stage.say("ended", "This recording could not be opened");
      return;
    }
    status.dataset.state = "live";
    say(status, `${number(player.answers.length)} answers${done ? "" : ", not all"}`);
    if (player.answers.length) player.finish();
    else player.stage.say("ended", "Nothing was answered in this recording");
  }

  moment(answer, boxes) {
    this.measures.showAnswer(answer);
    this.legend.replaceChildren(...countByLabel(boxes).map(([label, count]) => h("li", {}, swatch(label), `${label} ${count}`)));
  }

  close() {
    this.closed = true;
    this.work?.abort();
    this.player.close();
  }
}

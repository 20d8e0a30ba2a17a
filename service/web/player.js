// A recording with its answers: a scrub bar, and the event picture of each moment.

import { timeline } from "/web/charts.js";
import { h, iconButton, say } from "/web/dom.js";
import { TrackBook } from "/web/draw.js";
import { Stage } from "/web/stage.js";

const PICTURE_WIDTH = 960;
const KEPT_PICTURES = 200;
const TAIL_US = 2_500_000;
const FASTEST_MS = 40; // between two answers that are shown: more cannot be seen
const SPEEDS = [["0.25", "¼ ×"], ["0.5", "½ ×"], ["1", "1 ×"], ["2", "2 ×"], ["4", "4 ×"]];

export class Player {
  // recording: {id, name, width, height, first_t_us}. picturePath(t_us, width): where the picture that ends at t_us is.
  // onMoment(answer, boxes): each answer that is shown.
  constructor(recording, picturePath, onMoment = () => {}) {
    Object.assign(this, { recording, picturePath, onMoment });
    this.answers = [];
    this.index = 0;
    this.threshold = 0.25;
    this.pictures = new Map();
    this.stage = new Stage(`Events of ${recording.name} with detected objects`, { attributes: { id: "view" } });
    this.stage.view.tracks = this.book = new TrackBook();
    this.stage.resize([recording.width, recording.height]);
    this.stage.say("connecting", "Opening the recording");
    this.playButton = this.makeButton("play", "Play (space)");
    this.scrub = h("input", { type: "range", id: "scrub", min: "0", max: "0", value: "0", step: "1", "aria-label": "Time in the recording", oninput: () => this.seek(Number(this.scrub.value)) });
    this.timeline = h("canvas", { "aria-hidden": "true" });
    this.clock = h("output", { id: "clock", class: "mono" }, "0.000 s");
    this.speed = h("select", { "aria-label": "Speed", class: "speed" }, SPEEDS.map(([value, text]) => h("option", { value, selected: value === "1" }, text)));
    this.bar = h("div", { class: "player" }, this.playButton, h("div", { class: "track" }, this.timeline, this.scrub), this.clock, this.speed);
    this.root = h("div", { class: "stage-box" }, this.stage.root, this.bar);
    this.watcher = new ResizeObserver(() => this.paintTimeline());
    this.watcher.observe(this.timeline);
  }

  makeButton(glyph, label) {
    return iconButton(glyph, label, { id: "play", onclick: () => this.toggle() });
  }

  // ---------------------------------------------------------------- answers

  add(answer) {
    this.answers.push(answer);
    this.scrub.max = String(this.answers.length - 1);
    if (this.answers.length === 1) this.seek(0);
  }

  // All answers are there: the first moment with something in it is shown.
  finish() {
    this.paintTimeline();
    if (!this.answers.length) return;
    const best = this.answers.findIndex((answer) => this.shown(answer).length > 0);
    this.seek(Math.max(best, 0));
  }

  setThreshold(threshold) {
    this.threshold = threshold;
    if (!this.answers.length) return;
    this.paintTimeline();
    this.seek(this.index);
  }

  shown(answer) {
    return answer.boxes.filter((box) => box.score >= this.threshold);
  }

  // ---------------------------------------------------------------- moments

  async seek(index) {
    this.index = index;
    this.scrub.value = String(index);
    const answer = this.answers[index];
    const seconds = (answer.t_us[1] - (this.recording.first_t_us ?? 0)) / 1e6;
    say(this.clock, `${seconds.toFixed(3)} s`);
    this.scrub.setAttribute("aria-valuetext", `${seconds.toFixed(2)} seconds`);
    this.onMoment(answer, this.shown(answer));
    const picture = await this.picture(answer.t_us[1]);
    if (this.closed || this.index !== index) return;
    this.follow(index);
    this.stage.view.show(picture, this.shown(answer));
    this.stage.say("live", "");
  }

  // Tails as they were at this moment, whichever way one came to it.
  follow(index) {
    this.book.clear();
    let from = index;
    while (from > 0 && this.answers[index].t_us[1] - this.answers[from].t_us[1] < TAIL_US) from -= 1;
    for (const answer of this.answers.slice(from, index + 1)) this.book.take(answer.t_us[1], answer.boxes.filter((box) => box.track_id && box.score >= this.threshold).map(changeOf));
  }

  // The first answer that ends at `t_us` or later.
  seekTime(t_us) {
    const index = this.answers.findIndex((answer) => answer.t_us[1] >= t_us);
    if (this.answers.length) this.seek(index < 0 ? this.answers.length - 1 : index);
  }

  async picture(t_us) {
    const kept = this.pictures.get(t_us);
    if (kept) return kept;
    const response = await fetch(this.picturePath(t_us, PICTURE_WIDTH)).catch(() => null);
    if (!response?.ok) return null;
    const picture = await createImageBitmap(await response.blob());
    this.pictures.set(t_us, picture);
    if (this.pictures.size > KEPT_PICTURES) this.pictures.delete(this.pictures.keys().next().value);
    return picture;
  }

  step(by) {
    if (!this.answers.length) return;
    this.pause();
    this.seek(Math.min(Math.max(this.index + by, 0), this.answers.length - 1));
  }

  // ---------------------------------------------------------------- playing

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (!this.answers.length) return;
    if (this.index >= this.answers.length - 1) this.index = 0;
    this.playing = true;
    this.show("pause", "Pause (space)");
    this.next();
  }

  // The next answer comes when its time has come, at the speed that is chosen; a late picture delays no other.
  next() {
    const here = this.answers[this.index];
    const then = this.answers[this.index + 1];
    if (!then) {
      this.pause();
      return;
    }
    const wait = (then.t_us[1] - here.t_us[1]) / 1000 / Number(this.speed.value);
    this.timer = setTimeout(() => {
      this.seek(this.index + 1);
      this.next();
    }, Math.max(wait, FASTEST_MS));
  }

  pause() {
    clearTimeout(this.timer);
    if (this.playing) this.show("play", "Play (space)");
    this.playing = false;
  }

  show(glyph, label) {
    const focused = document.activeElement === this.playButton;
    const button = this.makeButton(glyph, label);
    this.playButton.replaceWith(button);
    this.playButton = button;
    if (focused) button.focus();
  }

  paintTimeline() {
    if (this.timeline.clientWidth) timeline(this.timeline, this.answers, this.threshold);
  }

  close() {
    this.closed = true;
    this.pause();
    this.watcher.disconnect();
    this.stage.close();
    this.pictures.clear();
  }
}

function changeOf({ track_id, label, score, xyxy }) {
  return { change: "update", track_id, label, score, xyxy, velocity_px_s: [0, 0], votes: {}, age_ms: 0 };
}

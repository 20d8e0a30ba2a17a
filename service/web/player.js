// An analysed recording: its answers, a scrub bar, and the event picture of each moment.

import { timeline } from "/web/charts.js";

const PICTURE_WIDTH = 960;
const KEPT_PICTURES = 200;

export class Player {
  constructor(elements, view, onMoment) {
    Object.assign(this, elements);
    this.view = view;
    this.onMoment = onMoment;
    this.threshold = 0.25;
    this.pictures = new Map();
    this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value)));
    this.play.addEventListener("click", () => (this.timer ? this.pause() : this.start()));
    window.addEventListener("resize", () => this.recording && this.paintTimeline());
  }

  open(recording) {
    this.close();
    this.recording = recording;
    this.answers = [];
    this.index = 0;
    this.root.hidden = false;
    this.view.resize([recording.width, recording.height]);
  }

  add(answer) {
    this.answers.push(answer);
    this.scrub.max = String(this.answers.length - 1);
    if (this.answers.length === 1) this.seek(0);
  }

  finish() {
    this.paintTimeline();
    const best = this.answers.findIndex((answer) => this.shown(answer).length > 0);
    this.seek(Math.max(best, 0));
  }

  close() {
    this.pause();
    this.recording = null;
    this.root.hidden = true;
    this.pictures.clear();
  }

  setThreshold(threshold) {
    this.threshold = threshold;
    if (!this.recording || !this.answers.length) return;
    this.paintTimeline();
    this.seek(this.index);
  }

  shown(answer) {
    return answer.boxes.filter((box) => box.score >= this.threshold);
  }

  async seek(index) {
    this.index = index;
    this.scrub.value = String(index);
    const recording = this.recording;
    const answer = this.answers[index];
    const seconds = (answer.t_us[1] - recording.first_t_us) / 1e6;
    this.clock.textContent = `${seconds.toFixed(3)} s`;
    this.onMoment(answer, this.shown(answer));
    const picture = await this.picture(recording, answer.t_us[1]);
    if (this.recording === recording && this.index === index) this.view.show(picture, this.shown(answer));
  }

  async picture(recording, t_us) {
    const kept = this.pictures.get(t_us);
    if (kept) return kept;
    const query = new URLSearchParams({ t_us, width: PICTURE_WIDTH });
    const response = await fetch(`/recordings/${recording.id}/picture?${query}`).catch(() => null);
    if (!response?.ok) return null;
    const picture = await createImageBitmap(await response.blob());
    this.pictures.set(t_us, picture);
    if (this.pictures.size > KEPT_PICTURES) this.pictures.delete(this.pictures.keys().next().value);
    return picture;
  }

  start() {
    if (this.index >= this.answers.length - 1) this.index = -1;
    this.play.textContent = "Pause";
    this.play.ariaLabel = "Pause";
    this.timer = setInterval(() => {
      if (this.index >= this.answers.length - 1) this.pause();
      else this.seek(this.index + 1);
    }, 80);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
    this.play.ariaLabel = "Play";
  }

  paintTimeline() {
    timeline(this.timeline, this.answers, this.threshold);
  }
}

// A live stream on a stage: boxes, pictures, tracks and the state of its link. The wall and the full view share it.

import { span, words } from "/web/dom.js";
import { TrackBook } from "/web/draw.js";
import { LiveStream } from "/web/live.js";
import { LINK_WORDS, linkOf } from "/web/streams.js";

const RESET_SHOWN_MS = 4000;

export class Watch {
  // handlers: called after the stage has taken a message, by the message's type, and `state(state, words)`.
  constructor(stream, stage, { width, picturesPerSecond }, handlers = {}) {
    Object.assign(this, { stream, stage, handlers });
    this.threshold = stream.threshold ?? 0;
    this.boxes = [];
    this.paused = false;
    this.answers = 0;
    this.link = linkOf(null);
    this.tracks = new TrackBook();
    stage.view.tracks = this.tracks;
    this.sayLink();
    this.live = new LiveStream(
      stream.id,
      width,
      { message: (message) => this.take(message), picture: (picture) => this.takePicture(picture), gone: (fatal, waitMs) => this.gone(fatal, waitMs) },
      picturesPerSecond,
    );
  }

  take(message) {
    this[`take_${message.type}`]?.(message);
    this.handlers[message.type]?.(message);
  }

  take_hello(message) {
    if (message.resolution) this.stage.resize(message.resolution);
    this.threshold = message.threshold;
    this.away = false;
    this.sayLink();
  }

  take_detections(message) {
    this.answers += 1;
    this.boxes = message.boxes;
    const first = !this.hasWord;
    this.hasWord = true;
    if (this.link.state === "connecting") this.setLink({ state: "live", detail: "" });
    else if (first) this.sayLink();
    if (!this.paused) this.redraw();
  }

  take_tracks(message) {
    this.tracks.take(message.t_us, message.changes);
  }

  take_status(message) {
    this.setLink(linkOf(message));
  }

  take_link(message) {
    this.setLink(message.link ?? message);
  }

  setLink(link) {
    this.link = link;
    this.sayLink();
  }

  take_reset(message) {
    this.tracks.clear();
    this.resetWords = `The network began anew: ${words(message.reason)}`;
    clearTimeout(this.resetTimer);
    this.resetTimer = setTimeout(() => (this.resetWords = ""), RESET_SHOWN_MS);
  }

  takePicture(picture) {
    if (this.paused) {
      picture.close();
      return;
    }
    this.stage.view.picture?.close();
    this.stage.view.show(picture);
    if (this.link.state === "live" && !this.stage.veil.hidden) this.sayLink();
  }

  redraw() {
    this.stage.view.show(undefined, this.boxes.filter((box) => box.score >= this.threshold));
  }

  pause(paused) {
    this.paused = paused;
    if (!paused) this.redraw();
  }

  gone(fatal, waitMs) {
    this.away = true;
    this.fatal = fatal;
    if (fatal) this.announce("ended", "Ended", fatal.message);
    else this.announce("lost", "No connection to the service", `Trying again in ${Math.ceil(waitMs / 1000)} s`);
    this.handlers.gone?.(fatal, waitMs);
  }

  sayLink() {
    if (this.away) return;
    const { state, detail, for_s, attempts } = this.link;
    if (state === "live" && !this.hasWord) this.announce("connecting", "Waiting for events");
    else this.announce(state, LINK_WORDS[state] ?? state, linkDetail(state, detail, for_s, attempts));
  }

  announce(state, title, detail = "") {
    this.stage.say(state, title, detail);
    this.handlers.state?.(state, title, detail);
  }

  close() {
    clearTimeout(this.resetTimer);
    this.live.close();
    this.stage.close();
  }
}

function linkDetail(state, detail, for_s, attempts) {
  if (state === "live") return "";
  const parts = [detail];
  if (for_s >= 1) parts.push(`for ${span(for_s)}`);
  if (attempts > 1 && state !== "stalled") parts.push(`attempt ${attempts}`);
  return parts.filter(Boolean).join(", ");
}

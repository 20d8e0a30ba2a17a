// The list of streams, asked for again and again while a view wants it.

import { getJson } from "/web/api.js";

const EVERY_MS = 3000;

export class StreamList {
  // onChange(streams) at each answer; onProblem(problem) where there was none.
  constructor(onChange, onProblem = () => {}) {
    Object.assign(this, { onChange, onProblem });
    this.closed = false;
    this.streams = [];
    this.refresh();
  }

  async refresh() {
    clearTimeout(this.timer);
    this.asked = (this.asked ?? 0) + 1;
    const mine = this.asked;
    try {
      const { streams } = await getJson("/streams");
      if (this.closed || mine !== this.asked) return;
      this.streams = streams;
      this.onChange(streams);
    } catch (problem) {
      if (!this.closed && mine === this.asked) this.onProblem(problem);
    }
    if (!this.closed && mine === this.asked) this.timer = setTimeout(() => this.refresh(), EVERY_MS);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }
}

// One word and one sentence for the state of a stream's link; older services send no link.
export function linkOf(message) {
  return message?.link ?? { state: message?.state === "ended" ? "ended" : message ? "live" : "connecting", detail: "" };
}

export const LINK_WORDS = { connecting: "Connecting", live: "Live", stalled: "Stalled", lost: "Lost", ended: "Ended" };

// Different objects of the last quarter of an hour, by class.

import { countsByClass } from "/web/counts_data.js";
import { h } from "/web/dom.js";
import { Plot, key } from "/web/plot.js";

const EVERY_MS = 10_000;
const SHOWN_S = 900;

export class Counts {
  constructor(stream) {
    this.stream = stream;
    this.plot = new Plot({ height: 130, label: "Objects in the last 15 minutes" });
    this.legend = h("div", {});
    this.words = h("p", { class: "muted small" }, "Loading …");
    this.root = h(
      "section",
      { class: "card", id: "counts" },
      h("div", { class: "card-head" }, h("h2", {}, "Objects, 15 minutes"), h("a", { class: "muted small", href: `#/history/${encodeURIComponent(stream.id)}` }, "History")),
      this.plot.root,
      this.legend,
      this.words,
    );
    this.refresh();
  }

  async refresh() {
    const now_s = Date.now() / 1000;
    const query = [["stream", this.stream.id], ["bucket", "10s"], ["from", String(now_s - SHOWN_S)], ["to", String(now_s)]];
    try {
      const data = await countsByClass(query, "tracks");
      this.plot.show(data);
      this.legend.replaceChildren(key(data.series));
      this.words.textContent = data.series.length ? "" : "Nothing was seen in this time.";
    } catch (problem) {
      this.words.textContent = problem.status === 404 ? "Nothing of this stream is kept yet." : problem.message;
    }
    if (!this.closed) this.timer = setTimeout(() => this.refresh(), EVERY_MS);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.plot.close();
  }
}

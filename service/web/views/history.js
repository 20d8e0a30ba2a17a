// What was seen: counts over time, and tables of detections, tracks and happenings.

import { getJson, withQuery } from "/web/api.js";
import { RANGES, countsByClass, countsByStream } from "/web/counts_data.js";
import { choice, field } from "/web/dialog.js";
import { h, moment, number } from "/web/dom.js";
import { HistoryTable, TABLES } from "/web/history_table.js";
import { Plot, key } from "/web/plot.js";
import { has } from "/web/service.js";

const EVERY_MS = 10_000;
const FORMATS = [["csv", "CSV"], ["parquet", "Parquet"], ["coco", "COCO"]];

export function mount(root, [stream]) {
  if (!has("/detections")) {
    root.append(h("div", { class: "empty" }, h("h1", {}, "This service keeps no history"), h("p", {}, "Its version is older than this page, or its database is switched off.")));
    return { title: "History", close() {}, keys: {} };
  }
  const view = new History(root, stream ?? "");
  return { title: "History", close: () => view.close(), keys: { Escape: () => view.narrow(null) } };
}

class History {
  constructor(root, stream) {
    this.streams = [];
    this.narrowed = null; // {begin, end}: the bar that was pressed
    const changed = () => this.changed();
    this.stream = choice([["", "All streams"]], "", { id: "history-stream", onchange: changed });
    this.range = choice(RANGES.map(([name], at) => [String(at), `Last ${name}`]), "1", { id: "history-range", onchange: changed });
    this.class_ = choice([["", "All classes"]], "", { id: "history-class", onchange: changed });
    this.by = choice([["class", "by class"], ["stream", "by stream"]], "class", { id: "history-by", onchange: changed });
    this.what = choice([["tracks", "objects (tracks)"], ["boxes", "kept boxes"]], "tracks", { id: "history-what", onchange: changed });
    this.plot = new Plot({ height: 220, label: "Counts over time", onPick: (bucket) => this.narrow(bucket) });
    this.legend = h("div", {});
    this.words = h("p", { class: "muted" }, "Loading …");
    this.exports = h("div", { class: "exports" });
    this.chip = h("button", { type: "button", hidden: true, title: "Show the whole time again (Esc)", onclick: () => this.narrow(null) });
    this.table = new HistoryTable();
    root.append(
      h("div", { class: "toolbar" }, h("h1", {}, "History"), h("div", { class: "spacer" }), this.exports),
      h(
        "section",
        { class: "card" },
        h("div", { class: "row filters" }, field("Stream", this.stream), field("Time", this.range), field("Class", this.class_), field("Count", this.what), field("Colours", this.by)),
        this.plot.root,
        h("div", { class: "plot-foot" }, this.legend, this.words),
      ),
      h("section", { class: "card" }, h("div", { class: "toolbar" }, this.tabs(), this.chip), this.table.root),
    );
    this.begin(stream);
  }

  async begin(stream) {
    const [streams, models] = await Promise.all([getJson("/streams").catch(() => ({ streams: [] })), getJson("/models").catch(() => ({ models: [] }))]);
    this.streams = streams.streams;
    this.stream.append(...this.streams.map((one) => h("option", { value: one.id }, one.name)));
    if (stream && !this.streams.some((one) => one.id === stream)) this.stream.append(h("option", { value: stream }, stream));
    this.stream.value = stream;
    const classes = [...new Set(models.models.flatMap((model) => model.classes))].sort();
    this.class_.append(...classes.map((name) => h("option", { value: name }, name)));
    if (!this.closed) this.changed();
  }

  tabs() {
    const choose = (name) => {
      for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.table === name));
      this.table.choose(name, this.query());
    };
    const tabs = h(
      "div",
      { class: "segments", role: "group", "aria-label": "Table" },
      Object.entries(TABLES).map(([name, { title }], at) => h("button", { type: "button", dataset: { table: name }, "aria-pressed": String(at === 0), onclick: () => choose(name) }, title)),
    );
    return tabs;
  }

  // ---------------------------------------------------------------- what is asked for

  span() {
    if (this.narrowed) return this.narrowed;
    const end = new Date();
    return { begin: new Date(end - RANGES[this.range.value][1] * 1000), end };
  }

  query({ begin, end } = this.span()) {
    const query = [["from", begin.toISOString()], ["to", end.toISOString()]];
    if (this.stream.value) query.push(["stream", this.stream.value]);
    if (this.class_.value) query.push(["class", this.class_.value]);
    return query;
  }

  changed() {
    this.narrowed = null;
    this.refresh();
    this.showTable();
  }

  narrow(bucket) {
    this.narrowed = bucket;
    this.showTable();
  }

  showTable() {
    this.chip.hidden = !this.narrowed;
    if (this.narrowed) this.chip.textContent = `${moment(this.narrowed.begin)} – ${moment(this.narrowed.end)}  ×`;
    this.table.ask(this.query());
    this.exports.replaceChildren(
      h("span", { class: "muted" }, "Export"),
      ...FORMATS.map(([format, name]) => h("a", { class: "button", download: true, href: withQuery("/detections/export", Object.fromEntries([...this.query(), ["format", format]])) }, name)),
    );
  }

  async refresh() {
    clearTimeout(this.timer);
    this.asked = new AbortController();
    const mine = this.asked;
    const bucket = RANGES[this.range.value][2];
    const end = new Date();
    const begin = new Date(end - RANGES[this.range.value][1] * 1000);
    const query = [...this.query({ begin, end }), ["bucket", bucket]];
    try {
      const data = this.by.value === "stream" && !this.stream.value && this.streams.length
        ? await countsByStream(this.streams, query, this.what.value, mine.signal)
        : await countsByClass(query, this.what.value, mine.signal);
      if (mine !== this.asked || this.closed) return;
      this.plot.show(data);
      this.legend.replaceChildren(key(data.series));
      this.words.textContent = data.series.length ? `${number(Number(this.plot.root.dataset.total))} in this time` : "Nothing was seen in this time.";
    } catch (problem) {
      if (mine !== this.asked || this.closed) return;
      this.words.textContent = problem.message;
    }
    this.timer = setTimeout(() => this.refresh(), EVERY_MS);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.asked?.abort();
    this.plot.close();
    this.table.close();
  }
}

// Rows of history, a page at a time.

import { getJson } from "/web/api.js";
import { h, moment, number, span } from "/web/dom.js";
import { sentence } from "/web/happenings.js";
import { swatch } from "/web/labels.js";

const PAGE = 50;

const labelled = (name) => h("span", {}, swatch(name), name);

// What each table is called, its path, its columns, and the cells of a row.
export const TABLES = {
  detections: {
    title: "Detections",
    path: "/detections",
    head: ["Time", "Stream", "Class", "Score", "Track", "Box, px"],
    cells: (row) => [
      moment(new Date(row.time)), row.name, labelled(row.label), number(row.score, 2), row.track_id === null ? "–" : `#${row.track_id}`, row.xyxy.map((side) => Math.round(side)).join(", "),
    ],
  },
  tracks: {
    title: "Tracks",
    path: "/tracks",
    head: ["Ended", "Stream", "Track", "Class", "Best score", "Seen for", "Answers"],
    cells: (row) => [
      moment(new Date(row.time)), row.name, `#${row.track_id}`, labelled(row.label), number(row.score, 2), span((new Date(row.time) - new Date(row.begun)) / 1000), number(row.boxes),
    ],
  },
  happenings: {
    title: "Events",
    path: "/happenings",
    head: ["Time", "Stream", "Kind", "What"],
    cells: (row) => [moment(new Date(row.time)), row.name, row.kind.replaceAll("_", " "), sentence(row.body)],
    ignores: ["class"],
  },
};

export class HistoryTable {
  constructor() {
    this.table = "detections";
    this.query = [];
    this.head = h("thead", {});
    this.body = h("tbody", {});
    this.words = h("p", { class: "muted" });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.load(this.next) }, "Older");
    this.root = h("div", {}, h("div", { class: "scroll" }, h("table", { class: "dense" }, this.head, this.body)), h("div", { class: "row" }, this.words, h("div", { class: "spacer" }), this.more));
  }

  choose(table, query) {
    this.table = table;
    this.ask(query);
  }

  ask(query) {
    const { path, head, ignores = [] } = TABLES[this.table];
    this.head.replaceChildren(h("tr", {}, head.map((name) => h("th", { scope: "col" }, name))));
    this.body.replaceChildren();
    this.query = query.filter(([name]) => !ignores.includes(name));
    return this.load(`${path}?${new URLSearchParams([...this.query, ["limit", String(PAGE)]])}`);
  }

  async load(path) {
    this.asked?.abort();
    const mine = (this.asked = new AbortController());
    const table = this.table;
    this.more.hidden = true;
    this.words.textContent = "Loading …";
    try {
      const answer = await getJson(path, mine.signal);
      this.next = answer.next;
      this.body.append(...answer[table].map((row) => h("tr", {}, TABLES[table].cells(row).map((cell) => h("td", {}, cell)))));
      this.more.hidden = !this.next;
      this.words.textContent = this.body.children.length ? `${this.body.children.length} rows${this.next ? "" : ", all of them"}` : "Nothing in this time.";
    } catch (problem) {
      if (problem.name !== "AbortError") this.words.textContent = problem.message;
    }
  }

  close() {
    this.asked?.abort();
  }
}

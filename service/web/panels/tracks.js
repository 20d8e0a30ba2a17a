// The tracks in view: number, class, certainty, speed, age. One can be pointed out.

import { h, number, say, span } from "/web/dom.js";
import { swatch } from "/web/labels.js";

const EVERY_MS = 400;
const MOST = 40;

export class Tracks {
  // onChoose(id): null for none.
  constructor(book, onChoose) {
    this.book = book;
    this.onChoose = onChoose;
    this.chosen = null;
    this.shownMs = 0;
    this.count = h("span", { class: "count" }, "0");
    this.body = h("tbody", {});
    this.empty = h("p", { class: "muted" }, "Nothing is tracked now.");
    this.table = h(
      "table",
      { class: "dense", hidden: true },
      h("thead", {}, h("tr", {}, ["Track", "Class", "Score", "Speed", "Age"].map((name) => h("th", { scope: "col" }, name)))),
      this.body,
    );
    this.root = h(
      "section",
      { class: "card", "aria-label": "Tracks", id: "tracks" },
      h("h2", {}, "Tracks ", this.count),
      this.empty,
      h("div", { class: "scroll" }, this.table),
    );
  }

  tracks() {
    const now = performance.now();
    if (now - this.shownMs < EVERY_MS) return;
    this.shownMs = now;
    this.show();
  }

  show() {
    const tracks = [...this.book.all()].sort((one, other) => one.id - other.id).slice(0, MOST);
    say(this.count, String(tracks.length));
    this.table.hidden = !tracks.length;
    this.empty.hidden = tracks.length > 0;
    // Rows are kept, so that one that is pressed or focused stays.
    const rows = new Map([...this.body.children].map((row) => [Number(row.dataset.track), row]));
    const kept = tracks.map((track) => this.fill(rows.get(track.id) ?? this.row(track), track));
    const same = kept.length === this.body.children.length && kept.every((row, at) => row === this.body.children[at]);
    if (!same) this.body.replaceChildren(...kept);
    if (this.chosen !== null && !tracks.some((track) => track.id === this.chosen)) this.choose(null);
  }

  row(track) {
    const button = h("button", { type: "button", class: "link", onclick: () => this.choose(this.chosen === track.id ? null : track.id) }, `#${track.id}`);
    return h("tr", { dataset: { track: track.id } }, h("td", {}, button), ...Array.from({ length: 4 }, () => h("td", {})));
  }

  fill(row, track) {
    const [, label, score, speed, age] = row.children;
    if (label.textContent !== track.label) label.replaceChildren(swatch(track.label), track.label);
    say(score, track.is_lost ? "lost" : number(track.score, 2));
    say(speed, `${number(track.speed_px_s)} px/s`);
    say(age, span(track.age_ms / 1000));
    row.classList.toggle("is-lost", track.is_lost);
    row.classList.toggle("chosen", track.id === this.chosen);
    row.firstChild.firstChild.setAttribute("aria-pressed", String(track.id === this.chosen));
    return row;
  }

  choose(id) {
    this.chosen = id;
    this.onChoose(id);
    this.show();
  }
}

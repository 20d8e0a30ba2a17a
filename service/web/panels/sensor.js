// The sensor's health: findings in words, and a map of where events come from.

import { h, known, number, rate, say, span, svg, words } from "/web/dom.js";

export class Sensor {
  constructor() {
    this.summary = h("span", { class: "tag" });
    this.map = svg("svg", { class: "tiles", role: "img", "aria-label": "Events by part of the picture" });
    this.figures = h("dl", { class: "pairs" });
    this.verdicts = h("ul", { class: "verdicts" });
    this.root = h(
      "section",
      { class: "card", id: "sensor", "aria-label": "Sensor", hidden: true },
      h("h2", {}, "Sensor ", this.summary),
      h("div", { class: "sensor" }, this.map, this.figures),
      this.verdicts,
    );
  }

  sensor(message) {
    const found = message.health ?? message;
    this.root.hidden = false;
    say(this.summary, found.level === "warn" ? "look" : "well");
    this.summary.className = `tag ${found.level === "warn" ? "warn" : "good"}`;
    if (found.tiles) this.paint(found.tiles, new Set((found.flicker ?? []).flatMap((one) => one.tiles)));
    this.figures.replaceChildren(...figures(found).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    const verdicts = (found.verdicts ?? []).filter((verdict) => verdict.level === "warn");
    this.verdicts.replaceChildren(...verdicts.map((verdict) => h("li", {}, h("b", {}, words(verdict.topic)), verdict.words)));
  }

  paint({ columns, rows, events_per_s: rates }, flickering) {
    const top = Math.max(...rates, 1);
    this.map.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
    if (this.map.children.length !== rates.length) {
      this.map.replaceChildren(...rates.map((_, at) => svg("rect", { x: (at % columns) + 0.04, y: Math.floor(at / columns) + 0.04, width: 0.92, height: 0.92, rx: 0.1 }, svg("title"))));
    }
    rates.forEach((value, at) => {
      const tile = this.map.children[at];
      // The eye tells ratios, and one bright lamp must not hide all else.
      tile.style.setProperty("fill-opacity", String(0.06 + 0.94 * Math.sqrt(value / top)));
      tile.classList.toggle("flickers", flickering.has(at));
      say(tile.firstChild, `${rate(value)}${flickering.has(at) ? ", flickers" : ""}`);
    });
  }
}

function figures(found) {
  const flicker = found.flicker?.[0];
  return [
    ["Rate", known(found.events_per_s, rate)],
    ["ON events", known(found.on_share, (share) => `${number(share * 100)} %`)],
    ["Hot pixels", found.hot ? `${found.hot.count} (${number(found.hot.share * 100, 1)} %)` : "–"],
    ["Flicker", flicker ? `${number(flicker.hz)} Hz (${number(flicker.share * 100)} %)` : "none"],
    ["Silent", known(found.silent_s, (s) => (s < 1 ? "no" : span(s)))],
  ];
}

// Where a stream is shown: the canvas, an overlay above it, and what is said while there is nothing to see.

import { h, say, svg } from "/web/dom.js";
import { View } from "/web/draw.js";

export class Stage {
  // label: for those who do not see the picture. attributes: of the canvas.
  constructor(label, { compact = false, attributes = {} } = {}) {
    this.canvas = h("canvas", { role: "img", "aria-label": label, ...attributes });
    this.overlay = svg("svg", { class: "overlay", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.title = h("strong", {});
    this.detail = h("p", {});
    this.action = h("div", { class: "veil-action" });
    this.veil = h("div", { class: "veil", hidden: true }, h("div", { class: "spinner", "aria-hidden": "true" }), this.title, this.detail, this.action);
    this.ribbon = h("div", { class: "ribbon", hidden: true }, h("strong", {}), h("span", {}));
    this.frame = h("div", { class: "frame" }, this.canvas, this.overlay);
    this.root = h("div", { class: compact ? "stage compact" : "stage" }, this.frame, this.ribbon, this.veil);
    this.view = new View(this.canvas, { compact });
    this.resize(this.view.sensor);
  }

  resize([width, height]) {
    this.overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.root.style.setProperty("--ratio", String(width / height));
    this.view.resize([width, height]);
  }

  // state: of the link, or of the page's own connection. With a picture the words stand at its foot, else in its place.
  say(state, title, detail = "", action = null) {
    this.root.dataset.state = state;
    const plain = state === "live";
    const covered = !plain && (!this.view.picture || state === "ended");
    this.veil.hidden = !covered;
    this.veil.dataset.state = state;
    this.ribbon.hidden = plain || covered;
    say(covered ? this.title : this.ribbon.firstChild, title);
    say(covered ? this.detail : this.ribbon.lastChild, detail);
    if (covered) this.action.replaceChildren(...(action ? [action] : []));
  }

  close() {
    this.view.close();
  }
}

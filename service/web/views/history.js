import { h } from "/web/dom.js";
export function mount(root) { root.append(h("div", { class: "empty" }, "…")); return { title: "", close() {}, keys: {} }; }

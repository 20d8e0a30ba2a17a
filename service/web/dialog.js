// Dialogs: the browser's own, so that focus stays inside and Esc closes.

import { h, iconButton } from "/web/dom.js";

// Shows `content` until it is closed; resolves with what `close(value)` was given, null for Esc.
export function dialog(title, make, { wide = false } = {}) {
  return new Promise((resolve) => {
    const box = h("dialog", { class: wide ? "wide" : "", "aria-label": title });
    let result = null;
    const close = (value = null) => {
      result = value;
      box.close();
    };
    box.append(
      h("div", { class: "dialog-head" }, h("h2", {}, title), iconButton("close", "Close", { onclick: () => close() })),
      make(close),
    );
    box.addEventListener("close", () => {
      box.remove();
      resolve(result);
    });
    box.addEventListener("pointerdown", (event) => event.target === box && close());
    document.body.append(box);
    box.showModal();
    // The browser would take the first control, which is the one that closes.
    box.querySelector("form :is(input, select, textarea):not([type=hidden], :disabled)")?.focus();
  });
}

// Whether the person says yes.
export async function confirmed(title, text, yes) {
  const answer = await dialog(title, (close) => h(
    "div",
    {},
    h("p", {}, text),
    h(
      "div",
      { class: "dialog-foot" },
      h("button", { type: "button", onclick: () => close() }, "Cancel"),
      h("button", { type: "button", class: "danger", onclick: () => close(true) }, yes),
    ),
  ));
  return answer === true;
}

let hints = 0;

// A labelled field of a form. The hint describes the control, and is no part of its name.
export function field(label, control, hint = null) {
  const id = hint && `hint-${(hints += 1)}`;
  if (hint) control.setAttribute("aria-describedby", id);
  return h("div", { class: "field" }, h("label", {}, h("span", {}, label), control), hint && h("small", { id }, hint));
}

export function choice(options, chosen, attributes = {}) {
  return h("select", attributes, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
}

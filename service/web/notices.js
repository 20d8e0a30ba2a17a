// Short words at the edge of the page: refusals stay until dismissed, news goes by itself.

import { Problem } from "/web/api.js";
import { h, iconButton } from "/web/dom.js";

const NEWS_MS = 6000;
const MOST = 4;

export function complain(problem) {
  const title = problem.title ?? "Something went wrong";
  const detail = problem.detail ?? problem.message ?? "";
  const same = [...notices().children].find((one) => one.dataset.text === title + detail);
  if (same) return;
  const notice = h(
    "div",
    { class: "notice bad", role: "alert", dataset: { text: title + detail } },
    h("div", {}, h("strong", {}, title), h("p", {}, detail)),
    iconButton("close", "Dismiss", { onclick: () => notice.remove() }),
  );
  show(notice);
}

export function tell(text, link = null) {
  const notice = h("div", { class: "notice", role: "status" }, h("div", {}, h("p", {}, text), link && h("a", { href: link.href }, link.text)));
  show(notice);
  setTimeout(() => notice.remove(), NEWS_MS);
}

function notices() {
  return document.getElementById("notices");
}

function show(notice) {
  notices().append(notice);
  while (notices().children.length > MOST) notices().firstElementChild.remove();
}

// The value of `action`, or null where it was refused; the refusal is shown.
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") complain(error instanceof Problem ? error : new Problem("Something went wrong on the page", error.message));
    return null;
  }
}

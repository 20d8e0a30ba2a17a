// Alarms: what was raised, the rules, and what could not be delivered.

import { getJson, sendJson } from "/web/api.js";
import { refreshBadge } from "/web/alarm_badge.js";
import { confirmed } from "/web/dialog.js";
import { h, icon, known, moment, number, say } from "/web/dom.js";
import { attempt, tell } from "/web/notices.js";
import { wordsOf } from "/web/rule_conditions.js";
import { editRule } from "/web/rule_dialog.js";
import { has } from "/web/service.js";

const EVERY_MS = 3000;

export function mount(root) {
  if (!has("/alarms")) {
    root.append(h("div", { class: "empty" }, h("h1", {}, "This service knows no alarms"), h("p", {}, "Its version is older than this page.")));
    return { title: "Alarms", close() {}, keys: {} };
  }
  const view = new Alarms(root);
  return { title: "Alarms", close: () => view.close(), keys: { n: () => view.edit(null) } };
}

class Alarms {
  constructor(root) {
    this.streams = [];
    this.waiting = h("span", { class: "count" }, "0");
    this.raised = h("div", { id: "raised" });
    this.rules = h("div", { id: "rules" });
    this.letters = h("section", { class: "card", id: "letters", hidden: true });
    this.all = h("button", { type: "button", id: "acknowledge-all", onclick: () => this.acknowledgeAll() }, "Acknowledge all");
    root.append(
      h("div", { class: "toolbar" }, h("h1", {}, "Alarms"), h("div", { class: "spacer" }), h("button", { type: "button", class: "primary", id: "add-rule", onclick: () => this.edit(null) }, icon("add"), "New alarm")),
      h("section", { class: "card", "aria-label": "Raised" }, h("div", { class: "card-head" }, h("h2", {}, "Raised ", this.waiting), this.all), this.raised),
      h("section", { class: "card", "aria-label": "Rules" }, h("h2", {}, "Rules"), this.rules),
      this.letters,
    );
    this.refresh();
  }

  async refresh() {
    clearTimeout(this.timer);
    const [streams, alarms, raised, letters] = await Promise.all([
      streamsNow(),
      getJson("/alarms").catch((problem) => ({ problem })),
      getJson("/alarms/raised?limit=100").catch((problem) => ({ problem })),
      has("/alarms/dead-letters") ? getJson("/alarms/dead-letters").catch(() => ({ letters: [] })) : { letters: [] },
    ]);
    if (this.closed) return;
    this.streams = streams;
    this.showRaised(raised);
    this.showRules(alarms);
    this.showLetters(letters.letters);
    this.timer = setTimeout(() => this.refresh(), EVERY_MS);
  }

  // ---------------------------------------------------------------- raised

  showRaised({ raised = [], unacknowledged = 0, problem }) {
    say(this.waiting, String(unacknowledged));
    this.waiting.classList.toggle("bad", unacknowledged > 0);
    this.all.hidden = !unacknowledged;
    if (problem) this.raised.replaceChildren(h("p", { class: "form-problem" }, problem.message));
    else if (!raised.length) this.raised.replaceChildren(h("p", { class: "muted" }, "Nothing was raised yet."));
    else this.keep(this.raised, raised, "table", () => table(["Raised", "Alarm", "Stream", "What", ""], raised.map((one) => this.raisedRow(one))));
  }

  raisedRow(one) {
    const button = one.acknowledged
      ? h("span", { class: "muted" }, `seen ${moment(new Date(one.acknowledged))}`)
      : h("button", { type: "button", onclick: () => this.acknowledge(one) }, "Acknowledge");
    const more = one.suppressed ? `, and ${number(one.suppressed)} more held back` : "";
    return h(
      "tr",
      { class: one.acknowledged ? "is-lost" : "unseen", dataset: { raised: one.id } },
      h("td", {}, moment(new Date(one.raised))),
      h("td", {}, h("b", {}, one.name), " ", one.test && h("span", { class: "tag" }, "test")),
      h("td", {}, h("a", { href: `#/stream/${encodeURIComponent(one.stream)}` }, one.stream_name)),
      h("td", { class: "wrap" }, one.what + more),
      h("td", { class: "actions" }, button),
    );
  }

  // A table is put anew only where something changed: buttons keep their focus.
  keep(place, rows, kind, make) {
    const words = JSON.stringify(rows);
    if (place.dataset.shown === words && place.querySelector(kind)) return;
    place.dataset.shown = words;
    place.replaceChildren(make());
  }

  async acknowledge(one) {
    await attempt(() => sendJson("POST", `/alarms/raised/${one.id}/acknowledge`));
    this.refresh();
    refreshBadge();
  }

  async acknowledgeAll() {
    await attempt(() => sendJson("POST", "/alarms/raised/acknowledge"));
    this.refresh();
    refreshBadge();
  }

  // ---------------------------------------------------------------- rules

  showRules({ alarms = [], problem }) {
    this.alarms = alarms;
    if (problem) this.rules.replaceChildren(h("p", { class: "form-problem" }, problem.message));
    else if (!alarms.length) this.rules.replaceChildren(noRules());
    else this.keep(this.rules, alarms, "table", () => table(["On", "Alarm", "Stream", "When", "Tells", "Raised", ""], alarms.map((alarm) => this.ruleRow(alarm))));
  }

  ruleRow(alarm) {
    const stream = this.streams.find((one) => one.id === alarm.stream || one.name === alarm.stream);
    const classes = alarm.classes.length ? `${alarm.classes.join(", ")}: ` : "";
    const enabled = h("input", { type: "checkbox", checked: alarm.enabled, "aria-label": `${alarm.name} is on`, onchange: (event) => this.change(alarm, { enabled: event.target.checked }) });
    return h(
      "tr",
      { dataset: { alarm: alarm.id } },
      h("td", {}, enabled),
      h("td", {}, h("b", {}, alarm.name)),
      h("td", {}, alarm.stream === null ? "all" : stream?.name ?? alarm.stream),
      h("td", { class: "wrap" }, classes + wordsOf(alarm.when), alarm.problem && h("div", { class: "warn-text" }, alarm.problem)),
      h("td", {}, this.targets(alarm)),
      h("td", {}, number(alarm.raised), alarm.suppressed ? h("small", { class: "muted" }, ` +${number(alarm.suppressed)} held back`) : ""),
      h(
        "td",
        { class: "actions" },
        h("button", { type: "button", title: "Send a test message to its targets", onclick: () => this.test(alarm) }, "Test"),
        h("button", { type: "button", onclick: () => this.edit(alarm) }, "Edit"),
        h("button", { type: "button", class: "danger", onclick: () => this.remove(alarm) }, "Delete"),
      ),
    );
  }

  targets(alarm) {
    if (!alarm.deliver.length) return h("span", { class: "muted" }, "this page");
    return alarm.deliver.map((target) => {
      const place = target.kind === "mqtt" ? `${target.url} ${target.topic}` : target.url;
      const state = target.error ? "bad" : "good";
      const words = target.error ?? (target.pending ? `${target.pending} waiting` : "delivers");
      return h("div", { title: `${place}: ${words}` }, h("span", { class: `tag ${state}` }, target.kind), target.dead ? h("small", { class: "warn-text" }, ` ${target.dead} undelivered`) : "");
    });
  }

  async edit(alarm) {
    if (this.editing) return;
    this.editing = true;
    // Streams and classes as they are now: those of a while ago would miss what was added since.
    const [streams, classes] = await Promise.all([streamsNow(), classesNow()]);
    const saved = this.closed ? null : await editRule(alarm, streams, classes);
    this.editing = false;
    if (saved) this.refresh();
  }

  async change(alarm, changes) {
    await attempt(() => sendJson("PATCH", `/alarms/${alarm.id}`, changes));
    this.refresh();
  }

  async test(alarm) {
    const done = await attempt(async () => {
      await sendJson("POST", `/alarms/${alarm.id}/test`);
      return true;
    });
    if (done) tell(`A test message of ${alarm.name} is on its way.`);
    this.refresh();
  }

  async remove(alarm) {
    if (!(await confirmed(`Delete ${alarm.name}?`, "What it raised stays in the list.", "Delete"))) return;
    await attempt(() => sendJson("DELETE", `/alarms/${alarm.id}`));
    this.refresh();
  }

  // ---------------------------------------------------------------- dead letters

  showLetters(letters) {
    this.letters.hidden = !letters.length;
    if (!letters.length) return;
    this.keep(this.letters, letters, "table", () => h(
      "div",
      {},
      h(
        "div",
        { class: "card-head" },
        h("h2", {}, "Not delivered ", h("span", { class: "count bad" }, String(letters.length))),
        h("button", { type: "button", onclick: () => this.act("POST", "/alarms/dead-letters/retry") }, "Try all again"),
      ),
      table(["Given up", "Alarm", "To", "Why", "Attempts", ""], letters.map((letter) => this.letterRow(letter))),
    ));
  }

  letterRow(letter) {
    return h(
      "tr",
      {},
      h("td", {}, known(letter.since, (since) => moment(new Date(since)))),
      h("td", {}, letter.raised.name),
      h("td", { class: "wrap" }, letter.url),
      h("td", { class: "wrap" }, letter.error),
      h("td", {}, number(letter.attempts)),
      h(
        "td",
        { class: "actions" },
        h("button", { type: "button", onclick: () => this.act("POST", `/alarms/dead-letters/${letter.id}/retry`) }, "Try again"),
        h("button", { type: "button", class: "danger", onclick: () => this.act("DELETE", `/alarms/dead-letters/${letter.id}`) }, "Forget"),
      ),
    );
  }

  async act(method, path) {
    await attempt(() => sendJson(method, path));
    this.refresh();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }
}

function noRules() {
  return h("p", { class: "muted" }, "None yet. An alarm can watch a zone, a line, a class, a number of objects, the sensor's health or the link, and tell a webhook or an MQTT broker.");
}

function table(head, rows) {
  return h("div", { class: "scroll" }, h("table", { class: "stacks" }, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
}

async function streamsNow() {
  return (await getJson("/streams").catch(() => ({ streams: [] }))).streams;
}

async function classesNow() {
  const { models } = await getJson("/models").catch(() => ({ models: [] }));
  return [...new Set(models.flatMap((model) => model.classes))].sort();
}

// What an alarm can be raised by: the fields of each, and its words.

import { choice } from "/web/dialog.js";
import { h } from "/web/dom.js";

// A field of a condition: `read` gives its value, undefined where it is left out.
function numeric(name, label, value, attributes = {}) {
  const control = h("input", { type: "number", step: "any", min: "0", value: value ?? "", ...attributes });
  return { name, label, control, read: () => (control.value === "" ? undefined : Number(control.value)) };
}

function chosen(name, label, value, options) {
  const control = choice(options, value ?? options[0][0]);
  return { name, label, control, read: () => control.value };
}

function zoneName(name, label, value) {
  const control = h("input", { list: "rule-zones", required: true, maxlength: "100", value: value ?? "" });
  return { name, label, control, read: () => control.value.trim() };
}

function yes(name, label, value) {
  const control = choice([["no", "no"], ["yes", "yes"]], value ? "yes" : "no");
  return { name, label, control, read: () => control.value === "yes" };
}

export const MEASURES = [
  ["rate", "events a second"],
  ["silence", "seconds without events"],
  ["hot_pixels", "hot pixels"],
  ["hot_share", "share of hot pixels' events, 0 to 1"],
  ["flicker", "share of flicker's events, 0 to 1"],
  ["on_share", "share of ON events, 0 to 1"],
];
const EVENTS = [["enter", "somebody enters"], ["leave", "somebody leaves"], ["dwell", "somebody stays"]];
const WAYS = [["any", "either way"], ["forward", "forward"], ["backward", "backward"]];

const lasting = (seconds) => (seconds ? ` for ${seconds} s` : "");
const textOf = (options, value) => options.find(([one]) => one === value)?.[1] ?? value;

// title: in the list of conditions. make(when): its fields. words(when): the condition as a sentence.
export const CONDITIONS = {
  zone: {
    title: "a zone is entered, left or stayed in",
    make: (when) => [zoneName("zone", "Zone", when.zone), chosen("event", "What", when.event, EVENTS)],
    words: (when) => `${textOf(EVENTS, when.event)}: ${when.zone}`,
  },
  inside: {
    title: "too many are inside a zone",
    make: (when) => [zoneName("zone", "Zone", when.zone), numeric("more_than", "More than", when.more_than ?? 3, { step: "1", required: true }), numeric("for_s", "For, s", when.for_s)],
    words: (when) => `more than ${when.more_than} inside ${when.zone}${lasting(when.for_s)}`,
  },
  line: {
    title: "a line is crossed",
    make: (when) => [zoneName("line", "Line", when.line), chosen("direction", "Which way", when.direction, WAYS)],
    words: (when) => `${when.line} is crossed ${textOf(WAYS, when.direction)}`,
  },
  class: {
    title: "a class is seen",
    make: (when) => [numeric("score", "Least score, 0 to 1", when.score, { max: "1" }), numeric("for_ms", "For, ms", when.for_ms, { step: "1" })],
    words: (when) => `seen${when.score ? ` with a score of ${when.score} or more` : ""}${when.for_ms ? ` for ${when.for_ms} ms` : ""}`,
  },
  count: {
    title: "so many are seen at once",
    make: (when) => [chosen("of", "What", when.of, [["tracks", "tracks"], ["boxes", "boxes"]]), numeric("at_least", "At least", when.at_least ?? 5, { step: "1", min: "1", required: true }), numeric("for_ms", "For, ms", when.for_ms, { step: "1" })],
    words: (when) => `${when.at_least} ${when.of} or more${when.for_ms ? ` for ${when.for_ms} ms` : ""}`,
  },
  health: {
    title: "the sensor's health leaves its range",
    make: (when) => [chosen("measure", "Figure", when.measure, MEASURES), numeric("below", "Below", when.below), numeric("above", "Above", when.above), numeric("for_s", "For, s", when.for_s)],
    words: (when) => {
      const ends = [["below", when.below], ["above", when.above]].filter(([, value]) => value !== null && value !== undefined);
      return `${textOf(MEASURES, when.measure)} ${ends.map(([end, value]) => `${end} ${value}`).join(" or ")}${lasting(when.for_s)}`;
    },
  },
  link: {
    title: "the source is lost",
    make: (when) => [numeric("for_s", "For, s", when.for_s ?? 10), yes("stalled", "Also where it gives no events", when.stalled)],
    words: (when) => `the source is lost${when.stalled ? " or silent" : ""}${lasting(when.for_s)}`,
  },
};

export function wordsOf(when) {
  return CONDITIONS[when.on]?.words(when) ?? when.on;
}

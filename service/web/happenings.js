// What is told of a stream, as sentences: in the log, in history and beside a replayed clip.

import { number, words } from "/web/dom.js";

const PASSED = { enter: "entered", leave: "left", dwell: "stays in", cross: "crossed" };
const PLAIN = new Set(["moved", null, undefined]); // why a track passed, where that needs no word

// body: a message `zone`, `alarm`, `sensor_changed` or `reset`. named: with the zone's or alarm's name.
export function sentence(body, named = true) {
  if (body.type === "zone") return zoneSentence(body, named);
  if (body.type === "alarm") return named ? `${body.name}: ${body.what}` : body.what;
  if (body.type === "sensor_changed") return named ? `Sensor, ${words(body.topic)}: ${body.words}` : body.words;
  if (body.type === "reset") return `The network began anew: ${words(body.reason)}`;
  return [words(body.type ?? ""), body.name].filter(Boolean).join(" ");
}

function zoneSentence(body, named) {
  const way = body.direction ? ` ${body.direction}` : "";
  const stay = typeof body.dwell_s === "number" ? ` after ${number(body.dwell_s, 1)} s` : "";
  const why = PLAIN.has(body.reason) ? "" : ` (${body.reason})`;
  return `${body.label} #${body.track_id} ${PASSED[body.event] ?? body.event}${named ? ` ${body.name}` : ""}${way}${stay}${why}`;
}

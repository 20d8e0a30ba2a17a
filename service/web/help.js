// The sheet of keys.

import { dialog } from "/web/dialog.js";
import { h } from "/web/dom.js";

const KEYS = [
  ["Everywhere", [["?", "this sheet"], ["Esc", "cancel, close, back to the wall"]]],
  ["Wall", [["1 – 9", "open the first to ninth stream"], ["Arrows", "move between tiles"], ["Enter", "open the tile"], ["n", "add a stream"]]],
  [
    "One stream",
    [
      ["← →", "the stream before, the next one"],
      ["1 – 9", "another stream"],
      ["Space", "pause, go on"],
      ["f", "full screen"],
      ["z", "draw a zone"],
      ["l", "draw a line"],
      ["t", "tails of tracks on and off"],
      ["r", "let the network forget what it saw"],
    ],
  ],
  ["Drawing", [["Enter", "close the zone; with no point yet: put one in the middle"], ["Backspace", "take the last point back"], ["Arrows", "move the chosen point"], ["Delete", "delete the chosen zone"]]],
  ["Recording", [["Space", "play, pause"], ["← →", "one answer back, forward"]]],
];

export function showHelp() {
  return dialog(
    "Keys",
    () => h(
      "div",
      { class: "keys" },
      KEYS.map(([title, rows]) => h(
        "section",
        {},
        h("h3", {}, title),
        h("dl", {}, rows.map(([key, meaning]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning)))),
      )),
      h("p", { class: "muted" }, "By touch: tap to put points, drag them to move them, “Done” closes the zone. The API is described at ", h("a", { href: "/docs" }, "/docs"), "."),
    ),
    { wide: true },
  );
}

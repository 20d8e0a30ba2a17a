// Sending a recording: chosen or dropped, with its progress.

import { upload } from "/web/api.js";
import { field } from "/web/dialog.js";
import { h, say } from "/web/dom.js";
import { attempt } from "/web/notices.js";

export class Uploads {
  // onDone(recording): it was read and is kept.
  constructor(onDone) {
    this.onDone = onDone;
    this.file = h("input", { id: "file", type: "file", onchange: () => this.file.files[0] && this.send(this.file.files[0]) });
    this.drop = h(
      "label",
      { class: "drop", for: "file" },
      this.file,
      h("span", {}, h("strong", {}, "Choose a recording"), " or drop it here"),
      h("span", { class: "muted small" }, "AEDAT4, RAW (EVT2, EVT2.1, EVT3), DAT, HDF5, NPY, NPZ, ES, CSV"),
    );
    this.sides = ["width", "height"].map((side) => [side, h("input", { id: side, type: "number", min: "1", max: "65535", placeholder: "from the file", inputmode: "numeric" })]);
    this.bar = h("progress", { max: "1" });
    this.words = h("span", { class: "muted" });
    this.cancel = h("button", { type: "button", id: "upload-cancel" }, "Cancel");
    this.progress = h("div", { class: "progress", hidden: true, role: "status" }, this.bar, this.words, this.cancel);
    this.root = h(
      "div",
      {},
      h("div", { class: "uploads" }, this.drop, h("div", { class: "row" }, this.sides.map(([side, input]) => field(side === "width" ? "Width, px" : "Height, px", input)))),
      this.progress,
    );
    for (const kind of ["dragover", "dragleave", "drop"]) this.drop.addEventListener(kind, (event) => this.drag(event));
  }

  drag(event) {
    event.preventDefault();
    this.drop.toggleAttribute("data-over", event.type === "dragover");
    if (event.type === "drop" && event.dataTransfer.files[0]) this.send(event.dataTransfer.files[0]);
  }

  async send(file) {
    const query = Object.fromEntries(this.sides.filter(([, input]) => input.value).map(([side, input]) => [side, input.value]));
    this.progress.hidden = false;
    this.show(0);
    const sending = upload(file, query, (fraction) => this.show(fraction));
    this.cancel.onclick = sending.cancel;
    this.sending = sending;
    const recording = await attempt(() => sending.done);
    this.progress.hidden = true;
    this.file.value = "";
    if (recording && !this.closed) this.onDone(recording);
  }

  show(fraction) {
    this.bar.value = fraction;
    say(this.words, fraction < 1 ? `${Math.round(fraction * 100)} %` : "Reading");
  }

  close() {
    this.closed = true;
    this.sending?.cancel();
  }
}

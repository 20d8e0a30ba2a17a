// A stream's picture with boxes and tracks on a canvas. Boxes come in sensor pixels.

const COLOURS = { person: "#7ee796", car: "#ff7ec5", "two-wheeler": "#faf078" };
const OTHERS = ["#aad6ff", "#ffc3a0", "#d5b8ff", "#9ff0e6"];
const GROUND = "#0d121a"; // as event pictures are drawn (streaming/picture.py)
const INK = "#0a0e14";
const TAIL_US = 2_500_000;
const LOST_SHOWN_US = 500_000;
const SMOOTH = 0.5; // of a tail's next point, the share that is new: boxes tremble, people do not

// Boxes' colours keep clear of the events' amber and blue.
export function colourOf(label) {
  if (COLOURS[label]) return COLOURS[label];
  let sum = 0;
  for (const letter of label) sum += letter.charCodeAt(0);
  return OTHERS[sum % OTHERS.length];
}

export class View {
  // canvas: shown at any size; its container sets that. options: {compact: fewer words in labels}
  constructor(canvas, { compact = false } = {}) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.compact = compact;
    this.sensor = [346, 260];
    this.picture = null;
    this.boxes = [];
    this.tracks = null; // a TrackBook where tracks are known
    this.show_scores = true;
    this.show_tails = true;
    this.chosen = null; // id of the track to point out
    this.due = false;
    this.watcher = new ResizeObserver(() => this.fit());
    this.watcher.observe(canvas);
    this.resize(this.sensor);
  }

  // The sensor's size, pixels.
  resize([width, height]) {
    this.sensor = [width, height];
    this.canvas.parentElement.style.setProperty("--ratio", String(width / height));
    this.fit();
  }

  fit() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round((width * this.sensor[1]) / this.sensor[0]));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.ratio = ratio;
    this.paint();
  }

  clear() {
    this.picture = null;
    this.boxes = [];
    this.paint();
  }

  show(picture, boxes) {
    if (picture !== undefined && picture !== this.picture) this.picture = picture;
    if (boxes !== undefined) this.boxes = boxes;
    this.canvas.dataset.boxes = String(this.boxes.length);
    this.soon();
  }

  // Several messages between two frames of the screen cost one painting.
  soon() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.paint();
    });
  }

  close() {
    this.watcher.disconnect();
    this.picture = null;
  }

  paint() {
    const { context, canvas } = this;
    context.fillStyle = GROUND;
    context.fillRect(0, 0, canvas.width, canvas.height);
    // Enlarged pixels stay sharp: each is one pixel of the sensor.
    context.imageSmoothingEnabled = Boolean(this.picture) && this.picture.width > canvas.width;
    if (this.picture) context.drawImage(this.picture, 0, 0, canvas.width, canvas.height);
    const scale = canvas.width / this.sensor[0];
    if (this.show_tails && this.tracks) for (const track of this.tracks.all()) this.paintTail(track, scale);
    for (const box of this.boxes) this.paintBox(box, scale);
    if (this.tracks) for (const track of this.tracks.lost()) this.paintLost(track, scale);
  }

  paintTail(track, scale) {
    const { context } = this;
    const points = track.tail;
    if (points.length < 2) return;
    const newest = points.at(-1)[2];
    context.strokeStyle = colourOf(track.label);
    context.lineCap = "round";
    context.lineWidth = (track.id === this.chosen ? 3 : 2) * this.ratio;
    for (let at = 1; at < points.length; at += 1) {
      const age = (newest - points[at][2]) / TAIL_US;
      context.globalAlpha = Math.max(0.05, 0.8 * (1 - age));
      context.beginPath();
      context.moveTo(points[at - 1][0] * scale, points[at - 1][1] * scale);
      context.lineTo(points[at][0] * scale, points[at][1] * scale);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  paintLost(track, scale) {
    const { context } = this;
    const [left, top, right, bottom] = track.xyxy.map((side) => side * scale);
    context.strokeStyle = colourOf(track.label);
    context.globalAlpha = 0.5;
    context.lineWidth = 1.5 * this.ratio;
    context.setLineDash([4 * this.ratio, 4 * this.ratio]);
    context.strokeRect(left, top, right - left, bottom - top);
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  paintBox(box, scale) {
    const { context, canvas, ratio } = this;
    const [left, top, right, bottom] = box.xyxy.map((side) => side * scale);
    const colour = colourOf(box.label);
    const faded = this.chosen !== null && box.track_id !== this.chosen;
    context.globalAlpha = faded ? 0.45 : 1;
    context.lineWidth = (this.compact ? 1.5 : 2) * ratio;
    context.strokeStyle = colour;
    context.strokeRect(left, top, right - left, bottom - top);
    const text = this.caption(box);
    if (text) {
      const chipHeight = (this.compact ? 14 : 18) * ratio;
      context.font = `600 ${(this.compact ? 10 : 12) * ratio}px system-ui, "DejaVu Sans", sans-serif`;
      const chipWidth = context.measureText(text).width + 8 * ratio;
      const chipTop = top >= chipHeight ? top - chipHeight : Math.max(0, Math.min(top, canvas.height - chipHeight));
      const chipLeft = Math.max(0, Math.min(left - ratio, canvas.width - chipWidth));
      context.fillStyle = colour;
      context.fillRect(chipLeft, chipTop, chipWidth, chipHeight);
      context.fillStyle = INK;
      context.textBaseline = "middle";
      context.fillText(text, chipLeft + 4 * ratio, chipTop + chipHeight * 0.53);
    }
    context.globalAlpha = 1;
  }

  caption(box) {
    const id = box.track_id === null || box.track_id === undefined ? "" : ` #${box.track_id}`;
    if (this.compact) return id ? id.trim() : "";
    return `${box.label}${id}${this.show_scores ? ` ${Math.round(box.score * 100)}` : ""}`;
  }
}

export function countByLabel(boxes) {
  const counts = new Map();
  for (const box of boxes) counts.set(box.label, (counts.get(box.label) ?? 0) + 1);
  return [...counts].sort();
}

// The tracks of one stream: where each has been in the last seconds, and what it is thought to be.
export class TrackBook {
  constructor() {
    this.tracks = new Map();
  }

  // changes: of a `tracks` message. t_us: its time, microseconds.
  take(t_us, changes) {
    this.t_us = t_us;
    for (const change of changes) {
      if (change.change === "end") this.tracks.delete(change.track_id);
      else this.follow(t_us, change);
    }
    for (const track of this.tracks.values()) {
      while (track.tail.length && t_us - track.tail[0][2] > TAIL_US) track.tail.shift();
    }
  }

  follow(t_us, change) {
    const track = this.tracks.get(change.track_id) ?? { id: change.track_id, tail: [] };
    this.tracks.set(change.track_id, track);
    const [left, top, right, bottom] = change.xyxy;
    Object.assign(track, {
      label: change.label,
      score: change.score,
      xyxy: change.xyxy,
      speed_px_s: Math.hypot(...change.velocity_px_s),
      votes: change.votes,
      age_ms: change.age_ms,
      is_lost: change.change === "lost",
    });
    if (!track.is_lost) {
      const [x, y] = track.tail.at(-1) ?? [(left + right) / 2, (top + bottom) / 2];
      track.tail.push([x + SMOOTH * ((left + right) / 2 - x), y + SMOOTH * ((top + bottom) / 2 - y), t_us]);
    }
    if (track.is_lost) track.lost_us ??= t_us;
    else track.lost_us = null;
  }

  clear() {
    this.tracks.clear();
  }

  all() {
    return this.tracks.values();
  }

  // Those that were lost a moment ago, where they are thought to be.
  *lost() {
    for (const track of this.tracks.values()) if (track.is_lost && this.t_us - track.lost_us < LOST_SHOWN_US) yield track;
  }
}

// Boxes and pictures on a canvas. Boxes come in sensor pixels; their colours keep clear of the events' amber and blue.

const COLOURS = { person: "#7ee796", car: "#ff7ec5", "two-wheeler": "#faf078" };
const OTHERS = ["#aad6ff", "#ffc3a0", "#d5b8ff", "#9ff0e6"];

export function colourOf(label) {
  if (COLOURS[label]) return COLOURS[label];
  let sum = 0;
  for (const letter of label) sum += letter.charCodeAt(0);
  return OTHERS[sum % OTHERS.length];
}

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.sensor = [346, 260];
    this.picture = null;
    this.boxes = [];
    this.drawn = 0;
  }

  resize([width, height]) {
    this.sensor = [width, height];
    const scale = Math.max(1, Math.min(3, 960 / width));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.clear();
  }

  clear() {
    this.picture = null;
    this.boxes = [];
    this.paint();
  }

  show(picture, boxes) {
    if (picture !== undefined) this.picture = picture;
    if (boxes !== undefined) this.boxes = boxes;
    this.paint();
  }

  paint() {
    const { context, canvas } = this;
    context.fillStyle = "#05070b";
    context.fillRect(0, 0, canvas.width, canvas.height);
    // Enlarged pixels stay sharp: each is one pixel of the sensor.
    context.imageSmoothingEnabled = Boolean(this.picture) && this.picture.width > canvas.width;
    if (this.picture) context.drawImage(this.picture, 0, 0, canvas.width, canvas.height);
    const scale = canvas.width / this.sensor[0];
    for (const box of this.boxes) this.paintBox(box, scale);
    this.drawn = this.boxes.length;
    canvas.dataset.boxes = String(this.drawn);
  }

  paintBox(box, scale) {
    const { context, canvas } = this;
    // Lines and letters keep their size on the screen, however small the canvas is shown.
    const unit = canvas.width / Math.max(canvas.clientWidth, 1);
    const chipHeight = 20 * unit;
    const [left, top, right, bottom] = box.xyxy.map((side) => side * scale);
    const colour = colourOf(box.label);
    context.lineWidth = 2 * unit;
    context.strokeStyle = colour;
    context.strokeRect(left, top, right - left, bottom - top);
    const text = `${box.label} ${Math.round(box.score * 100)}`;
    context.font = `600 ${13 * unit}px system-ui, sans-serif`;
    const chipWidth = context.measureText(text).width + 10 * unit;
    const chipTop = top >= chipHeight ? top - chipHeight : Math.min(top, canvas.height - chipHeight);
    const chipLeft = Math.max(0, Math.min(left - unit, canvas.width - chipWidth));
    context.fillStyle = colour;
    context.fillRect(chipLeft, chipTop, chipWidth, chipHeight);
    context.fillStyle = "#0a0d13";
    context.textBaseline = "middle";
    context.fillText(text, chipLeft + 5 * unit, chipTop + chipHeight * 0.53);
  }
}

export function legend(list, boxes) {
  const counts = new Map();
  for (const box of boxes) counts.set(box.label, (counts.get(box.label) ?? 0) + 1);
  list.replaceChildren(...[...counts].sort().map(([label, count]) => {
    const item = document.createElement("li");
    const swatch = document.createElement("i");
    swatch.style.background = colourOf(label);
    item.append(swatch, `${label} ${count}`);
    return item;
  }));
}

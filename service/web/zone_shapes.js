// Zones and lines as SVG above the picture, in sensor pixels.

import { svg } from "/web/dom.js";

export const FEWEST = { zone: 3, line: 2 };

// unit: sensor pixels of one pixel on the screen; what is drawn keeps its size on the screen.
export function shapeOf(zone, unit, { chosen = false, note = "" } = {}) {
  const group = svg("g", { class: `shape ${zone.kind}${chosen ? " chosen" : ""}${zone.problem ? " troubled" : ""}`, "data-zone": zone.id });
  const points = zone.points.map((point) => point.join(",")).join(" ");
  const tag = zone.kind === "zone" ? "polygon" : "polyline";
  group.append(svg(tag, { class: "body", points }), svg(tag, { class: "grip", points, "stroke-width": 24 * unit }));
  if (zone.kind === "line") group.append(arrow(zone.points, unit));
  group.append(...caption(zone, unit, note));
  return group;
}

// Names are drawn twice, first as their own dark edge, so that they can be read over events.
function caption(zone, unit, note) {
  const [x, y] = anchorOf(zone);
  const text = note ? `${zone.name} · ${note}` : zone.name;
  const place = { x: x + 4 * unit, y: y - 5 * unit, "font-size": 12 * unit };
  return [svg("text", { ...place, class: "edge", "stroke-width": 3 * unit }, text), svg("text", place, text)];
}

function anchorOf(zone) {
  const points = [...zone.points].sort((one, other) => one[1] - other[1] || one[0] - other[0]);
  return [points[0][0], Math.max(points[0][1], 0)];
}

// Which way over the line counts as forward: from the left of its direction to the right.
function arrow(points, unit) {
  const at = Math.floor((points.length - 1) / 2);
  const [[ax, ay], [bx, by]] = [points[at], points[at + 1]];
  const length = Math.hypot(bx - ax, by - ay) || 1;
  const [nx, ny] = [-(by - ay) / length, (bx - ax) / length];
  const [mx, my] = [(ax + bx) / 2, (ay + by) / 2];
  const tip = [mx + nx * 18 * unit, my + ny * 18 * unit];
  const side = (sign) => [tip[0] - nx * 7 * unit + sign * ny * 5 * unit, tip[1] - ny * 7 * unit - sign * nx * 5 * unit];
  return svg("path", { class: "arrow", d: `M${mx},${my}L${tip}M${side(1)}L${tip}L${side(-1)}` });
}

export function middle(one, other) {
  return [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
}

// The four corners of a rectangle between two opposite ones.
export function rectangle([left, top], [right, bottom]) {
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

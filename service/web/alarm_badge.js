// How many alarms nobody has acknowledged, beside their name in the frame.

import { getJson } from "/web/api.js";
import { has, onService, service } from "/web/service.js";

const EVERY_MS = 5000;
let timer = null;
let badge = null;

export function watchAlarms(element) {
  badge = element;
  onService(refreshBadge);
  refreshBadge();
}

export async function refreshBadge() {
  clearTimeout(timer);
  if (service.state !== "ready" || !has("/alarms/raised")) return;
  const answer = await getJson("/alarms/raised?limit=1").catch(() => null);
  if (answer) {
    badge.hidden = !answer.unacknowledged;
    badge.textContent = answer.unacknowledged > 99 ? "99+" : String(answer.unacknowledged);
    badge.setAttribute("aria-label", `${answer.unacknowledged} not acknowledged`);
  }
  timer = setTimeout(refreshBadge, EVERY_MS);
}

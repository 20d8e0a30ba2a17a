// What one can do to a stream from more than one view.

import { sendJson } from "/web/api.js";
import { confirmed } from "/web/dialog.js";
import { attempt } from "/web/notices.js";
import { remember } from "/web/prefs.js";

export const pathOf = (stream, rest = "") => `/streams/${encodeURIComponent(stream.id)}${rest}`;

export function isDemo(stream) {
  return stream.source?.startsWith("sim://");
}

// Whether it was stopped.
export async function stopStream(stream) {
  const text = isDemo(stream)
    ? "The simulated source ends. It can be added again."
    : "Its source is disconnected, and it is forgotten with its zones. Recordings and history stay.";
  if (!(await confirmed(`Stop ${stream.name}?`, text, "Stop"))) return false;
  const done = await attempt(async () => {
    await sendJson("DELETE", pathOf(stream));
    return true;
  });
  if (done && isDemo(stream)) remember({ demo: false });
  return done === true;
}

// Runs before the first paint, so that a page that is to be light never flashes dark.
try {
  const kept = JSON.parse(localStorage.getItem("spikesight") ?? "{}");
  if (["dark", "light"].includes(kept.theme)) document.documentElement.dataset.theme = kept.theme;
} catch {
  // Storage may be forbidden or spoilt: the system's theme will do.
}

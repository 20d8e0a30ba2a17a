// The page: which source is shown, what the controls do, and where each message lands.

import { Problem, detectLines, getJson, ready, sendJson, upload } from "/web/api.js";
import { Sparkline, latencyBar } from "/web/charts.js";
import { View, legend } from "/web/draw.js";
import { LiveStream } from "/web/live.js";
import { Player } from "/web/player.js";

const DEMO = { name: "demo", source: "sim://street?seed=1" };
const PICTURE_WIDTH = 960;
const $ = (id) => document.getElementById(id);

const view = new View($("view"));
const player = new Player(
  { root: $("player"), scrub: $("scrub"), play: $("play"), clock: $("clock"), timeline: $("timeline") },
  view,
  (answer, boxes) => showAnswer(answer, boxes),
);
const rateChart = new Sparkline($("rate-chart"), "#5ad1e6");
const behindChart = new Sparkline($("behind-chart"), "#f2b544");

let live = null;
let analysis = null;
let threshold = 0.25;
let choice = 0; // counts what the person at the page asked to see; an answer to an older wish changes nothing
let answered = 0;
let recentEvents = [];

// ---------------------------------------------------------------- what the page says

function status(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

function veil(text, still = false) {
  $("veil").hidden = !text;
  $("veil-text").textContent = text ?? "";
  $("veil").toggleAttribute("data-still", still);
}

function complain(problem) {
  $("problem-title").textContent = problem.title ?? "Something went wrong";
  $("problem-detail").textContent = problem.detail ?? problem.message ?? "";
  $("problem").hidden = false;
}

function forgive() {
  $("problem").hidden = true;
}

async function attempt(action) {
  forgive();
  try {
    return await action();
  } catch (error) {
    if (error.name === "AbortError") return null;
    complain(error instanceof Problem ? error : new Problem("Something went wrong on the page", error.message));
    return null;
  }
}

const number = (value, digits = 0) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function rateText(eventsPerSecond) {
  if (eventsPerSecond >= 1e6) return `${number(eventsPerSecond / 1e6, 2)} Mev/s`;
  return `${number(eventsPerSecond / 1e3, 1)} kev/s`;
}

function showAnswer(answer, boxes) {
  legend($("legend"), boxes);
  const seconds = (answer.t_us[1] - answer.t_us[0]) / 1e6;
  $("firing").textContent = `${number(answer.spikes.rate * 100, 1)} %`;
  $("energy").textContent = `${number(answer.spikes.energy_mj * 1000, 1)} µJ`;
  $("dropped").textContent = number(answer.dropped.steps);
  if (seconds > 0) $("rate").textContent = rateText(answer.events / seconds);
  latencyBar($("latency"), $("latency-legend"), answer.latency_ms);
}

// ---------------------------------------------------------------- live streams

function onDetections(message) {
  answered += 1;
  view.show(undefined, message.boxes.filter((box) => box.score >= threshold));
  recentEvents.push([message.t_us[0], message.t_us[1], message.events]);
  if (recentEvents.length > 12) recentEvents.shift();
  $("behind").textContent = `${number(message.behind_ms)} ms`;
  $("answers").textContent = number(answered);
  if (answered % 6 !== 1) return;
  // Figures that change 25 times a second cannot be read: four times are enough.
  showAnswer(message, view.boxes);
  const span = (recentEvents.at(-1)[1] - recentEvents[0][0]) / 1e6;
  const rate = recentEvents.reduce((sum, row) => sum + row[2], 0) / span;
  $("rate").textContent = rateText(rate);
  rateChart.push(rate);
  behindChart.push(message.behind_ms);
}

function stopShowing() {
  live?.close();
  live = null;
  analysis?.abort();
  analysis = null;
  player.close();
  rateChart.reset();
  behindChart.reset();
  answered = 0;
  recentEvents = [];
  $("caption").textContent = "";
}

function watch(stream, caption) {
  stopShowing();
  view.resize([346, 260]);
  veil("Waiting for events");
  status("connecting", "Connecting");
  live = new LiveStream(stream.id, PICTURE_WIDTH, {
    hello(message) {
      view.resize(message.resolution);
      status("live", "Live");
      $("caption").textContent = caption;
      $("model").textContent = `${message.model}: ${message.classes.join(", ")}. ${message.steps} steps of ${message.step_us / 1000} ms.`;
    },
    detections(message) {
      veil(null);
      status("live", "Live");
      onDetections(message);
    },
    picture(picture) {
      veil(null);
      view.show(picture);
    },
    reset(message) {
      $("caption").textContent = `${caption} (state reset: ${message.reason.replaceAll("_", " ")})`;
    },
    error(message) {
      complain({ title: "The stream reports an error", detail: message.message });
    },
    lost(fatal, waitMs) {
      status("lost", fatal ? "Ended" : "Reconnecting");
      veil(fatal ? fatal.message : `Connection lost, trying again in ${Math.ceil(waitMs / 1000)} s`, Boolean(fatal));
      if (!fatal) recover(stream, caption);
    },
  });
}

// After a restart of the service its streams are gone: the simulator is started anew, others are said to have ended.
async function recover(stream, caption) {
  const mine = live;
  if (!(await ready()) || live !== mine) return;
  const { streams } = await getJson("/streams").catch(() => ({ streams: [stream] }));
  if (live !== mine || streams.some((other) => other.id === stream.id)) return;
  live.close();
  if (stream.source?.startsWith("sim://")) startSource(stream.source, caption, stream.name);
  else {
    status("lost", "Ended");
    veil("The stream has ended. Choose a source to go on.", true);
  }
}

async function startSource(source, caption, name) {
  const mine = ++choice;
  veil("Starting the source");
  await attempt(async () => {
    const { streams } = await getJson("/streams");
    const same = streams.find((stream) => stream.source === source);
    const stream = same ?? (await sendJson("POST", "/streams", name ? { source, name, threshold } : { source, threshold }));
    if (mine === choice) watch({ ...stream, source, name }, caption);
  });
}

// ---------------------------------------------------------------- recordings

async function analyse(recording) {
  choice += 1;
  stopShowing();
  status("waiting", "Analysing");
  veil("Analysing the recording");
  const controller = new AbortController();
  analysis = controller;
  player.open(recording);
  player.setThreshold(threshold);
  $("caption").textContent = recording.name ?? recording.id;
  const done = await attempt(async () => {
    for await (const line of detectLines(recording.id, { threshold: 0.05 }, controller.signal)) {
      if (line.type === "detections") {
        veil(null);
        player.add(line);
        status("waiting", `Analysing, ${Math.min(99, Math.round(progressOf(recording, line) * 100))} %`);
        $("answers").textContent = number(player.answers.length);
      }
      if (line.type === "error") throw new Problem(line.problem.title, line.problem.detail, line.problem.status);
    }
    return true;
  });
  if (analysis !== controller) return;
  if (!done && !player.answers.length) {
    player.close();
    status("lost", "Refused");
    veil("This recording could not be analysed.", true);
    return;
  }
  veil(null);
  status("live", done ? "Analysed" : "Analysed in part");
  $("behind").textContent = "–";
  player.finish();
}

function progressOf(recording, answer) {
  return (answer.t_us[1] - recording.first_t_us) / Math.max(recording.duration_us, 1);
}

async function send(file) {
  const query = {};
  for (const side of ["width", "height"]) if ($(side).value) query[side] = $(side).value;
  const row = $("upload-progress");
  const [bar, text] = [row.querySelector("progress"), row.querySelector("span")];
  row.hidden = false;
  bar.value = 0;
  text.textContent = "0 %";
  const sending = upload(file, query, (fraction) => {
    bar.value = fraction;
    text.textContent = fraction < 1 ? `${Math.round(fraction * 100)} %` : "Reading";
  });
  $("upload-cancel").onclick = sending.cancel;
  const recording = await attempt(() => sending.done);
  row.hidden = true;
  $("file").value = "";
  if (recording) await analyse(recording);
}

async function listRecordings() {
  const list = $("recordings");
  const answer = await attempt(() => getJson("/recordings"));
  const recordings = answer?.recordings ?? [];
  if (!recordings.length) {
    const item = document.createElement("li");
    item.className = "muted";
    item.textContent = "No recordings yet. Upload one first.";
    list.replaceChildren(item);
    return;
  }
  list.replaceChildren(...recordings.map((recording) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = recording.name;
    name.title = `${recording.format}, ${recording.width} x ${recording.height}, ${number(recording.events)} events`;
    const replay = document.createElement("button");
    replay.type = "button";
    replay.textContent = "Replay";
    replay.onclick = () => startSource(`recording://${recording.id}?speed=1&loop=1`, `${recording.name}, replayed`);
    const look = document.createElement("button");
    look.type = "button";
    look.textContent = "Scrub";
    look.onclick = () => analyse(recording);
    item.append(name, replay, look);
    return item;
  }));
}

// ---------------------------------------------------------------- controls

function choose(tab) {
  for (const name of ["sim", "upload", "replay"]) {
    $(`tab-${name}`).ariaSelected = String(name === tab);
    $(`panel-${name}`).hidden = name !== tab;
  }
  if (tab === "replay") listRecordings();
}

for (const name of ["sim", "upload", "replay"]) $(`tab-${name}`).addEventListener("click", () => choose(name));
$("problem-close").addEventListener("click", forgive);
$("start-sim").addEventListener("click", () => {
  const night = $("night").checked;
  const seed = $("seed").value || "1";
  startSource(`sim://street?seed=${seed}${night ? "&night=1" : ""}`, `Simulated street ${seed}${night ? ", night" : ""}`);
});
$("file").addEventListener("change", (event) => event.target.files[0] && send(event.target.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").toggleAttribute("data-over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
  });
}

let patching = null;
$("threshold").addEventListener("input", () => {
  threshold = Number($("threshold").value);
  $("threshold-value").textContent = threshold.toFixed(2);
  player.setThreshold(threshold);
  if (live) view.show(undefined, view.boxes.filter((box) => box.score >= threshold));
  clearTimeout(patching);
  patching = setTimeout(() => {
    if (live) attempt(() => sendJson("PATCH", `/streams/${encodeURIComponent(live.id)}`, { threshold }));
  }, 120);
});

// ---------------------------------------------------------------- start

async function begin() {
  let health = await ready();
  while (!health) {
    status("connecting", "Warming up");
    veil("The service is warming up");
    await new Promise((resolve) => setTimeout(resolve, 500));
    health = await ready();
  }
  $("device").textContent = health.worker?.device ? `on ${health.worker.device}` : "";
  await attempt(async () => {
    const { models, default: usual } = await getJson("/models");
    const model = models.find((row) => row.name === usual) ?? models[0];
    if (model?.threshold) {
      threshold = model.threshold;
      $("threshold").value = String(threshold);
      $("threshold-value").textContent = threshold.toFixed(2);
    }
  });
  await startSource(DEMO.source, "Simulated street 1", DEMO.name);
}

begin();

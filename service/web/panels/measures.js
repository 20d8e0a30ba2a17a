// How fast, how late and how much: the figures of one stream.

import { LatencyBar, Sparkline } from "/web/charts.js";
import { h, known, number, paced, rate, say } from "/web/dom.js";

export class Measures {
  // live: figures of a stream that runs; else those of one moment of a recording.
  constructor({ live = true } = {}) {
    this.charts = { rate: new Sparkline(), behind: new Sparkline() };
    this.latency = new LatencyBar();
    this.live = live;
    this.answers = 0;
    this.readable = paced();
    this.values = {};
    const figure = (id, name, chart = null) => {
      this.values[id] = h("dd", { id }, "–");
      return h("div", {}, h("dt", {}, name), this.values[id], chart?.root);
    };
    this.clock = h("p", { class: "muted small" });
    this.root = h(
      "section",
      { class: "card", "aria-label": "Measurements" },
      h("h2", {}, "Measurements"),
      h(
        "dl",
        { class: "figures" },
        figure("rate", "Event rate", live ? this.charts.rate : null),
        live && figure("behind", "Behind", this.charts.behind),
        figure("firing", "Firing rate"),
        figure("energy", "Energy per answer"),
        live && figure("answers", "Answers"),
        figure("dropped", "Dropped steps"),
        live && figure("waiting", "Steps waiting"),
        live && figure("missed", "Missed by this page"),
      ),
      h("h3", {}, "Latency by stage"),
      this.latency.root,
      this.clock,
    );
  }

  detections(message) {
    this.answers += 1;
    if (!this.readable()) return;
    say(this.values.answers, number(this.answers));
    this.showAnswer(message);
    say(this.values.behind, `${number(message.behind_ms)} ms`);
    this.charts.behind.push(message.behind_ms);
    const words = { source: "Counted from the events' own clock.", arrival: "Counted from the events' arrival: their clock is not ours." };
    say(this.clock, words[message.clock] ?? "");
  }

  // Of a live answer, or of one moment of a recording.
  showAnswer(answer) {
    const seconds = (answer.t_us[1] - answer.t_us[0]) / 1e6;
    if (!this.live && seconds > 0) say(this.values.rate, rate(answer.events / seconds));
    say(this.values.firing, `${number(answer.spikes.rate * 100, 1)} %`);
    say(this.values.energy, `${number(answer.spikes.energy_mj * 1000, 1)} µJ`);
    say(this.values.dropped, number(answer.dropped.steps));
    this.latency.show(answer.latency_ms);
  }

  status(message) {
    say(this.values.rate, rate(message.events_per_s));
    this.charts.rate.push(message.events_per_s);
    say(this.values.waiting, known(message.queue?.depth, (depth) => `${depth} of ${message.queue.bound}`));
    say(this.values.missed, known(message.viewer?.dropped_frames, number));
  }
}

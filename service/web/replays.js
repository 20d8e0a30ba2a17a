// What can be replayed, and where its answers come from: uploads are analysed now, clips carry their boxes.

import { Problem, detectLines } from "/web/api.js";

const FLOOR = 0.05; // least score that is asked for; the page filters from there

export class UploadReplay {
  constructor(recording) {
    this.recording = recording;
  }

  picturePath(t_us, width) {
    return `/recordings/${this.recording.id}/picture?${new URLSearchParams({ t_us, width })}`;
  }

  // Answers as they come, each with how much of the recording is done, 0..1.
  async *answers(signal) {
    const { id, first_t_us, duration_us } = this.recording;
    for await (const line of detectLines(id, { threshold: FLOOR, track: true }, signal)) {
      if (line.type === "error") throw new Problem(line.problem.title, line.problem.detail, line.problem.status);
      if (line.type === "detections") yield [line, (line.t_us[1] - first_t_us) / Math.max(duration_us, 1)];
    }
  }
}

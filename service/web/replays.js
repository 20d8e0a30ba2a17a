// What can be replayed, and where its answers come from: uploads are analysed now, clips carry their boxes.

import { Problem, detectLines, getJson, jsonLines } from "/web/api.js";

const FLOOR = 0.05; // least score that is asked for; the page filters from there

// Each has `recording` {id, name, width, height, first_t_us, duration_us}, `busy`, what is said while answers come,
// and `lines(signal)`: messages as they come. `threshold`: where the slider begins.
export async function openReplay(kind, id) {
  if (kind === "clip") return new ClipReplay(await getJson(`/clips/${id}`));
  return new UploadReplay(await getJson(`/recordings/${id}`));
}

class UploadReplay {
  busy = "Analysing";
  threshold = 0.25;

  constructor(recording) {
    this.recording = recording;
  }

  picturePath(t_us, width) {
    return `/recordings/${this.recording.id}/picture?${new URLSearchParams({ t_us, width })}`;
  }

  async *lines(signal) {
    for await (const line of detectLines(this.recording.id, { threshold: FLOOR, track: true }, signal)) {
      if (line.type === "error") throw new Problem(line.problem.title, line.problem.detail, line.problem.status);
      yield line;
    }
  }
}

class ClipReplay {
  busy = "Loading";
  threshold = FLOOR; // boxes below the stream's threshold were never kept

  constructor(clip) {
    this.recording = clip;
  }

  picturePath(t_us, width) {
    return `/clips/${this.recording.id}/picture?${new URLSearchParams({ t_us, width })}`;
  }

  lines(signal) {
    return jsonLines(`/clips/${this.recording.id}/boxes`, { signal });
  }
}

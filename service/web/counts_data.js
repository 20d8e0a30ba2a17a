// Counts over time as the service keeps them, in the form that plots take.

import { getJson } from "/web/api.js";
import { ink } from "/web/labels.js";

// name, seconds shown, length of a bucket
export const RANGES = [
  ["15 min", 900, "10s"],
  ["1 h", 3600, "30s"],
  ["6 h", 21_600, "3m"],
  ["24 h", 86_400, "10m"],
  ["7 d", 604_800, "1h"],
  ["30 d", 2_592_000, "6h"],
];

const STREAM_COLOURS = ["var(--accent)", "var(--label-other-1)", "var(--label-other-2)", "var(--label-person)", "var(--label-car)", "var(--label-other-0)", "var(--label-two-wheeler)", "var(--label-other-3)"];

// query: [[name, value], ...] of /detections/counts. what: "tracks" or "boxes".
export async function countsByClass(query, what, signal) {
  const answer = await getJson(`/detections/counts?${new URLSearchParams(query)}`, signal);
  const names = [...new Set(answer.buckets.flatMap((bucket) => Object.keys(bucket[what])))].sort();
  return {
    ...frameOf(answer),
    series: names.map((name) => ({ name, colour: ink(name) })),
    buckets: answer.buckets.map((bucket) => ({ time: new Date(bucket.time), values: bucket[what] })),
  };
}

// One question a stream: the service adds up those that are asked for together.
export async function countsByStream(streams, query, what, signal) {
  const answers = await Promise.all(streams.map((stream) => getJson(`/detections/counts?${new URLSearchParams([...query, ["stream", stream.id]])}`, signal)));
  const buckets = new Map();
  answers.forEach((answer, at) => {
    for (const bucket of answer.buckets) {
      const sum = Object.values(bucket[what]).reduce((all, count) => all + count, 0);
      const kept = buckets.get(bucket.time) ?? { time: new Date(bucket.time), values: {} };
      if (sum) kept.values[streams[at].name] = sum;
      buckets.set(bucket.time, kept);
    }
  });
  const seen = streams.filter((stream) => [...buckets.values()].some((bucket) => bucket.values[stream.name]));
  return {
    ...frameOf(answers[0]),
    series: seen.map(({ name }, at) => ({ name, colour: STREAM_COLOURS[at % STREAM_COLOURS.length] })),
    buckets: [...buckets.values()].sort((one, other) => one.time - other.time),
  };
}

function frameOf(answer) {
  return { begin: new Date(answer.begin), end: new Date(answer.end), bucket_s: answer.bucket_s };
}

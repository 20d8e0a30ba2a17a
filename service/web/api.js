// The REST calls of the page. A refusal becomes a Problem with the service's own words.

export class Problem extends Error {
  constructor(title, detail, status = 0) {
    super(detail ? `${title}: ${detail}` : title);
    this.title = title;
    this.detail = detail ?? "";
    this.status = status;
  }
}

async function checked(response) {
  if (response.ok) return response;
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // Not one of the service's own answers (a proxy, say): the status alone has to do.
  }
  throw new Problem(problem.title ?? `HTTP ${response.status}`, problem.detail, response.status);
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service cannot be reached", "Check that it still runs; the page tries again by itself.");
  }
  return checked(response);
}

export async function getJson(path, signal) {
  return (await call(path, { signal })).json();
}

export async function sendJson(method, path, body) {
  const response = await call(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

// "/detections" and 7 -> "/detections?limit=7"; what is empty is left out.
export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

// XMLHttpRequest, because fetch tells nothing of how much of a body has left.
export function upload(file, query, onProgress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open("POST", `/recordings?${new URLSearchParams({ name: file.name, ...query })}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Problem(request.response?.title ?? `HTTP ${request.status}`, request.response?.detail, request.status));
    };
    request.onerror = () => reject(new Problem("The upload broke off", "The service closed the connection or cannot be reached."));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}

// Answers of a kept recording as the service makes them.
export function detectLines(recording, query, signal) {
  const path = `/detect?${new URLSearchParams({ recording, ...query })}`;
  return jsonLines(path, { method: "POST", headers: { Accept: "application/x-ndjson" }, signal });
}

// One JSON object a line, as they arrive.
export async function* jsonLines(path, options) {
  const response = await call(path, options);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) yield JSON.parse(line);
  }
  if (rest.trim()) yield JSON.parse(rest);
}

// One live stream: a WebSocket that comes back by itself; pictures and messages are handed on as they arrive.

const BACKOFF_MS = [500, 1000, 2000, 4000, 8000];
// A status comes every second; without any word for so long the connection is dead and does not know it.
const SILENT_MS = 20_000;
// Closed because this viewer was too slow, or the service went away: it is worth coming back.
const PASSING = new Set([1001, 1006, 1012, 1013]);

export class LiveStream {
  // handlers: `message(message)`, `picture(ImageBitmap)`, `gone(fatal, waitMs)` when the socket closed.
  constructor(id, width, handlers, picturesPerSecond = Infinity) {
    this.id = id;
    this.width = width;
    this.handlers = handlers;
    this.picturesPerSecond = picturesPerSecond;
    this.attempt = 0;
    this.closed = false;
    this.fatal = null;
    this.decoding = false;
    this.decodedMs = 0;
    this.seen = true; // false: nobody can see the pictures, none is decoded
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/streams/${encodeURIComponent(this.id)}/live?view=${this.width}`);
    this.socket.binaryType = "blob";
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = (event) => this.gone(event.code);
    this.expect();
  }

  expect() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.giveUp(), SILENT_MS);
  }

  giveUp() {
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.close();
    this.gone(1006);
  }

  receive(data) {
    if (this.closed) return;
    this.expect();
    if (data instanceof Blob) {
      this.decode(data);
      return;
    }
    const message = JSON.parse(data);
    this.attempt = 0;
    if (message.type === "error" && message.fatal) this.fatal = message;
    this.handlers.message(message);
  }

  async decode(blob) {
    // A picture that comes while another is decoded, or too early for this view, is skipped: the next one is newer.
    const now = performance.now();
    if (!this.seen || document.hidden || this.decoding || now - this.decodedMs < 1000 / this.picturesPerSecond - 4) return;
    this.decoding = true;
    this.decodedMs = now;
    try {
      const picture = await createImageBitmap(blob);
      if (this.closed) picture.close();
      else this.handlers.picture(picture);
    } finally {
      this.decoding = false;
    }
  }

  gone(code) {
    if (this.closed) return;
    clearTimeout(this.silence);
    if (PASSING.has(code)) this.fatal = null;
    const wait = BACKOFF_MS[Math.min(this.attempt, BACKOFF_MS.length - 1)];
    this.attempt += 1;
    this.handlers.gone(this.fatal, wait);
    if (!this.fatal) this.timer = setTimeout(() => this.connect(), wait);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.socket.close();
  }
}

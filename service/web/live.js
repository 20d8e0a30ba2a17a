// One live stream: a WebSocket that comes back by itself, pictures and boxes handed on as they arrive.

const BACKOFF_MS = [500, 1000, 2000, 4000, 8000];

export class LiveStream {
  constructor(id, width, handlers) {
    this.id = id;
    this.width = width;
    this.handlers = handlers;
    this.attempt = 0;
    this.closed = false;
    this.fatal = null;
    this.decoding = false;
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/streams/${encodeURIComponent(this.id)}/live?view=${this.width}`);
    this.socket.binaryType = "blob";
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = () => this.lost();
  }

  receive(data) {
    if (data instanceof Blob) {
      this.decode(data);
      return;
    }
    const message = JSON.parse(data);
    this.attempt = 0;
    if (message.type === "error" && message.fatal) this.fatal = message;
    this.handlers[message.type]?.(message);
  }

  async decode(blob) {
    // A picture that comes while another is decoded is skipped: late pictures are worth nothing.
    if (this.decoding) return;
    this.decoding = true;
    try {
      const picture = await createImageBitmap(blob);
      if (!this.closed) this.handlers.picture?.(picture);
    } finally {
      this.decoding = false;
    }
  }

  lost() {
    if (this.closed) return;
    const wait = BACKOFF_MS[Math.min(this.attempt, BACKOFF_MS.length - 1)];
    this.attempt += 1;
    this.handlers.lost?.(this.fatal, wait);
    if (!this.fatal) this.timer = setTimeout(() => this.connect(), wait);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}

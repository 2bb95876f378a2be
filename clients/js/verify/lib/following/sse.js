// Parsing server-sent events (HTML Living Standard §9.2.6), with bounded memory.

const MOST_CHARACTERS = 512 * 1024; // of one message

/** @typedef {{ event: string, data: string }} Message An event, or a comment, whose event is "". */

export class MessageTooLong extends Error {}

/** Reads one stream. */
export class Parser {
  #decoder = new TextDecoder(); // it drops a byte order mark
  #rest = "";
  #held = 0;
  #event = "";
  /** @type {string[]} */
  #data = [];

  /** @param {number} [most] What one message may hold. */
  constructor(most = MOST_CHARACTERS) {
    this.most = most;
  }

  /** Parse octets, and yield complete messages. @param {Uint8Array} chunk @returns {Generator<Message>} */
  *feed(chunk) {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    let start = 0;
    const ends = /\r\n|\n|\r(?!$)/g; // a final carriage return may be half of a line end, so it waits
    ends.lastIndex = Math.max(0, this.#rest.length - 1); // before that there is none
    for (const end of text.matchAll(ends)) {
      const message = this.#line(text.slice(start, end.index));
      start = /** @type {number} */ (end.index) + end[0].length;
      if (message) yield message;
    }
    this.#rest = text.slice(start);
    this.#refuseTooLong(this.#rest);
  }

  /** @param {string} line @returns {Message | null} */
  #line(line) {
    this.#refuseTooLong(line);
    if (line === "") return this.#dispatch();
    if (line.startsWith(":")) return { event: "", data: line.slice(1).trim() };
    this.#held += line.length;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    return null;
  }

  /** @param {string} more */
  #refuseTooLong(more) {
    if (this.#held + more.length > this.most) throw new MessageTooLong("a message has no end");
  }

  #dispatch() {
    const message = this.#data.length ? { event: this.#event || "message", data: this.#data.join("\n") } : null;
    this.#event = "";
    this.#data = [];
    this.#held = 0;
    return message;
  }
}

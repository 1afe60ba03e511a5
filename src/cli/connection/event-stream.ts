/** Server-sent events as the HTML standard defines them (section 9.2.6), read from a byte stream. Pure. */

export type ServerSentEvent = { readonly id: string | undefined; readonly event: string; readonly data: string };

/** One event of the API is far below this; a longer one is a broken peer. */
export const MAX_EVENT_CHARS = 4 * 1024 * 1024;

/** Cuts a stream into events. A comment (the server's sign of life) gives no event. */
export class EventStreamParser {
  #rest = "";
  #id: string | undefined;
  #event = "";
  #data: string[] = [];
  readonly #decoder = new TextDecoder();

  /** @returns the events that `chunk` completes; undefined when an event is longer than {@link MAX_EVENT_CHARS}. */
  push(chunk: Uint8Array): readonly ServerSentEvent[] | undefined {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split(/\r\n|\n/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > MAX_EVENT_CHARS) return undefined;
    const complete: ServerSentEvent[] = [];
    for (const line of lines) {
      if (line === "") this.#dispatch(complete);
      else if (!line.startsWith(":")) this.#field(line);
    }
    return complete;
  }

  #dispatch(complete: ServerSentEvent[]): void {
    if (this.#data.length > 0) {
      complete.push({ id: this.#id, event: this.#event === "" ? "message" : this.#event, data: this.#data.join("\n") });
    }
    this.#event = "";
    this.#data = [];
  }

  #field(line: string): void {
    const cut = line.indexOf(":");
    const name = cut < 0 ? line : line.slice(0, cut);
    const value = cut < 0 ? "" : line.slice(cut + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#event = value;
    else if (name === "id") this.#id = value;
  }
}

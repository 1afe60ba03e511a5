/**
 * The way from one member to its hub: an HTTP proxy on loopback that loses, delays, repeats and cuts what passes.
 * Connections are those of HTTP on both sides; bytes of bodies and all signed headers pass unchanged.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type Random, sleep } from "#base";
import { realClock } from "../../support/real-clock.ts";

export type WayFault =
  | { readonly kind: "none" }
  /** The hub hears nothing; the member waits for its own deadline. */
  | { readonly kind: "requests_lost" }
  /** The hub hears and does it; the member never learns. */
  | { readonly kind: "answers_lost" }
  /** Connections are refused and those that are open are cut. */
  | { readonly kind: "cut" }
  | { readonly kind: "delay"; readonly maxMs: number }
  /** Every request arrives twice, byte for byte; the member sees the first answer. */
  | { readonly kind: "duplicate" }
  /** Answers end after so many bytes, as when a connection breaks. */
  | { readonly kind: "truncate"; readonly afterBytes: number };

/** The API takes no larger request from a node. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

export class Way {
  fault: WayFault = { kind: "none" };
  /** Status codes by which the hub answered the second of two equal requests. */
  readonly repeatedStatus = new Map<number, number>();
  /** Commands that reached the hub more than once, by their ids. */
  resent = 0;
  readonly #commands = new Set<string>();
  readonly #server: Server;
  readonly #random: Random;
  readonly #hubPort: number;
  #port = 0;

  private constructor(hubPort: number, random: Random) {
    this.#hubPort = hubPort;
    this.#random = random;
    this.#server = createServer((incoming, outgoing) => {
      void this.#pass(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  static async open(hubPort: number, random: Random): Promise<Way> {
    const way = new Way(hubPort, random);
    await new Promise<void>((resolve) => way.#server.listen(0, "127.0.0.1", resolve));
    const address = way.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("the proxy has no port");
    way.#port = address.port;
    return way;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** From now on; what is under way is cut where the fault says that nothing passes. */
  set(fault: WayFault): void {
    this.fault = fault;
    if (fault.kind !== "none" && fault.kind !== "delay" && fault.kind !== "duplicate")
      this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { fault } = this;
    if (fault.kind === "cut") {
      incoming.socket.destroy();
      return;
    }
    const body = await bodyOf(incoming);
    if (fault.kind === "requests_lost") return; // Unanswered until the member gives up, or the way is opened.
    if (fault.kind === "delay") await sleep(realClock, this.#random.next() * fault.maxMs);
    this.#count(incoming.url ?? "", body);
    const first = await this.#ask(incoming, body);
    if (fault.kind === "duplicate") {
      const second = await this.#ask(incoming, body);
      const status = second.statusCode ?? 0;
      this.repeatedStatus.set(status, (this.repeatedStatus.get(status) ?? 0) + 1);
      second.destroy();
    }
    if (fault.kind === "answers_lost") {
      first.resume();
      return;
    }
    outgoing.on("close", () => first.destroy());
    outgoing.writeHead(first.statusCode ?? 502, first.headers);
    let sent = 0;
    for await (const chunk of first) {
      // `as`: a response without an encoding gives buffers.
      const part = chunk as Buffer;
      if (fault.kind === "truncate" && sent + part.length > fault.afterBytes) {
        outgoing.write(part.subarray(0, fault.afterBytes - sent), () => outgoing.destroy());
        return;
      }
      sent += part.length;
      outgoing.write(part);
    }
    outgoing.end();
  }

  #ask(incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { method, url, headers } = incoming;
      const sent = request(
        { host: "127.0.0.1", port: this.#hubPort, method, path: url, headers, agent: false },
        resolve,
      );
      sent.on("error", reject);
      // The member went away: so does what was asked for it, or long polls would pile up at the hub.
      const forget = (): void => void sent.destroy();
      incoming.socket.once("close", forget);
      sent.once("close", () => incoming.socket.off("close", forget));
      sent.end(body);
    });
  }

  #count(path: string, body: Buffer): void {
    if (!path.startsWith("/api/commands")) return;
    for (const [, id] of body.toString("utf8").matchAll(/"id":"(c_[0-9a-z]{26})"/g)) {
      if (id === undefined) continue;
      if (this.#commands.has(id)) this.resent += 1;
      this.#commands.add(id);
    }
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    // `as`: a request without an encoding gives buffers.
    const part = chunk as Buffer;
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) throw new Error("the request is too long for the proxy");
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

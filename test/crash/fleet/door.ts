/**
 * The door of a node: an HTTP proxy on loopback under whose address the other nodes know it. It loses, delays, repeats and
 * cuts what comes, for each node that asks as that one's fault says; the node is known by what it signs. Bytes of bodies
 * and all signed headers pass unchanged.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Random, sleep } from "#base";
import { realClock } from "../../support/real-clock.ts";

export type LinkFault =
  | { readonly kind: "none" }
  /** The asked node hears nothing; the other one waits for its own deadline. */
  | { readonly kind: "requests_lost" }
  /** The asked node hears and does it; the other one never learns. */
  | { readonly kind: "answers_lost" }
  /** Connections are refused and those that are open are cut. */
  | { readonly kind: "cut" }
  /** Each request by another delay, so that they also arrive in another order. */
  | { readonly kind: "delay"; readonly maxMs: number }
  /** Every request arrives twice, byte for byte; the asking node sees the first answer. */
  | { readonly kind: "duplicate" }
  /** Copies are kept, and arrive once the fault is over, in another order. */
  | { readonly kind: "late_copies" }
  /** Answers end after so many bytes, as when a connection breaks. */
  | { readonly kind: "truncate"; readonly afterBytes: number };

/** The API takes no larger request from a node. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** As many as some seconds of one node. */
const MAX_COPIES = 200;
const NODE_HEADER = "x-drover-node";
const BREAKING: readonly LinkFault["kind"][] = ["cut", "requests_lost", "answers_lost", "truncate"];
const NONE: LinkFault = { kind: "none" };

type Asked = Pick<IncomingMessage, "method" | "url" | "headers"> & { readonly body: Buffer };

export class Door {
  /** Status codes by which the node answered copies of requests that it had got before. */
  readonly repeatedStatus = new Map<number, number>();
  /** Commands that passed more than once, by their ids. */
  resent = 0;
  /** Requests that met a fault. */
  touched = 0;
  readonly #faults = new Map<string, LinkFault>();
  readonly #sources = new Map<Socket, string>();
  readonly #commands = new Set<string>();
  readonly #server: Server;
  readonly #random: Random;
  readonly #nodePort: number;
  #copies: Asked[] = [];
  #port = 0;

  private constructor(nodePort: number, random: Random) {
    this.#nodePort = nodePort;
    this.#random = random;
    this.#server = createServer((incoming, outgoing) => {
      void this.#pass(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  static async open(nodePort: number, random: Random): Promise<Door> {
    const door = new Door(nodePort, random);
    await new Promise<void>((resolve) => door.#server.listen(0, "127.0.0.1", resolve));
    const address = door.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("the proxy has no port");
    door.#port = address.port;
    return door;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** From now on for what this node asks; what is under way is cut where the fault says that nothing passes. */
  set(source: string, fault: LinkFault): void {
    this.#faults.set(source, fault);
    if (!BREAKING.includes(fault.kind)) return;
    for (const [socket, from] of this.#sources) if (from === source) socket.destroy();
  }

  /** Lets the copies arrive that were kept. @returns how many there were */
  async sendCopies(): Promise<number> {
    const copies = this.#copies.splice(0);
    const shuffled = copies.map((copy) => ({ copy, at: this.#random.next() })).sort((a, b) => a.at - b.at);
    await Promise.all(shuffled.map(({ copy }) => this.#repeat(copy)));
    return copies.length;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const source = String(incoming.headers[NODE_HEADER] ?? "");
    this.#know(incoming.socket, source);
    const fault = this.#faults.get(source) ?? NONE;
    if (fault.kind !== "none") this.touched += 1;
    if (fault.kind === "cut") {
      incoming.socket.destroy();
      return;
    }
    const body = await bodyOf(incoming);
    if (fault.kind === "requests_lost") return; // Unanswered until the asking node gives up.
    if (fault.kind === "delay") await sleep(realClock, this.#random.next() * fault.maxMs);
    const { method, url, headers } = incoming;
    const asked: Asked = { method, url, headers, body };
    this.#count(asked);
    const first = await this.#ask(asked, incoming.socket);
    if (fault.kind === "duplicate") await this.#repeat(asked);
    if (fault.kind === "late_copies" && this.#copies.length < MAX_COPIES) this.#copies.push(asked);
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

  /** A node keeps its connections to itself, so a socket is one node's for as long as it is open. */
  #know(socket: Socket, source: string): void {
    if (!this.#sources.has(socket)) socket.once("close", () => this.#sources.delete(socket));
    this.#sources.set(socket, source);
  }

  async #repeat(asked: Asked): Promise<void> {
    const answer = await this.#ask(asked).catch(() => undefined);
    if (answer === undefined) return; // The node is away: it heard nothing.
    const status = answer.statusCode ?? 0;
    this.repeatedStatus.set(status, (this.repeatedStatus.get(status) ?? 0) + 1);
    answer.destroy();
  }

  #ask({ method, url, headers, body }: Asked, socket?: Socket): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: "127.0.0.1", port: this.#nodePort, method, path: url, headers, agent: false },
        resolve,
      );
      sent.on("error", reject);
      // The asking node went away: so does what was asked for it, or long polls would pile up at the hub.
      const forget = (): void => void sent.destroy();
      socket?.once("close", forget);
      sent.once("close", () => socket?.off("close", forget));
      sent.end(body);
    });
  }

  #count({ url = "", body }: Asked): void {
    if (!url.startsWith("/api/commands")) return;
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

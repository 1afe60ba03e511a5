import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, rmSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { type Clock, err, type Failure, ok, type Result, refused, terminal } from "#base";
import { decodeWorkerFrame, encodeFrame, FrameSplitter, type NodeFrame, type WorkerFrame } from "../protocol.ts";
import { errorCode, systemFailure } from "./system-failure.ts";

/** sun_path has 108 bytes on Linux, the last a NUL (unix(7)); 104 on macOS. */
const MAX_SOCKET_PATH_BYTES = process.platform === "linux" ? 107 : 103;
const SHORT_FOLDER = "/tmp/drover-socket-";
/** A peer that does not say who it is within this time is none of ours. */
const HELLO_LIMIT_MS = 5_000;
const MAX_PEERS = 4_096;

/**
 * Where the node listens for its workers: in the state folder, or, where that path is too long for a socket, in a
 * folder of this user's under /tmp whose name follows from the state folder. (Not TMPDIR: a restarted node must find
 * the same place under another environment.)
 */
export function socketPathFor(stateDir: string): string {
  const path = join(stateDir, "run", "worker.sock");
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  const name = createHash("sha256").update(stateDir).digest("hex").slice(0, 16);
  return `${SHORT_FOLDER}${process.getuid?.() ?? 0}-${name}/worker.sock`;
}

/** One connected worker, known by its hello. */
export interface Peer {
  send(frame: NodeFrame): void;
  close(): void;
}

export type Hello = Extract<WorkerFrame, { type: "hello" }>;

export interface PeerHandlers {
  readonly onFrame: (frame: WorkerFrame) => void;
  readonly onClose: () => void;
}

/** Decides about a peer that said hello: its handlers, or undefined when it was sent away. */
export type Admit = (hello: Hello, peer: Peer) => Promise<PeerHandlers | undefined>;

/** The node's end: a Unix socket that only this user can reach. */
export class WorkerSocket {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #admit: Admit;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(path: string, clock: Clock, admit: Admit) {
    this.#path = path;
    this.#clock = clock;
    this.#admit = admit;
  }

  /** Listens. A socket file that a killed node left is replaced; one that answers belongs to a running node. */
  async listen(): Promise<Result<void, Failure>> {
    const folder = makePrivateFolder(dirname(this.#path));
    if (!folder.ok) return folder;
    if (await answers(this.#path)) {
      const remedy = "Stop the other drover, or give this one its own state folder";
      return err(refused("in_use", `listen on ${this.#path}: another node is using it`, remedy));
    }
    try {
      unlinkSync(this.#path);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") return err(systemFailure(error, `remove stale socket ${this.#path}`));
    }
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    const listening = await new Promise<Result<void, Failure>>((resolve) => {
      server.once("error", (error) => resolve(err(systemFailure(error, `listen on ${this.#path}`))));
      server.listen(this.#path, () => resolve(ok(undefined)));
    });
    if (listening.ok) chmodSync(this.#path, 0o600);
    return listening;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    if (dirname(this.#path).startsWith(SHORT_FOLDER)) rmSync(dirname(this.#path), { recursive: true, force: true });
  }

  #accept(socket: Socket): void {
    if (this.#sockets.size >= MAX_PEERS) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const hello = this.#clock.after(HELLO_LIMIT_MS, () => socket.destroy());
    const conversation = new Conversation(socket, this.#admit, () => hello.cancel());
    socket.on("data", (chunk: Uint8Array) => conversation.receive(chunk));
    socket.on("error", () => undefined); // `close` follows, and that is what is acted on.
    socket.on("close", () => {
      hello.cancel();
      this.#sockets.delete(socket);
      conversation.closed();
    });
  }
}

class Conversation implements Peer {
  readonly #socket: Socket;
  readonly #admit: Admit;
  readonly #onHello: () => void;
  readonly #splitter = new FrameSplitter();
  #handlers: Promise<PeerHandlers | undefined> | undefined;

  constructor(socket: Socket, admit: Admit, onHello: () => void) {
    this.#socket = socket;
    this.#admit = admit;
    this.#onHello = onHello;
  }

  send(frame: NodeFrame): void {
    if (this.#socket.writable) this.#socket.write(encodeFrame(frame));
  }

  close(): void {
    this.#socket.end();
  }

  receive(chunk: Uint8Array): void {
    const lines = this.#splitter.push(chunk);
    if (!lines.ok) {
      this.#socket.destroy();
      return;
    }
    for (const line of lines.value) {
      const frame = decodeWorkerFrame(line);
      if (!frame.ok) {
        this.#socket.destroy();
        return;
      }
      if (frame.value !== undefined) this.#handle(frame.value);
    }
  }

  closed(): void {
    void this.#handlers?.then((handlers) => handlers?.onClose());
  }

  #handle(frame: WorkerFrame): void {
    if (this.#handlers !== undefined) {
      void this.#handlers.then((handlers) => handlers?.onFrame(frame));
    } else if (frame.type === "hello") {
      this.#onHello();
      this.#handlers = this.#admit(frame, this);
    } else {
      this.#socket.destroy();
    }
  }
}

/** Makes a folder that only this user can enter; one that somebody else prepared under /tmp is refused. */
function makePrivateFolder(path: string): Result<void, Failure> {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stat = lstatSync(path);
    const own = process.getuid === undefined || stat.uid === process.getuid();
    if (!stat.isDirectory() || !own) {
      return err(
        terminal("unavailable", `${path} belongs to somebody else`, "Remove it, or shorten the state folder's path"),
      );
    }
    chmodSync(path, 0o700);
    return ok(undefined);
  } catch (error) {
    return err(systemFailure(error, `create ${path}`));
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

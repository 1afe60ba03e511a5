/**
 * What worker and node say to each other: one JSON object a line over a Unix socket, each with the version `v`.
 * The worker speaks first with `hello`; nothing else is heard before its token was found right. Unknown frame types
 * of a newer peer are ignored. The result itself does not travel: it lies in `result.json` before `finished` is said.
 */

import { z } from "zod";
import { err, ok, type Result } from "#base";
import { MAX_PROGRESS_MESSAGE_CHARS } from "./progress-line.ts";

export const PROTOCOL_VERSION = 1;
/** The longest frame is a progress message; a longer line is a broken peer. */
export const MAX_FRAME_BYTES = 16 * 1024;

const v = z.literal(PROTOCOL_VERSION);
const reason = z.string().max(1_000);

export const WORKER_PHASES = ["preparing", "running", "verifying", "finished"] as const;
export type WorkerPhase = (typeof WORKER_PHASES)[number];

const workerFrameSchema = z.discriminatedUnion("type", [
  z.object({ v, type: z.literal("hello"), taskId: z.string().max(64), attempt: z.int(), token: z.string().max(256) }),
  z.object({ v, type: z.literal("heartbeat"), phase: z.enum(WORKER_PHASES) }),
  z.object({
    v,
    type: z.literal("progress"),
    ratio: z.number().min(0).max(1),
    message: z.string().max(MAX_PROGRESS_MESSAGE_CHARS),
  }),
  z.object({ v, type: z.literal("finished") }),
]);
export type WorkerFrame = z.infer<typeof workerFrameSchema>;

const nodeFrameSchema = z.discriminatedUnion("type", [
  z.object({ v, type: z.literal("welcome") }),
  /** The attempt is not known to this node: the worker has no right to go on. */
  z.object({ v, type: z.literal("unknown"), reason }),
  z.object({ v, type: z.literal("cancel"), reason }),
  z.object({ v, type: z.literal("shutdown"), reason }),
  /** The result was taken, or never will be; either way the worker is done. */
  z.object({ v, type: z.literal("accepted") }),
  z.object({ v, type: z.literal("refused") }),
]);
export type NodeFrame = z.infer<typeof nodeFrameSchema>;

const versionSchema = z.object({ v: z.number(), type: z.string() });

export function encodeFrame(frame: WorkerFrame | NodeFrame): string {
  return `${JSON.stringify(frame)}\n`;
}

/** @returns the frame, undefined for a type of a newer peer, or why the line is no frame. */
export function decodeWorkerFrame(line: string): Result<WorkerFrame | undefined, string> {
  return decode(workerFrameSchema, line);
}

export function decodeNodeFrame(line: string): Result<NodeFrame | undefined, string> {
  return decode(nodeFrameSchema, line);
}

function decode<Frame>(schema: z.ZodType<Frame, unknown> & { readonly options: readonly unknown[] }, line: string) {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return err("a frame is one line of JSON");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const version = versionSchema.safeParse(value);
  if (!version.success) return err("a frame has v and type");
  if (version.data.v !== PROTOCOL_VERSION) return err(`protocol version ${version.data.v} is not ${PROTOCOL_VERSION}`);
  return parsed.error.issues[0]?.code === "invalid_union"
    ? ok(undefined)
    : err(parsed.error.issues[0]?.message ?? "bad frame");
}

/** Cuts a byte stream into lines; a line longer than {@link MAX_FRAME_BYTES} ends the stream. */
export class FrameSplitter {
  #rest = "";
  readonly #decoder = new TextDecoder();

  push(chunk: Uint8Array): Result<readonly string[], string> {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    const tooLong = [this.#rest, ...lines].some((line) => line.length > MAX_FRAME_BYTES);
    return tooLong ? err(`a frame is longer than ${MAX_FRAME_BYTES} bytes`) : ok(lines.filter((line) => line !== ""));
  }
}

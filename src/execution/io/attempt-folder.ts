/**
 * The folder of one attempt, `<state>/attempts/<task>-<attempt>/`, is all that node and worker share:
 * `assignment.json` (written by the node before the worker starts), `worker.json` (who executes it, created once),
 * `command.json` (the command's process), `result.json` (durable before it is reported) and `worker.log`.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { err, MAX_RESULT_BYTES, MAX_SUBMISSION_BYTES, ok, parseTaskId, type Result, type TaskId } from "#base";
import {
  type Assignment,
  type AssignmentHead,
  type AttemptResult,
  assignmentHeadSchema,
  attemptResultSchema,
} from "../attempt.ts";
import { createOnce, readBounded, writeAtomic } from "./atomic-file.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** A submission, and what the node adds to it. */
const MAX_ASSIGNMENT_BYTES = 2 * MAX_SUBMISSION_BYTES;
const MAX_IDENTITY_BYTES = 4_096;
const MAX_LOG_BYTES = 1024 * 1024;

const identitySchema = z.object({ pid: z.int().min(2), startTicks: z.string().max(64), bootId: z.string().max(64) });
const claimSchema = identitySchema.extend({ token: z.string() });

/** The marker that processes of an attempt carry: derived from its token, and of no use for speaking to the node. */
export function markerOf(token: string): string {
  return createHash("sha256").update(token).digest("hex").slice(0, 32);
}

export class AttemptFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  static of(stateDir: string, taskId: TaskId, attempt: number): AttemptFolder {
    return new AttemptFolder(join(AttemptFolder.root(stateDir), `${taskId}-${attempt}`));
  }

  static root(stateDir: string): string {
    return join(stateDir, "attempts");
  }

  /** @returns every attempt folder that was left, in order of age. */
  static list(stateDir: string): readonly AttemptFolder[] {
    const root = AttemptFolder.root(stateDir);
    mkdirSync(root, { recursive: true, mode: 0o700 });
    return readdirSync(root)
      .sort()
      .map((name) => new AttemptFolder(join(root, name)));
  }

  get workerLogPath(): string {
    return join(this.path, "worker.log");
  }

  /** Creates the folder. @returns false when it exists already. Throws other system errors. */
  create(): boolean {
    return mkdirSync(this.path, { recursive: true, mode: 0o700 }) !== undefined;
  }

  exists(): boolean {
    return existsSync(this.path);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  /** Not synced: after a power failure no worker is alive that could need it. */
  async writeAssignment(assignment: Assignment): Promise<void> {
    await writeAtomic(join(this.path, "assignment.json"), JSON.stringify(assignment), { durable: false });
  }

  /** The whole assignment, for the worker: it is of the same release as the node that wrote it. */
  readAssignment(): Result<Assignment, string> {
    const value = this.#read("assignment.json", MAX_ASSIGNMENT_BYTES);
    if (!assignmentHeadSchema.safeParse(value).success)
      return err(`${this.path}/assignment.json is missing or damaged`);
    // `as`: written by writeAssignment of this release, and its head was just found whole.
    return ok(value as Assignment);
  }

  /** The part that says which attempt this is; readable from other releases. */
  readHead(): (AssignmentHead & { readonly taskId: TaskId }) | undefined {
    const parsed = assignmentHeadSchema.safeParse(this.#read("assignment.json", MAX_ASSIGNMENT_BYTES));
    const taskId = parsed.success ? parseTaskId(parsed.data.taskId) : undefined;
    return parsed.success && taskId !== undefined ? { ...parsed.data, taskId } : undefined;
  }

  /**
   * Takes the attempt for the process `identity`, once for all: by a worker before it does anything, or by a node
   * (with itself as owner) so that a worker that comes late does nothing. @returns false when it was taken before.
   */
  claim(identity: ProcessIdentity, token: string): Promise<boolean> {
    return createOnce(join(this.path, "worker.json"), JSON.stringify({ ...identity, token }));
  }

  readClaim(): (ProcessIdentity & { readonly token: string }) | undefined {
    const parsed = claimSchema.safeParse(this.#read("worker.json", MAX_IDENTITY_BYTES));
    return parsed.success ? parsed.data : undefined;
  }

  async writeCommand(identity: ProcessIdentity): Promise<void> {
    await writeAtomic(join(this.path, "command.json"), JSON.stringify(identity), { durable: false });
  }

  readCommand(): ProcessIdentity | undefined {
    const parsed = identitySchema.safeParse(this.#read("command.json", MAX_IDENTITY_BYTES));
    return parsed.success ? parsed.data : undefined;
  }

  async writeResult(result: AttemptResult): Promise<void> {
    await writeAtomic(join(this.path, "result.json"), JSON.stringify(result), { durable: true });
  }

  readResult(): AttemptResult | undefined {
    const parsed = attemptResultSchema.safeParse(this.#read("result.json", MAX_RESULT_BYTES));
    return parsed.success ? parsed.data : undefined;
  }

  /** The end of what the worker itself wrote: why it died, if it could say so. */
  workerLogTail(maxChars: number): string {
    return (readBounded(this.workerLogPath, MAX_LOG_BYTES) ?? "").trim().slice(-maxChars);
  }

  #read(name: string, maxBytes: number): unknown {
    const text = readBounded(join(this.path, name), maxBytes);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      return undefined; // Damaged: the schemas then say that nothing usable is there.
    }
  }
}

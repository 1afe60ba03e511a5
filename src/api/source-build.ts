/** Releases that a node builds from changed source: what is asked for, and what became of each try. */
import { z } from "zod";
import type { Result } from "#base";

/** A change of every file of drover would not be read by anybody before it runs. */
export const MAX_CHANGES = 500;
/** Together they fit into one request. */
export const MAX_CHANGE_CHARS = 1024 * 1024;
export const MAX_PATCH_CHARS = 2 * 1024 * 1024;
const MAX_PATH_CHARS = 1_024;
const MAX_NAME_CHARS = 100;

export const changeSchema = z.strictObject({
  /** Below the source folder, with `/` between its parts. */
  path: z.string().min(1).max(MAX_PATH_CHARS),
  /** The whole file; null removes it. */
  content: z.string().max(MAX_CHANGE_CHARS).nullable(),
});

/** The part of an update that is built first. */
export const sourceFields = {
  /** Absolute path on the node's host. */
  source: z.string().startsWith("/", "must be an absolute path").max(4_096).optional(),
  /** As `git diff` writes it. */
  patch: z.string().min(1).max(MAX_PATCH_CHARS).optional(),
  changes: z.array(changeSchema).max(MAX_CHANGES).optional(),
  /** Builds and tests, and installs nothing. */
  checkOnly: z.boolean().optional(),
  /** Who asks, such as the name of an agent. Only written down: whoever has the token may say anything. */
  requestedBy: z.string().min(1).max(MAX_NAME_CHARS).optional(),
};

const stepSchema = z.object({
  step: z.string(),
  atMs: z.int(),
  tookMs: z.int(),
  ok: z.boolean(),
  detail: z.string(),
});

export const sourceBuildSchema = z.object({
  id: z.string(),
  source: z.string(),
  /** Of the committed state that was built; null for a folder without git. */
  commit: z.string().nullable(),
  /** SHA-256 of patch and changes; null without any. */
  changesSha256: z.string().nullable(),
  askedBy: z.string(),
  checkOnly: z.boolean(),
  /** The release that was made; null before that. */
  version: z.string().nullable(),
  /** Mode of the sandbox that built and tested. */
  sandbox: z.string(),
  startedAtMs: z.int(),
  endedAtMs: z.int(),
  /**
   * `built`: handed to the watchdog, whose history tells the rest; `checked`: sound, and nothing was to be installed;
   * `refused`: sound, and the watchdog did not take it; `interrupted`: the node ended first.
   */
  result: z.enum(["built", "checked", "failed", "refused", "interrupted"]),
  reason: z.string().nullable(),
  steps: z.array(stepSchema),
  /** The last lines that a failed command printed. */
  output: z.string(),
  /** How the swap to it ended; null while that is not known. */
  swap: z.string().nullable(),
});
export type SourceBuild = z.infer<typeof sourceBuildSchema>;

export const buildsSchema = z.object({
  /** The try under way. */
  building: z.object({ id: z.string(), source: z.string(), step: z.string(), startedAtMs: z.int() }).nullable(),
  /** The newest tries, oldest first. */
  builds: z.array(sourceBuildSchema),
});
export type SourceBuilds = z.infer<typeof buildsSchema>;

export const exampleBuilds: SourceBuilds = {
  building: null,
  builds: [
    {
      id: "b-m9x2k1-3f9a",
      source: "/srv/drover",
      commit: "04149c6a0b",
      changesSha256: null,
      askedBy: "improver, through the API",
      checkOnly: false,
      version: "0.1.1-source.185863200",
      sandbox: "strict",
      startedAtMs: 1_763_700_000_000,
      endedAtMs: 1_763_700_090_000,
      result: "failed",
      reason: "update.source_test exited with code 1",
      steps: [{ step: "copied", atMs: 1_763_700_000_000, tookMs: 900, ok: true, detail: "commit 04149c6a0b" }],
      output: "1 failed",
      swap: null,
    },
  ],
};

export type SourceChange = z.infer<typeof changeSchema>;

export type SourceBuildOrder = {
  readonly source: string;
  readonly patch: string | null;
  readonly changes: readonly SourceChange[];
  readonly checkOnly: boolean;
  readonly requestedBy: string | null;
};

/** Builds releases of changed source on this node. */
export interface SourceBuildPort {
  /** @returns the id of the try as soon as it has begun, or why it does not. */
  begin(order: SourceBuildOrder): Promise<Result<{ readonly id: string }>>;
  view(): Promise<SourceBuilds>;
}

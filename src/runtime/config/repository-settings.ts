/** Settings of repositories. Written out and checked again where they are used: the watchdog reads these settings too. */
import { z } from "zod";
import { count, durationMs, name, setting } from "./setting.ts";

const MAX_REPOSITORIES = 200;
const path = z.string().max(4_096).regex(/^\//, "give a path from / on");
const command = z.array(z.string().min(1).max(4_096)).min(1).max(64);
const risk = z.int().min(0).max(1_000);
const MODES = ["merge", "pullRequest", "ask"] as const;
const OUTSIDE_MODES = ["pullRequest", "ask"] as const;

const repository = z
  .strictObject({
    name,
    path: path.optional(),
    url: z.string().min(1).max(2_048).optional(),
    remote: z.string().max(100).optional(),
    branch: z.string().min(1).max(200).default("main"),
    priority: z.int().min(-1_000).max(1_000).default(0),
    paused: z.boolean().default(false),
    share: z.boolean().default(true),
    forge: z
      .strictObject({
        kind: z.enum(["github", "gitea", "forgejo", "none"]).default("none"),
        api_url: z
          .url({ protocol: /^https?$/ })
          .max(2_048)
          .optional(),
        repository: z.string().max(201).optional(),
        token_file: path.optional(),
      })
      .default({ kind: "none" }),
    autonomy: z
      .strictObject({
        at_most: z.enum(MODES).optional(),
        merge_below: risk.optional(),
        ask_from: risk.optional(),
        outside: z.enum(OUTSIDE_MODES).optional(),
      })
      .default({}),
    checks: z
      .strictObject({
        test: command.optional(),
        build: command.optional(),
        lint: command.optional(),
        after_merge: z.boolean().default(true),
      })
      .default({ after_merge: true }),
  })
  .refine(({ path: local, url }) => (local === undefined) !== (url === undefined), "give either path or url");

export type RepositorySetting = z.output<typeof repository>;

/** A large history with its files; a kernel's is some five. */
const MAX_BYTES = 10 * 1024 ** 3;

export const REPOSITORY_SETTINGS = {
  repos: setting(
    z.array(repository).max(MAX_REPOSITORIES),
    [],
    "repositories that goals work on and that are improved, besides those added with drover repo add",
  ),
  "repositories.author_name": setting(
    z.string().min(1).max(200),
    "drover",
    "name under which the node commits what tasks changed",
  ),
  "repositories.author_email": setting(
    z.string().min(1).max(200),
    "drover@localhost",
    "e-mail address under which the node commits",
  ),
  "repositories.max_bytes": setting(
    count(1024 ** 4),
    MAX_BYTES,
    "bytes of the copy of one repository; more is not fetched",
  ),
  "repositories.offline_ms": setting(
    durationMs,
    86_400_000,
    "how long what was fetched last stands for a main branch that cannot be fetched now",
  ),
  "repositories.look_every_ms": setting(
    count(86_400_000),
    300_000,
    "between two looks at whether main branches have moved, whose checks run then, and at pull requests that wait; 0: never",
  ),
  "repositories.forge_wait_ms": setting(
    durationMs,
    86_400_000,
    "how long a pull request may wait for the checks of its forge to be merged",
  ),
  "autonomy.at_most": setting(
    z.enum(MODES),
    "pullRequest",
    "the most that happens to a delivery without a person: merge, pullRequest (a patch where there is no forge), or ask",
  ),
  "autonomy.outside": setting(
    z.enum(OUTSIDE_MODES),
    "ask",
    "the most that happens without a person to what somebody outside asked for, such as the author of an issue: ask, or pullRequest",
  ),
  "autonomy.merge_below": setting(risk, 30, "risk below which a delivery may be merged"),
  "autonomy.ask_from": setting(risk, 120, "risk from which on a person is asked before anything is published"),
  "repositories.fetch_timeout_ms": setting(durationMs, 600_000, "the longest that fetching or pushing may take"),
} as const;

/** A repository that the fleet works on. */
import { z } from "zod";
import { err, nearest, ok, type Result, refused } from "#base";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const MAX_PATH_CHARS = 4_096;
const MAX_COMMAND_PARTS = 64;
const MAX_PART_CHARS = 4_096;
/** More would not be looked at in a day. */
export const MAX_REPOSITORIES = 200;

const path = z.string().min(1).max(MAX_PATH_CHARS).regex(/^\//, "give a path from / on");
const command = z.array(z.string().min(1).max(MAX_PART_CHARS)).min(1).max(MAX_COMMAND_PARTS);
// As `git check-ref-format` has it, for the names that people give branches.
const branch = z
  .string()
  .max(200)
  .regex(/^(?!-)(?!.*(?:\.\.|@\{|\/\/|\.lock(?:\/|$)))[^\s~^:?*[\\\p{Cc}]+(?<![./])$/u, "is no name of a branch");

const urlText = z
  .string()
  .max(2_048)
  .refine((text) => /^(?:https?|ssh|git|file):\/\/./.test(text) || /^[\w.-]+@[\w.-]+:./.test(text), {
    message: "give an address that git fetches from: https://, ssh://, git://, file:// or user@host:path",
  })
  .refine((text) => !/^[a-z]+:\/\/[^/@\s]*:[^/@\s]*@/i.test(text) && !/^https?:\/\/[^/?#]*@/i.test(text), {
    message: "holds a password; put it into forge.tokenFile",
  });

export const FORGE_KINDS = ["github", "gitea", "forgejo", "none"] as const;
export type ForgeKind = (typeof FORGE_KINDS)[number];

const forge = z.strictObject({
  kind: z.enum(FORGE_KINDS).default("none"),
  /** Of its REST API; for github https://api.github.com unless given. */
  apiUrl: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .refine((text) => !/[@?#]/.test(text), "is an address alone; put a token into forge.tokenFile")
    .optional(),
  /** `owner/name` on the forge. */
  repository: z
    .string()
    .regex(/^[\w.-]{1,100}\/[\w.-]{1,100}$/, "write owner/name")
    .optional(),
  /** A path, or the name of a file below the folder of secrets of each node. */
  tokenFile: path.or(z.string().regex(NAME)).optional(),
});

/** How far deliveries go by themselves: to the branch, to a pull request, or to nobody. */
export const AUTONOMY_MODES = ["merge", "pullRequest", "ask"] as const;

const OUTSIDE_MODES = ["pullRequest", "ask"] as const;

const autonomy = z.strictObject({
  /** The most that is done without a person, whatever the risk. */
  atMost: z.enum(AUTONOMY_MODES).optional(),
  /** Risk below which a delivery is merged. */
  mergeBelow: z.int().min(0).max(1_000).optional(),
  /** Risk from which on a person is asked before anything is published. */
  askFrom: z.int().min(0).max(1_000).optional(),
  /** The most that is done with what somebody outside asked for. */
  outside: z.enum(OUTSIDE_MODES).optional(),
});

const checks = z.strictObject({
  test: command.optional(),
  build: command.optional(),
  lint: command.optional(),
  /** Whether they run on the branch again after a merge; what is red then is reverted. */
  afterMerge: z.boolean().default(true),
});

/** The fields of a registration, as people and programs give them. */
export const repositorySchema = z
  .strictObject({
    name: z.string().regex(NAME, "use letters, digits, dot, dash, underscore; at most 63"),
    path: path.optional(),
    url: urlText.optional(),
    /** Of a local path: the remote that is fetched from and pushed to; empty: none. */
    remote: z
      .string()
      .max(100)
      .regex(/^(?!-)[\w.-]*$/, "is no name of a remote")
      .optional(),
    branch: branch.default("main"),
    /** The greatest first. */
    priority: z.int().min(-1_000).max(1_000).default(0),
    paused: z.boolean().default(false),
    /** Whether tasks' commits may lie at its remote before they are delivered, so that other nodes go on with them. */
    share: z.boolean().default(true),
    forge: forge.default({ kind: "none" }),
    autonomy: autonomy.default({}),
    checks: checks.default({ afterMerge: true }),
  })
  .refine(({ path: local, url }) => (local === undefined) !== (url === undefined), {
    message: "give either path or url",
    path: ["url"],
  })
  .refine(({ forge: { kind, repository } }) => kind === "none" || repository !== undefined, {
    message: "a forge needs the repository there, as owner/name",
    path: ["forge", "repository"],
  })
  .refine(({ forge: { kind, apiUrl } }) => kind === "none" || kind === "github" || apiUrl !== undefined, {
    message: "a forge of your own needs its apiUrl, such as https://git.example.org/api/v1",
    path: ["forge", "apiUrl"],
  });

export type RepositoryInput = z.input<typeof repositorySchema>;
export type Repository = z.output<typeof repositorySchema>;
export type CheckName = "build" | "lint" | "test";
export const CHECK_NAMES: readonly CheckName[] = ["build", "lint", "test"];

/** Where a registration stands. */
export type RepositoryOrigin = "configuration" | "added";
export type Registered = Repository & { readonly origin: RepositoryOrigin };

/** What was changed at run time about a repository: its whole registration, or only whether it is paused. */
export type RepositoryEntry = {
  readonly name: string;
  /** Undefined for one that stands in the configuration. */
  readonly added: Repository | undefined;
  /** Undefined: as its registration says. */
  readonly paused: boolean | undefined;
};

/**
 * Joins the configuration with what was changed since. One in the configuration wins over an added one of its name.
 * @returns by priority, then by name
 */
export function registered(
  configured: readonly Repository[],
  entries: readonly RepositoryEntry[],
): readonly Registered[] {
  const byName = new Map<string, Registered>();
  for (const { added } of entries) if (added !== undefined) byName.set(added.name, { ...added, origin: "added" });
  for (const one of configured) byName.set(one.name, { ...one, origin: "configuration" });
  for (const { name, paused } of entries) {
    const known = byName.get(name);
    if (known !== undefined && paused !== undefined) byName.set(name, { ...known, paused });
  }
  return [...byName.values()].toSorted(
    (left, right) => right.priority - left.priority || (left.name < right.name ? -1 : 1),
  );
}

/** @returns the repository of this name; a refusal that names the nearest. */
export function findRepository(all: readonly Registered[], name: string): Result<Registered> {
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return ok(found);
  const near = nearest(
    name,
    all.map((one) => one.name),
  );
  const hint = near === undefined ? "See: drover repo list" : `Did you mean ${near}? See: drover repo list`;
  return err(refused("not_found", `no repository is registered as ${name.slice(0, 64)}`, hint));
}

/** Forges that speak for each other: Forgejo began as Gitea. A repository of no forge may be of any. */
const SAME_FORGES: Readonly<Record<ForgeKind, readonly string[]>> = {
  github: ["github", "generic"],
  gitea: ["gitea", "forgejo", "generic"],
  forgejo: ["gitea", "forgejo", "generic"],
  none: ["github", "gitea", "forgejo", "gitlab", "generic"],
};

/**
 * @param kind who calls it so: a forge, `gitlab`, or `generic`
 * @param fullName `owner/name` there, in any case
 * @returns the one repository with this `forge.repository`; a refusal when there is none, or more than one
 */
export function findForgeRepository(all: readonly Registered[], kind: string, fullName: string): Result<Registered> {
  const wanted = fullName.toLowerCase();
  const [found, another] = all.filter(
    ({ forge: one }) => one.repository?.toLowerCase() === wanted && SAME_FORGES[one.kind].includes(kind),
  );
  const shown = fullName.slice(0, 200);
  if (found === undefined) {
    const remedy = `Set forge.repository = "${shown}" of the repository that it is: drover repo list`;
    return err(refused("not_found", `no repository is registered with the forge name ${shown}`, remedy));
  }
  if (another === undefined) return ok(found);
  const message = `${found.name} and ${another.name} both have the forge name ${shown}`;
  return err(refused("conflict", message, "Take it from one of them, or register that one for another kind of forge"));
}

const WORK = "drover/";

/** The branch that the tasks of a goal work on. */
export function workBranch(id: string): string {
  return `${WORK}${id}`;
}

/** @returns the goal or task whose branch this is; undefined for a branch that is not drover's. */
export function workOf(branch: string): string | undefined {
  return branch.startsWith(WORK) ? branch.slice(WORK.length) : undefined;
}

/** The forge of a repository, from its registration. Sources: docs.github.com/rest, and the swagger of Gitea 1.22. */
import { z } from "zod";
import { type Clock, ok, type Result } from "#base";
import { type ForgeTokens, GITHUB_API } from "../../io/forge-tokens.ts";
import type { Repository } from "../../registry/repository.ts";
import { type CommitStatus, type Forge, joinStatus } from "../forge.ts";
import { Rest } from "./rest.ts";
import { type ForgeDialect, RestForge } from "./rest-forge.ts";

/** @returns undefined for a repository that is on no forge. */
export function openForge(registered: Repository, tokens: ForgeTokens, clock: Clock): Result<Forge | undefined> {
  const { kind, repository, apiUrl } = registered.forge;
  if (kind === "none" || repository === undefined) return ok(undefined);
  const token = tokens.ofForge(registered);
  if (!token.ok) return token;
  const isGitHub = kind === "github";
  const rest = new Rest({
    apiUrl: apiUrl ?? GITHUB_API,
    token: token.value,
    clock,
    headers: isGitHub ? githubHeaders(token.value) : giteaHeaders(token.value),
  });
  return ok(new RestForge(isGitHub ? GITHUB : { ...GITEA, kind }, rest, repository));
}

function githubHeaders(token: string | undefined): Readonly<Record<string, string>> {
  const shared = { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28" };
  return token === undefined ? shared : { ...shared, authorization: `Bearer ${token}` };
}

function giteaHeaders(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `token ${token}` };
}

const checkRuns = z.object({
  check_runs: z.array(z.object({ status: z.string(), conclusion: z.string().nullish() })),
});
const combined = z.object({
  state: z.string(),
  total_count: z.int().nullish(),
  statuses: z.array(z.unknown()).nullish(),
});
const PASSED: ReadonlySet<string> = new Set(["success", "neutral", "skipped"]);

const GITHUB: ForgeDialect = {
  kind: "github",
  openPulls: (owner, { head, base }) =>
    `state=open&head=${encodeURIComponent(`${owner}:${head}`)}&base=${encodeURIComponent(base)}`,
  statusPaths: (commit) => [`/commits/${commit}/check-runs?per_page=100`, `/commits/${commit}/status`],
  readStatus: (body) => {
    const runs = checkRuns.safeParse(body);
    if (!runs.success) return readCombined(body);
    return joinStatus(
      runs.data.check_runs.map(({ status, conclusion }) => {
        if (status !== "completed") return "pending";
        return PASSED.has(conclusion ?? "") ? "passing" : "failing";
      }),
    );
  },
  merge: (number, sha, title) => ({
    method: "PUT",
    path: `/pulls/${number}/merge`,
    body: { sha, merge_method: "merge", commit_title: title },
  }),
  issuesQuery: "state=open",
  pageSize: "per_page",
};

const GITEA: ForgeDialect = {
  kind: "gitea",
  openPulls: () => "state=open&sort=recentupdate",
  statusPaths: (commit) => [`/commits/${commit}/status`],
  readStatus: readCombined,
  merge: (number, commit, title) => ({
    method: "POST",
    path: `/pulls/${number}/merge`,
    // biome-ignore lint/style/useNamingConvention: so it is called there
    body: { Do: "merge", MergeTitleField: title, head_commit_id: commit },
  }),
  issuesQuery: "state=open&type=issues",
  pageSize: "limit",
};

function readCombined(body: unknown): CommitStatus {
  const read = combined.safeParse(body);
  if (!read.success) return "none";
  const { state, total_count: total, statuses } = read.data;
  // Without any status GitHub says "pending", Gitea nothing.
  if ((total ?? statuses?.length ?? 0) === 0) return "none";
  if (state === "success" || state === "warning") return "passing";
  return state === "pending" ? "pending" : "failing";
}

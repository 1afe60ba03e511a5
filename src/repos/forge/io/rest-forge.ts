/** What the REST of GitHub and of Gitea (and Forgejo, which kept it) have in common, and where they differ. */
import { z } from "zod";
import { err, ok, type Result, refused, retryable } from "#base";
import {
  type CommitStatus,
  type Forge,
  type Issue,
  joinStatus,
  markOf,
  type PullRequest,
  type PullRequestWish,
} from "../forge.ts";
import type { Answer, Rest } from "./rest.ts";

const pullSchema = z.object({
  number: z.int(),
  html_url: z.string(),
  state: z.string(),
  merged: z.boolean().nullish(),
  merged_at: z.string().nullish(),
  merge_commit_sha: z.string().nullish(),
  head: z.object({ ref: z.string(), sha: z.string() }),
  base: z.object({ ref: z.string() }),
  title: z.string().default(""),
  body: z.string().nullish(),
});
const commentsSchema = z.array(z.object({ body: z.string().nullish() }));
const issuesSchema = z.array(
  z.object({
    number: z.int(),
    title: z.string(),
    body: z.string().nullish(),
    html_url: z.string(),
    labels: z.array(z.object({ name: z.string() })).nullish(),
    user: z.object({ login: z.string() }).nullish(),
    pull_request: z.unknown().optional(),
  }),
);

/** Pages of a listing that are read: what lies behind them is older than anything that drover made. */
const MAX_PAGES = 10;
const PER_PAGE = 50;

/** How one forge says what the others say differently. */
export type ForgeDialect = {
  readonly kind: Forge["kind"];
  /** Query of a list of open pull requests from a branch. */
  openPulls(owner: string, wish: PullRequestWish): string;
  statusPaths(commit: string): readonly string[];
  readStatus(body: unknown): CommitStatus;
  merge(
    number: number,
    commit: string,
    title: string,
  ): { readonly method: string; readonly path: string; readonly body: object };
  readonly issuesQuery: string;
  readonly pageSize: string;
};

export class RestForge implements Forge {
  readonly kind: Forge["kind"];
  readonly #dialect: ForgeDialect;
  readonly #rest: Rest;
  readonly #owner: string;
  readonly #base: string;

  constructor(dialect: ForgeDialect, rest: Rest, repository: string) {
    this.kind = dialect.kind;
    this.#dialect = dialect;
    this.#rest = rest;
    const [owner = "", name = ""] = repository.split("/");
    this.#owner = owner;
    this.#base = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`;
  }

  ensurePullRequest(wish: PullRequestWish): Promise<Result<PullRequest>> {
    // Found anew before each try: a server may have made it and failed to say so.
    return this.#rest.repeat(async () => {
      const found = await this.#find(wish);
      if (!found.ok) return found;
      if (found.value !== undefined) return this.#upToDate(found.value, wish);
      const made = await this.#rest.once("POST", `${this.#base}/pulls`, wish);
      if (!made.ok) return made;
      if (made.value.status === 409 || made.value.status === 422) {
        const again = await this.#find(wish);
        if (again.ok && again.value !== undefined) return ok(pullOf(again.value));
      }
      return this.#one(made, "open a pull request");
    });
  }

  async #find(wish: PullRequestWish): Promise<Result<z.output<typeof pullSchema> | undefined>> {
    for (let page = 1; page <= MAX_PAGES; page += 1) {
      const query = this.#dialect.openPulls(this.#owner, wish);
      const listed = await this.#rest.ask("GET", `${this.#base}/pulls?${query}&${this.#page(page)}`);
      if (!listed.ok) return listed;
      const pulls = read(z.array(pullSchema), listed.value, "list pull requests");
      if (!pulls.ok) return pulls;
      const found = pulls.value.find(
        ({ head, base, state }) => state === "open" && head.ref === wish.head && base.ref === wish.base,
      );
      if (found !== undefined) return ok(found);
      if (pulls.value.length < PER_PAGE) return ok(undefined);
    }
    return ok(undefined);
  }

  async #upToDate(found: z.output<typeof pullSchema>, wish: PullRequestWish): Promise<Result<PullRequest>> {
    if (found.title === wish.title && (found.body ?? "").trim() === wish.body.trim()) return ok(pullOf(found));
    const { title, body } = wish;
    const changed = await this.#rest.ask("PATCH", `${this.#base}/pulls/${found.number}`, { title, body });
    return this.#one(changed, "change a pull request");
  }

  async pullRequest(number: number): Promise<Result<PullRequest>> {
    return this.#one(await this.#rest.ask("GET", `${this.#base}/pulls/${number}`), "read a pull request");
  }

  comment(number: number, key: string, text: string): Promise<Result<void>> {
    const path = `${this.#base}/issues/${number}/comments`;
    const mark = markOf(key);
    return this.#rest.repeat(async () => {
      for (let page = 1; page <= MAX_PAGES; page += 1) {
        const listed = await this.#rest.ask("GET", `${path}?${this.#page(page)}`);
        const comments = listed.ok ? read(commentsSchema, listed.value, "read comments") : listed;
        if (!comments.ok) return comments;
        if (comments.value.some(({ body }) => (body ?? "").includes(mark))) return ok(undefined);
        if (comments.value.length < PER_PAGE) break;
      }
      const said = await this.#rest.once("POST", path, { body: `${text}\n\n${mark}` });
      if (!said.ok) return said;
      return said.value.status < 300 ? ok(undefined) : err(unexpected(said.value, "comment"));
    });
  }

  async status(commit: string): Promise<Result<CommitStatus>> {
    const all: CommitStatus[] = [];
    for (const path of this.#dialect.statusPaths(commit)) {
      const answer = await this.#rest.ask("GET", `${this.#base}${path}`);
      if (!answer.ok) return answer;
      if (answer.value.status === 200) all.push(this.#dialect.readStatus(answer.value.body));
    }
    return ok(joinStatus(all));
  }

  merge(number: number, commit: string, title: string): Promise<Result<string>> {
    return this.#rest.repeat(async () => {
      const before = await this.pullRequest(number);
      if (!before.ok) return before;
      if (before.value.mergedBy !== null) return ok(before.value.mergedBy);
      if (before.value.commit !== commit) {
        return err(
          refused("conflict", `pull request ${number} has other commits now`, "Look at them, then deliver again"),
        );
      }
      const { method, path, body } = this.#dialect.merge(number, commit, title);
      const merged = await this.#rest.once(method, `${this.#base}${path}`, body);
      if (!merged.ok) return merged;
      const after = await this.pullRequest(number);
      if (!after.ok) return after;
      if (after.value.mergedBy !== null) return ok(after.value.mergedBy);
      // 405 while the forge still works out whether it can be merged, and when it cannot.
      if (merged.value.status === 405) return err(retryable("unavailable", `the forge does not merge ${number} yet`));
      return err(unexpected(merged.value, `merge pull request ${number}`));
    });
  }

  async issues(limit: number): Promise<Result<readonly Issue[]>> {
    const found: Issue[] = [];
    for (let page = 1; page <= MAX_PAGES && found.length < limit; page += 1) {
      const listed = await this.#rest.ask(
        "GET",
        `${this.#base}/issues?${this.#dialect.issuesQuery}&${this.#page(page)}`,
      );
      const issues = listed.ok ? read(issuesSchema, listed.value, "list issues") : listed;
      if (!issues.ok) return issues;
      for (const { number, title, body, html_url: url, labels, user, pull_request: pull } of issues.value) {
        if (pull !== undefined && pull !== null) continue;
        const names = (labels ?? []).map(({ name }) => name);
        found.push({ number, title, body: body ?? "", url, labels: names, author: user?.login ?? "" });
      }
      if (issues.value.length < PER_PAGE) break;
    }
    return ok(found.slice(0, limit));
  }

  #page(page: number): string {
    return `${this.#dialect.pageSize}=${PER_PAGE}&page=${page}`;
  }

  #one(answer: Result<Answer>, what: string): Result<PullRequest> {
    const pull = answer.ok ? read(pullSchema, answer.value, what) : answer;
    return pull.ok ? ok(pullOf(pull.value)) : pull;
  }
}

function pullOf(pull: z.output<typeof pullSchema>): PullRequest {
  const isMerged = pull.merged === true || (pull.merged_at ?? null) !== null;
  return {
    number: pull.number,
    url: pull.html_url,
    head: pull.head.ref,
    base: pull.base.ref,
    commit: pull.head.sha,
    isOpen: pull.state === "open",
    mergedBy: isMerged ? (pull.merge_commit_sha ?? null) : null,
  };
}

function read<S extends z.ZodType>(schema: S, answer: Answer, what: string): Result<z.output<S>> {
  if (answer.status >= 300) return err(unexpected(answer, what));
  const parsed = schema.safeParse(answer.body);
  if (parsed.success) return ok(parsed.data);
  const remedy = "Check forge.kind and forge.apiUrl";
  return err(refused("unsupported", `${what}: the answer has not the shape of this kind of forge`, remedy));
}

function unexpected({ status, body }: Answer, what: string) {
  const said = z.object({ message: z.string() }).safeParse(body);
  const reason = said.success ? `: ${said.data.message.slice(0, 200)}` : "";
  const code = status === 404 ? "not_found" : status === 409 || status === 405 ? "conflict" : "invalid";
  return refused(code, `${what}: the forge answered ${status}${reason}`);
}

/** A local server with the pull requests of one repository, in the REST shapes of GitHub or of Gitea. */
import { git } from "./git-repositories.ts";

type Pull = {
  number: number;
  title: string;
  body: string;
  head: string;
  base: string;
  isOpen: boolean;
  mergedBy: string | null;
};

export type ForgeServer = {
  readonly url: string;
  readonly pulls: Pull[];
  readonly comments: string[];
  /** Each request as `METHOD path`, in order. */
  readonly asked: string[];
  /** What the next requests are answered with before anything is done. */
  readonly faults: Response[];
  /** `made but not said`: the next POST is carried out and answered with 502. */
  readonly lost: { next: boolean };
  status: "success" | "pending" | "failure" | null;
  readonly stop: () => Promise<void>;
};

/** @param bare the repository behind it: a merge makes a real commit there */
export function forgeServer(kind: "github" | "gitea", bare: string, token: string): ForgeServer {
  const pulls: Pull[] = [];
  const comments: string[] = [];
  const asked: string[] = [];
  const faults: Response[] = [];
  const lost = { next: false };
  const state = { status: null as ForgeServer["status"] };
  const sha = (ref: string): string => git(bare, "rev-parse", ref);
  const shown = (pull: Pull): object => ({
    number: pull.number,
    html_url: `http://forge.example/ada/site/pulls/${pull.number}`,
    state: pull.isOpen ? "open" : "closed",
    title: pull.title,
    body: pull.body,
    ...(kind === "github"
      ? { merged_at: pull.mergedBy === null ? null : "2026-01-01T00:00:00Z" }
      : { merged: pull.mergedBy !== null }),
    merge_commit_sha: pull.mergedBy,
    head: { ref: pull.head, sha: sha(pull.head) },
    base: { ref: pull.base },
  });
  const merge = (pull: Pull, commit: string): Response => {
    if (commit !== sha(pull.head)) return Response.json({ message: "head changed" }, { status: 409 });
    const tree = git(bare, "merge-tree", "--write-tree", pull.base, pull.head).split("\n")[0] ?? "";
    const parents = ["-p", sha(pull.base), "-p", sha(pull.head)];
    pull.mergedBy = git(bare, "commit-tree", tree, ...parents, "-m", `Merge #${pull.number}`);
    git(bare, "update-ref", `refs/heads/${pull.base}`, pull.mergedBy);
    pull.isOpen = false;
    return kind === "github"
      ? Response.json({ merged: true, sha: pull.mergedBy })
      : new Response(null, { status: 200 });
  };
  const statusOf = (path: string): Response => {
    if (path.includes("/check-runs")) return Response.json({ total_count: 0, check_runs: [] });
    const statuses = state.status === null ? [] : [{ state: state.status }];
    return Response.json({ state: state.status ?? "pending", total_count: statuses.length, statuses });
  };
  const answer = async (method: string, url: URL, text: string): Promise<Response> => {
    const path = url.pathname.replace("/api/v1", "").replace("/repos/ada/site", "");
    // `as`: the client's own JSON
    const given = (text === "" ? {} : JSON.parse(text)) as Record<string, string>;
    const number = Number(/^\/(?:pulls|issues)\/(\d+)/.exec(path)?.[1]);
    const pull = pulls.find((one) => one.number === number);
    if (path.startsWith("/commits/")) return statusOf(path);
    if (path === "/pulls" && method === "GET") {
      const wanted = url.searchParams.get("head");
      return Response.json(
        pulls.filter(({ head, isOpen }) => isOpen && (wanted === null || wanted === `ada:${head}`)).map(shown),
      );
    }
    if (path === "/pulls" && method === "POST") {
      const { head = "", base = "", title = "", body = "" } = given;
      if (pulls.some((one) => one.isOpen && one.head === head))
        return Response.json({ message: "exists" }, { status: 409 });
      sha(head);
      const made = { number: pulls.length + 1, title, body, head, base, isOpen: true, mergedBy: null };
      pulls.push(made);
      return Response.json(shown(made), { status: 201 });
    }
    if (path === "/issues" && method === "GET") {
      const issue = {
        number: 9,
        title: "Broken",
        body: "It is.",
        html_url: "http://forge.example/9",
        labels: [{ name: "bug" }],
        user: { login: "ada" },
      };
      return Response.json([issue, ...(kind === "github" ? [{ ...issue, number: 1, pull_request: {} }] : [])]);
    }
    if (pull === undefined) return Response.json({ message: "Not Found" }, { status: 404 });
    if (path.endsWith("/comments")) {
      if (method === "POST") comments.push(given["body"] ?? "");
      return Response.json(
        comments.map((body) => ({ body })),
        { status: method === "POST" ? 201 : 200 },
      );
    }
    if (path.endsWith("/merge")) {
      return merge(pull, (method === "PUT" ? given["sha"] : given["head_commit_id"]) ?? "");
    }
    if (method === "PATCH") Object.assign(pull, given);
    return Response.json(shown(pull));
  };
  const expected = kind === "github" ? `Bearer ${token}` : `token ${token}`;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const url = new URL(request.url);
      asked.push(`${request.method} ${url.pathname}`);
      const fault = faults.shift();
      if (fault !== undefined) return fault;
      if (request.headers.get("authorization") !== expected) {
        return Response.json({ message: `bad credentials ${request.headers.get("authorization")}` }, { status: 401 });
      }
      const said = await answer(request.method, url, await request.text());
      if (request.method !== "POST" || !lost.next) return said;
      lost.next = false;
      return new Response("bad gateway", { status: 502 });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}${kind === "github" ? "" : "/api/v1"}`,
    pulls,
    comments,
    asked,
    faults,
    lost,
    get status() {
      return state.status;
    },
    set status(next) {
      state.status = next;
    },
    stop: () => server.stop(true),
  };
}

/** What a forge says happened, in one vocabulary: that of GitHub, which Gitea and Forgejo share for the most part. */
import { err, ok, type Result, refused } from "#base";
import type { SourceKind } from "./source.ts";

export type IncomingIssue = {
  readonly number: number;
  readonly title: string;
  readonly text: string;
  readonly author: string;
  readonly url: string;
  readonly labels: readonly string[];
  /** Labels that this very event put on it. Empty for a forge that does not say which. */
  readonly added: readonly string[];
  /** Whether the forge says that the author belongs to the repository. */
  readonly isAuthorTrusted: boolean;
};

export type IncomingEvent = {
  readonly name: string;
  readonly action: string | null;
  readonly repository: string | null;
  /** Whose doing it is. */
  readonly sender: string | null;
  /** Only of `issues`. */
  readonly issue: IncomingIssue | null;
};

const MAX_NAME_CHARS = 200;
/** Labels of an issue that are looked at; forges allow a hundred. */
const MAX_LABELS = 100;

type Fields = Readonly<Record<string, unknown>>;

/** @param claimed what the headers call it; a generic sender may say it in the body */
export function readEvent(kind: SourceKind, claimed: string | undefined, text: string): Result<IncomingEvent> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return err(refused("invalid", "the body is not JSON", "Let the sender use the content type application/json"));
  }
  const payload = fields(parsed);
  const name = claimed ?? (kind === "generic" ? word(payload["event"]) : null);
  if (name === null) return err(refused("invalid", "nothing says which event it is", "Send the header of the event"));
  return ok(kind === "gitlab" ? gitlabEvent(name, payload) : forgeEvent(name, payload));
}

function forgeEvent(claimed: string, payload: Fields): IncomingEvent {
  // Runs of Forgejo's actions come under three names.
  const name = claimed.startsWith("action_run_") ? "workflow_run" : claimed;
  const repository = fields(payload["repository"]);
  const sender = fields(payload["sender"]);
  const isIssue = name === "issues" && payload["issue"] !== undefined;
  return {
    name,
    action: word(payload["action"]) ?? (name === claimed ? null : claimed.slice("action_run_".length)),
    repository: word(repository["full_name"]) ?? word(payload["repository"]),
    sender: word(sender["login"]) ?? word(sender["username"]) ?? word(payload["sender"]),
    issue: isIssue ? forgeIssue(payload) : null,
  };
}

/** People of whom GitHub says that they belong to the repository. */
const INSIDERS = new Set(["OWNER", "MEMBER", "COLLABORATOR"]);

function forgeIssue(payload: Fields): IncomingIssue {
  const issue = fields(payload["issue"]);
  const author = fields(issue["user"]);
  const added = word(fields(payload["label"])["name"]);
  return {
    number: whole(issue["number"]),
    title: word(issue["title"]) ?? "",
    text: typeof issue["body"] === "string" ? issue["body"] : "",
    author: word(author["login"]) ?? word(author["username"]) ?? "somebody",
    url: word(issue["html_url"]) ?? word(issue["url"]) ?? "",
    labels: names(issue["labels"], "name"),
    added: added === null ? [] : [added],
    isAuthorTrusted: INSIDERS.has(word(issue["author_association"]) ?? ""),
  };
}

const GITLAB_EVENTS: Readonly<Record<string, string>> = {
  "Push Hook": "push",
  "Merge Request Hook": "pull_request",
  "Issue Hook": "issues",
  "Pipeline Hook": "workflow_run",
};
const GITLAB_ACTIONS: Readonly<Record<string, string>> = { open: "opened", close: "closed", reopen: "reopened" };

function gitlabEvent(claimed: string, payload: Fields): IncomingEvent {
  const name = GITLAB_EVENTS[claimed] ?? claimed;
  const attributes = fields(payload["object_attributes"]);
  const given = word(attributes["action"]) ?? word(attributes["status"]);
  const labels = fields(fields(payload["changes"])["labels"]);
  const before = new Set(names(labels["previous"], "title"));
  const added = names(labels["current"], "title").filter((label) => !before.has(label));
  const user = fields(payload["user"]);
  const sender = word(user["username"]) ?? word(payload["user_username"]);
  return {
    name,
    action: given === "update" && added.length > 0 ? "labeled" : (GITLAB_ACTIONS[given ?? ""] ?? given),
    repository: word(fields(payload["project"])["path_with_namespace"]),
    sender,
    issue:
      name === "issues"
        ? {
            number: whole(attributes["iid"]),
            title: word(attributes["title"]) ?? "",
            text: typeof attributes["description"] === "string" ? attributes["description"] : "",
            author: sender ?? "somebody",
            url: word(attributes["url"]) ?? "",
            labels: names(payload["labels"], "title"),
            added,
            isAuthorTrusted: false,
          }
        : null,
  };
}

function fields(value: unknown): Fields {
  // `as`: an object has fields, of whatever kind.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function word(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value.slice(0, MAX_NAME_CHARS) : null;
}

function whole(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function names(value: unknown, field: string): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, MAX_LABELS)
    .map((item) => word(typeof item === "string" ? item : fields(item)[field]))
    .filter((name) => name !== null);
}

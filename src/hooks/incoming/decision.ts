/** What follows from an event. Pure. */
import type { DeliveryOutcome } from "./delivery.ts";
import type { IncomingEvent, IncomingIssue } from "./events.ts";
import type { WebhookSource } from "./source.ts";

export type Decision = { readonly outcome: DeliveryOutcome; readonly reason: string };

/** Events after which there may be something to do. */
const WAKING = new Set(["push", "pull_request", "workflow_run"]);

/** @returns what follows, and a sentence that says why. */
export function decide(source: WebhookSource, event: IncomingEvent): Decision {
  const { name, repository } = event;
  const from = repository === null ? "" : ` in ${repository}`;
  if (!isTaken(source, repository)) {
    const whose = repository === null ? "it names no repository" : `${repository} is none of the repositories`;
    return { outcome: "ignored", reason: `${whose} of source ${source.name}` };
  }
  if (event.issue !== null) return decideIssue(source, event, event.issue);
  if (WAKING.has(name)) return { outcome: "wake", reason: `${name}${from}` };
  return { outcome: "ignored", reason: `nothing follows from an event ${name}` };
}

function isTaken({ repositories }: WebhookSource, repository: string | null): boolean {
  if (repositories.length === 0) return true;
  return repository !== null && repositories.some((one) => one.toLowerCase() === repository.toLowerCase());
}

/** What forges call it when labels were put on an issue. */
const LABELLING = new Set(["labeled", "label_updated"]);

/**
 * Anybody may open an issue, and a form of the repository may even label it for them. So an issue that is opened counts
 * only when its author belongs to the repository, or is named; labelling one takes rights that strangers lack.
 */
function decideIssue(source: WebhookSource, event: IncomingEvent, issue: IncomingIssue): Decision {
  const { goalLabel: label, senders } = source;
  const what = `issue #${issue.number}${event.repository === null ? "" : ` of ${event.repository}`}`;
  const ignored = (why: string): Decision => ({ outcome: "ignored", reason: `${what} ${why}` });
  if (label === null) return { outcome: "wake", reason: `${what} ${event.action ?? "changed"}` };
  const isLabelling = LABELLING.has(event.action ?? "");
  if (!isLabelling && event.action !== "opened") return ignored(`was ${event.action ?? "changed"}, not labelled`);
  const isLabelled = issue.labels.includes(label);
  if (!isLabelled) return ignored(`has no label ${label}`);
  if (isLabelling && issue.added.length > 0 && !issue.added.includes(label)) return ignored("got another label");
  const sender = event.sender ?? "";
  if (senders.length > 0) {
    if (senders.includes(sender)) return { outcome: "goal", reason: `${what} has the label ${label}` };
    return ignored(`was ${isLabelling ? "labelled" : "opened"} by ${sender}, who is not among the senders`);
  }
  if (!isLabelling && !issue.isAuthorTrusted) {
    return ignored(`was opened by ${sender}, of whom the forge does not say that they belong to the repository`);
  }
  return { outcome: "goal", reason: `${what} has the label ${label}` };
}

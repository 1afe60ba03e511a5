/** What could be better in the repositories. */
import { ok, refused } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import { EXIT } from "../exit-codes.ts";
import { ageText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { forEach } from "./each.ts";

type Improvements = SuccessOf<Awaited<ReturnType<Client["api"]["improvements"]["$get"]>>>;
type Finding = Improvements["findings"][number];

type ListOptions = {
  readonly repository: string | undefined;
  readonly limit: number | undefined;
};

export const improvementList: Handler<ListOptions> = async ({ options, args }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const query = {
    ...(options.repository === undefined ? {} : { repository: options.repository }),
    ...(args.length === 0 ? {} : { state: args.join(",") }),
    ...(options.limit === undefined ? {} : { limit: String(options.limit) }),
  };
  const found = await api.value.ask("list findings", (client) => client.api.improvements.$get({ query }));
  if (!found.ok) return console.fail(found.error);
  const { findings, lookedAtMs, isLooking, scans } = found.value;
  if (console.json) {
    console.document(found.value);
    return EXIT.ok;
  }
  if (findings.length > 0) console.table(findings, COLUMNS);
  for (const { repository, leftOut } of scans) {
    for (const what of leftOut) console.note(oneLine(`${repository}: not looked at: ${what}`));
  }
  const age = lookedAtMs === null ? "never" : `${ageText(lookedAtMs, environment.clock.nowMs())} ago`;
  console.note(`${findings.length} findings; looked ${isLooking ? "just now, and not done yet" : age}.`);
  return EXIT.ok;
};

const COLUMNS: readonly Column<Finding>[] = [
  { title: "FINGERPRINT", value: ({ fingerprint }) => fingerprint },
  { title: "SCORE", value: ({ score }) => score.toFixed(1), align: "right" },
  {
    title: "SEVERITY",
    value: ({ severity }) => severity,
    tone: ({ severity }) => (severity === "critical" || severity === "high" ? "bad" : undefined),
  },
  { title: "REPOSITORY", value: ({ repository }) => repository },
  { title: "WHERE", value: ({ path, line }) => oneLine(line === null ? path || "-" : `${path}:${line}`) },
  { title: "WHAT", value: ({ kind, title }) => oneLine(`${kind}: ${title}`), shrinks: true },
  { title: "GOAL", value: ({ tries }) => tries.at(-1)?.goal ?? "-", optional: true },
];

export const improvementShow: Handler<object> = async ({ args }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const param = { fingerprint: encodeURIComponent(args[0] ?? "") };
  const found = await api.value.ask("show the finding", (client) =>
    client.api.improvements[":fingerprint"].$get({ param }),
  );
  if (!found.ok) return console.fail(found.error);
  if (console.json) {
    console.document(found.value);
    return EXIT.ok;
  }
  const {
    repository,
    kind,
    rule,
    path,
    line,
    severity,
    effort,
    title,
    evidence,
    state,
    score,
    why,
    left,
    tries,
    source,
  } = found.value;
  console.line(oneLine(`${kind} (${rule}), ${severity}, ${effort} effort: ${title}`));
  console.line(oneLine(`where: ${repository} ${path}${line === null ? "" : `:${line}`}`));
  for (const text of evidence.split("\n")) console.line(`  ${oneLine(text)}`);
  console.line(oneLine(`state: ${state}, said by ${source}; score ${score} = ${why}`));
  if (left !== null) console.line(oneLine(`not worked on now: ${left}`));
  for (const { n, state: became, goal, why: because } of tries) {
    console.line(
      oneLine(`try ${n}: ${became}${goal === null ? "" : `, goal ${goal}`}${because === "" ? "" : `: ${because}`}`),
    );
  }
  return EXIT.ok;
};

export const improvementLook: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const begun = await api.value.ask("look at the repositories", (client) => client.api.improvements.scan.$post());
  if (!begun.ok) return console.fail(begun.error);
  if (console.json) console.document(begun.value);
  else console.line(begun.value.existed ? "A look is under way already" : "Looking; see drover improvement list");
  return EXIT.ok;
};

export const improvementDismiss: Handler<{ readonly reason: string | undefined }> = async (
  { args, options },
  context,
) => {
  const { reason } = options;
  if (reason === undefined) return context.console.fail(noReason("Say why it is to stay"));
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    async (fingerprint) => {
      const param = { fingerprint: encodeURIComponent(fingerprint) };
      const changed = await api.value.ask(`dismiss ${fingerprint}`, (client) =>
        client.api.improvements[":fingerprint"].dismiss.$post({ param, json: { reason } }),
      );
      return changed.ok ? ok(changed.value) : changed;
    },
    ({ fingerprint, title }) => oneLine(`Dismissed ${fingerprint}: ${title}`),
  );
};

export const improvementReopen: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    async (fingerprint) => {
      const param = { fingerprint: encodeURIComponent(fingerprint) };
      const changed = await api.value.ask(`reopen ${fingerprint}`, (client) =>
        client.api.improvements[":fingerprint"].reopen.$post({ param }),
      );
      return changed.ok ? ok(changed.value) : changed;
    },
    ({ fingerprint, title }) => oneLine(`Counts again: ${fingerprint}: ${title}`),
  );
};

function noReason(remedy: string) {
  return { failure: refused("invalid", "--reason is needed", remedy), exit: EXIT.usage };
}

/** The repositories that the fleet works on. */
import { resolve } from "node:path";
import { ok } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { durationText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { forEach } from "./each.ts";

type Listed = SuccessOf<Awaited<ReturnType<Client["api"]["repos"]["$get"]>>>;
type Repository = Listed["repositories"][number];
type Assessment = SuccessOf<Awaited<ReturnType<Client["api"]["repos"][":name"]["risk"]["$get"]>>>;
type Delivered = SuccessOf<Awaited<ReturnType<Client["api"]["repos"][":name"]["deliveries"]["$get"]>>>;
type Delivery = Delivered["deliveries"][number];

/** A delivery runs the checks of its repository. */
const DELIVERY_DEADLINE_MS = 45 * 60_000;

const COLUMNS: readonly Column<Repository>[] = [
  { title: "NAME", value: ({ name }) => name },
  { title: "PRIORITY", value: ({ priority }) => String(priority), align: "right" },
  {
    title: "STATE",
    value: ({ paused, conditions }) => (paused ? "paused" : conditions.length > 0 ? "broken" : "active"),
    tone: ({ paused, conditions }) => (paused ? "warn" : conditions.length > 0 ? "bad" : "good"),
  },
  { title: "BRANCH", value: ({ branch }) => branch },
  { title: "FORGE", value: ({ forge }) => forge.kind, optional: true },
  { title: "WHERE", value: ({ path, url }) => oneLine(path ?? url ?? ""), shrinks: true },
];

export const repoList: Handler<object> = async (_invocation, { connect, console }) => {
  const api = await connect();
  if (!api.ok) return console.fail(api.error);
  const found = await api.value.ask("list the repositories", (client) => client.api.repos.$get());
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else if (found.value.repositories.length === 0) {
    console.note("No repository is registered.");
    console.hint("Register one: drover repo add NAME --path DIR, or --url ADDRESS");
  } else console.table(found.value.repositories, COLUMNS);
  return EXIT.ok;
};

export const repoShow: Handler<object> = async ({ args }, { connect, console }) => {
  const api = await connect();
  if (!api.ok) return console.fail(api.error);
  const param = { name: encodeURIComponent(args[0] ?? "") };
  const found = await api.value.ask("show the repository", (client) => client.api.repos[":name"].$get({ param }));
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else show(found.value.repository, console);
  return EXIT.ok;
};

function show(repository: Repository, console: CommandContext["console"]): void {
  const { autonomy, forge, checks, conditions } = repository;
  const line = (name: string, value: string): void => console.line(`${`${name}:`.padEnd(12)}${oneLine(value)}`);
  line("name", repository.name);
  line("where", repository.path ?? repository.url ?? "");
  line("branch", repository.branch);
  line("state", `${repository.paused ? "paused" : "active"}, priority ${repository.priority}, ${repository.origin}`);
  line("forge", forge.repository === null ? forge.kind : `${forge.kind} ${forge.repository}`);
  line(
    "autonomy",
    `at most ${autonomy.atMost}; merge below ${autonomy.mergeBelow}, ask from ${autonomy.askFrom}; from outside at most ${autonomy.outside}`,
  );
  for (const name of ["build", "lint", "test"] as const) line(name, checks[name]?.join(" ") ?? "-");
  for (const { kind, subject, failing, detail } of conditions) {
    line(kind, `${subject}: ${failing.join(", ")}`);
    for (const said of detail.split("\n").slice(0, 20)) console.line(`            ${oneLine(said)}`);
  }
}

export const repoCheck: Handler<object> = async ({ args }, { connect, console }) => {
  const api = await connect();
  if (!api.ok) return console.fail(api.error);
  const param = { name: encodeURIComponent(args[0] ?? "") };
  const checked = await api.value.ask(
    "check the repository",
    (client) => client.api.repos[":name"].check.$post({ param }),
    DELIVERY_DEADLINE_MS,
  );
  if (!checked.ok) return console.fail(checked.error);
  const { repository } = checked.value;
  const isRed = repository.conditions.some(({ kind }) => kind === "checks");
  if (console.json) console.document(checked.value);
  else if (isRed) show(repository, console);
  else console.line(`The checks of ${oneLine(repository.name)} pass.`);
  return isRed ? EXIT.failed : EXIT.ok;
};

export type RepoAddOptions = {
  readonly path: string | undefined;
  /** `--url` names the node that is asked, in every command. */
  readonly from: string | undefined;
  readonly remote: string | undefined;
  readonly branch: string | undefined;
  readonly priority: number | undefined;
  readonly forge: "github" | "gitea" | "forgejo" | "none" | undefined;
  readonly forgeUrl: string | undefined;
  readonly forgeRepo: string | undefined;
  readonly tokenFile: string | undefined;
  readonly atMost: "merge" | "pullRequest" | "ask" | undefined;
  readonly test: string | undefined;
  readonly build: string | undefined;
  readonly lint: string | undefined;
};

export const repoAdd: Handler<RepoAddOptions> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const { path, from, remote, branch, priority, forge, forgeUrl, forgeRepo, tokenFile, atMost } = options;
  const words = (text: string | undefined): string[] | undefined => text?.trim().split(/\s+/);
  const json = known({
    name: args[0] ?? "",
    path: path === undefined ? undefined : resolve(context.environment.cwd, path),
    url: from,
    remote,
    branch,
    priority,
    ...(forge === undefined
      ? {}
      : { forge: known({ kind: forge, apiUrl: forgeUrl, repository: forgeRepo, tokenFile }) }),
    ...(atMost === undefined ? {} : { autonomy: { atMost } }),
    checks: known({ test: words(options.test), build: words(options.build), lint: words(options.lint) }),
  });
  const added = await api.value.ask(
    "register the repository",
    (client) => client.api.repos.$post({ json }),
    DELIVERY_DEADLINE_MS,
  );
  if (!added.ok) return console.fail(added.error);
  if (console.json) console.document(added.value);
  else console.line(`Registered ${added.value.repository.name}; its ${added.value.repository.branch} can be read.`);
  return EXIT.ok;
};

/** Without the fields that say nothing. */
function known<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  // `as`: only fields that are undefined are left out, and the schema of the API takes them as absent
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

export const repoPause: Handler<object> = ({ args }, context) => setPaused(args, context, "pause");
export const repoResume: Handler<object> = ({ args }, context) => setPaused(args, context, "resume");

async function setPaused(names: readonly string[], context: CommandContext, what: "pause" | "resume"): Promise<number> {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    names,
    context,
    async (name) => {
      const param = { name: encodeURIComponent(name) };
      const done = await api.value.ask(`${what} ${name}`, (client) => client.api.repos[":name"][what].$post({ param }));
      return done.ok ? ok({ name: done.value.repository.name, paused: done.value.repository.paused }) : done;
    },
    ({ name, paused }) => `${oneLine(name)} is ${paused ? "paused" : "active"}`,
  );
}

export const repoRemove: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    async (name) => {
      const param = { name: encodeURIComponent(name) };
      const done = await api.value.ask(`forget ${name}`, (client) => client.api.repos[":name"].$delete({ param }));
      return done.ok ? ok({ name: done.value.name }) : done;
    },
    ({ name }) => `Forgot ${oneLine(name)}; its branches and what was delivered stay`,
  );
};

type Term = { readonly name: string; readonly points: number; readonly because: string };
type Rule = { readonly name: string; readonly atMost: string; readonly because: string };

export const repoRisk: Handler<object> = async ({ args }, { connect, console }) => {
  const api = await connect();
  if (!api.ok) return console.fail(api.error);
  const param = { name: encodeURIComponent(args[0] ?? "") };
  const query = { branch: args[1] ?? "" };
  const rated = await api.value.ask(
    "rate the branch",
    (client) => client.api.repos[":name"].risk.$get({ param, query }),
    DELIVERY_DEADLINE_MS,
  );
  if (!rated.ok) return console.fail(rated.error);
  if (console.json) console.document(rated.value);
  else explain(rated.value, console);
  return EXIT.ok;
};

function explain({ tier, report }: Assessment, console: CommandContext["console"]): void {
  // `as`: written by the hub; the API says no more of a report than that it is an object
  const { risk, rules } = report as unknown as {
    readonly risk: { points: number; terms: Term[] };
    readonly rules: Rule[];
  };
  console.table(risk.terms, [
    { title: "TERM", value: ({ name }) => name },
    { title: "POINTS", value: ({ points }) => String(points), align: "right" },
    { title: "BECAUSE", value: ({ because }) => oneLine(because), shrinks: true },
  ]);
  console.line(`Risk ${risk.points}; it would be: ${tier}`);
  for (const { name, atMost, because } of rules) if (atMost === tier) console.line(`  ${name}: ${oneLine(because)}`);
}

export const repoDeliveries: Handler<{ readonly limit: number | undefined }> = async (
  { args, options },
  { connect, console, environment },
) => {
  const api = await connect();
  if (!api.ok) return console.fail(api.error);
  const param = { name: encodeURIComponent(args[0] ?? "") };
  const query = options.limit === undefined ? {} : { limit: String(options.limit) };
  const found = await api.value.ask("list deliveries", (client) =>
    client.api.repos[":name"].deliveries.$get({ param, query }),
  );
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else if (found.value.deliveries.length === 0) console.note("Nothing was delivered yet.");
  else console.table(found.value.deliveries, deliveryColumns(environment.clock.nowMs()));
  return EXIT.ok;
};

function deliveryColumns(nowMs: number): readonly Column<Delivery>[] {
  return [
    { title: "GOAL", value: ({ goal }) => goal },
    { title: "AGE", value: ({ atMs }) => durationText(Math.max(0, nowMs - atMs)), align: "right" },
    {
      title: "OUTCOME",
      value: ({ outcome, reverted }) => (reverted === null ? outcome : "reverted"),
      tone: ({ outcome, reverted }) => (reverted !== null || outcome === "blocked" ? "bad" : undefined),
    },
    { title: "WHY", value: ({ detail }) => oneLine(detail), shrinks: true },
    { title: "WHERE", value: ({ link, head }) => oneLine(link ?? head.slice(0, 12)) },
  ];
}

type DeliverOptions = {
  readonly title: string | undefined;
  readonly approve: "pullRequest" | "merge" | undefined;
};

export const repoDeliver: Handler<DeliverOptions> = async ({ args, options }, { connect, console }) => {
  const api = await connect();
  if (!api.ok) return console.fail(api.error);
  const param = { name: encodeURIComponent(args[0] ?? "") };
  const { title, approve: approved } = options;
  const json = known({ goal: args[1] ?? "", title, approved });
  const done = await api.value.ask(
    "deliver the branch",
    (client) => client.api.repos[":name"].deliveries.$post({ param, json }),
    DELIVERY_DEADLINE_MS,
  );
  if (!done.ok) return console.fail(done.error);
  const { outcome, detail, link } = done.value;
  if (console.json) console.document(done.value);
  else {
    console.line(`${outcome}: ${oneLine(detail)}`);
    if (link !== null) console.line(oneLine(link));
  }
  return outcome === "blocked" ? EXIT.failed : EXIT.ok;
};

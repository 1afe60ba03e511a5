/** Restarting the node, and the releases that the watchdog keeps. */
import { resolve } from "node:path";
import { ok, type Result, refused, retryable } from "#base";
import type { Api, Client, SuccessOf } from "../connection/api.ts";
import { pause } from "../connection/pause.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { durationText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

type Releases = SuccessOf<Awaited<ReturnType<Client["api"]["releases"]["$get"]>>>;
type HistoryRow = Releases["history"][number];

/** A selftest, a swap and a probation of a minute; more and something hangs, which the watchdog sees for itself. */
const SWAP_LIMIT_MS = 15 * 60_000;
const LOOK_EVERY_MS = 500;
/** While the releases change, requests wait in the socket; one that waits longer is given up and made anew. */
const LOOK_LIMIT_MS = 10_000;
/** A release that does not become ready is given up after a minute, and the one before it is back some seconds later. */
const SILENCE_LIMIT_MS = 90_000;

export const nodeRestart: Handler<object> = async ({ args }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const id = args[0] ?? "self";
  const answer = await api.value.ask("restart the node", (client) =>
    client.api.nodes[":id"].restart.$post({ param: { id: encodeURIComponent(id) } }),
  );
  if (!answer.ok) return console.fail(answer.error);
  if (console.json) console.document(answer.value);
  else if (answer.value.isOrdered) console.line("The node is restarted when the hub hears of it next.");
  else console.line("The node is being replaced; attempts go on and connections wait.");
  return EXIT.ok;
};

export const releases: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const found = await askReleases(context);
  if (typeof found === "number") return found;
  const api = await context.connect();
  const built = api.ok ? await api.value.ask("list the builds", (client) => client.api["source-builds"].$get()) : api;
  const builds = built.ok ? built.value : { building: null, builds: [] };
  if (console.json) {
    console.document({ ...found, ...builds });
    return EXIT.ok;
  }
  console.line(`current   ${found.current ?? "-"}`);
  console.line(`previous  ${found.previous ?? "-"}`);
  console.line(`floor     ${found.floor ?? "-"}`);
  if (found.swap !== null) console.line(`swap      to ${found.swap.version}: ${found.swap.step}`);
  if (found.history.length > 0) {
    console.line();
    console.table([...found.history].reverse().slice(0, HISTORY_SHOWN), historyColumns());
  }
  (await import("./source-build.ts")).printBuilds(builds, context);
  return EXIT.ok;
};

const HISTORY_SHOWN = 20;

function historyColumns(): readonly Column<HistoryRow>[] {
  return [
    { title: "VERSION", value: ({ version }) => version ?? "-" },
    { title: "FROM", value: (row) => textOf(row["from"]) },
    { title: "RESULT", value: ({ result }) => result },
    { title: "BY", value: (row) => textOf(row["askedBy"]), optional: true },
    { title: "REASON", value: (row) => textOf(row["reason"]), shrinks: true },
  ];
}

function textOf(value: unknown): string {
  return typeof value === "string" && value !== "" ? oneLine(value) : "-";
}

export const update: Handler<{
  readonly allowOlder: boolean;
  readonly again: boolean;
  readonly noWait: boolean;
  readonly check: boolean;
  readonly fromSource: string | undefined;
  readonly patch: string | undefined;
  readonly checkOnly: boolean;
  readonly fleet: boolean;
  readonly wave: number | undefined;
  readonly watch: number | undefined;
}> = async ({ options, args, globals }, context) => {
  const { console, environment } = context;
  const misuse = sourceMisuse(options, args.length > 0) ?? fleetMisuse(options);
  if (misuse !== undefined) return console.fail({ failure: misuse, exit: EXIT.usage });
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  if (options.fromSource !== undefined) {
    const { updateFromSource } = await import("./source-build.ts");
    const built = await updateFromSource({ ...options, fromSource: options.fromSource }, api.value, context);
    return built === "handedOver" ? follow(context) : built;
  }
  const [given] = args;
  // A path is meant on this host, where the watchdog looks for it too; anything else is the address of a manifest.
  const from = given === undefined || given.includes("://") ? given : resolve(environment.cwd, given);
  if (options.check) return check(from, api.value, context);
  const source = await sourceOf(from, globals.url, options.fleet, api.value, context);
  if (!source.ok) return console.fail(source.error);
  if (options.fleet) {
    const { updateFleet } = await import("./rollout.ts");
    return updateFleet({ ...options, watchMs: options.watch, ...source.value }, api.value, context);
  }
  const json = { allowOlder: options.allowOlder, again: options.again, ...source.value };
  const answer = await api.value.ask("update", (client) => client.api.update.$post({ json }), SWAP_LIMIT_MS);
  if (!answer.ok) return console.fail(answer.error);
  return options.noWait ? accepted(answer.value, context) : follow(context);
};

function sourceMisuse(
  options: { readonly fromSource: string | undefined; readonly patch: string | undefined; readonly checkOnly: boolean },
  hasPlace: boolean,
) {
  if (options.fromSource === undefined) {
    const isAlone = options.patch === undefined && !options.checkOnly;
    return isAlone ? undefined : refused("invalid", "--patch and --check-only go with --from-source DIR");
  }
  return hasPlace ? refused("invalid", "FROM and --from-source exclude each other") : undefined;
}

function fleetMisuse(options: {
  readonly fleet: boolean;
  readonly wave: number | undefined;
  readonly watch: number | undefined;
  readonly allowOlder: boolean;
  readonly fromSource: string | undefined;
}) {
  if (!options.fleet) {
    const isAlone = options.wave === undefined && options.watch === undefined;
    return isAlone ? undefined : refused("invalid", "--wave and --watch go with --fleet");
  }
  const isOther = options.allowOlder || options.fromSource !== undefined;
  return isOther ? refused("invalid", "--fleet takes a newer release, and none from source") : undefined;
}

/** A folder is on this host: a node that is asked by its address gets it sent. */
async function sourceOf(
  from: string | undefined,
  url: string | undefined,
  forFleet: boolean,
  api: Api,
  context: CommandContext,
): Promise<Result<{ readonly from?: string; readonly upload?: string }, Fault>> {
  if (from === undefined) return ok({});
  if (from.includes("://") || url === undefined) return ok({ from });
  const upload = await (await import("./release-upload.ts")).uploadRelease(from, forFleet, api, context);
  return upload.ok ? ok({ upload: upload.value }) : upload;
}

async function check(from: string | undefined, api: Api, { console }: CommandContext): Promise<number> {
  const query = from === undefined ? {} : { from };
  const found = await api.ask("look for a release", (client) => client.api.update.$get({ query }));
  if (!found.ok) return console.fail(found.error);
  const { version, current, available, detail } = found.value;
  if (console.json) console.document(found.value);
  else if (available)
    console.line(`drover ${version} is there, and ${current ?? "none"} runs. Install it: drover update`);
  else console.line(`Nothing to install: ${textOf(detail)}`);
  return EXIT.ok;
}

export const rollback: Handler<{ readonly noWait: boolean }> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const answer = await api.value.ask("roll back", (client) => client.api.rollback.$post({ json: {} }), SWAP_LIMIT_MS);
  if (!answer.ok) return console.fail(answer.error);
  return options.noWait ? accepted(answer.value, context) : follow(context);
};

function accepted(answer: object, { console }: CommandContext): number {
  if (console.json) console.document(answer);
  else console.line("It has begun. Look with: drover releases");
  return EXIT.ok;
}

/** Until the swap is over. The node goes away and comes back meanwhile, which is no fault. */
async function follow(context: CommandContext): Promise<number> {
  const { console, environment } = context;
  const startMs = environment.clock.monotonicMs();
  let [shown, answeredMs] = ["", startMs];
  for (;;) {
    if (environment.interrupted.aborted) return EXIT.failed;
    const found = await quietly(context);
    if (found !== undefined && found.swap === null) return ended(found, context);
    const nowMs = environment.clock.monotonicMs();
    if (found !== undefined) answeredMs = nowMs;
    else if (nowMs - answeredMs > SILENCE_LIMIT_MS) return silent(shown, context);
    const step = found?.swap?.step ?? shown;
    if (step !== shown) console.note(`${durationText(nowMs - startMs)}: ${step}`);
    shown = step;
    if (nowMs - startMs > SWAP_LIMIT_MS) {
      const message = "the swap has not ended yet";
      const failure = { kind: "retryable", code: "timed_out", message, remedy: "Look with: drover releases" } as const;
      return console.fail({ failure, exit: EXIT.timedOut });
    }
    await pause(environment.clock, LOOK_EVERY_MS, environment.interrupted);
  }
}

function silent(step: string, { console }: CommandContext): number {
  const last = step === "" ? "no step was seen" : `the last step seen was ${step}`;
  const message = `nothing has answered for ${durationText(SILENCE_LIMIT_MS)}; ${last}`;
  const remedy = "Look with: drover doctor. If no watchdog runs, drover up takes the swap to its end";
  return console.fail({ failure: retryable("unavailable", message, remedy), exit: EXIT.unreachable });
}

function ended(found: Releases, { console }: CommandContext): number {
  const row = found.history.at(-1);
  const isDone = row?.result === "committed";
  if (console.json) console.document(row ?? {});
  else if (isDone) console.line(`drover ${row.version} runs`);
  else console.line(`${row?.version ?? "the release"} was not installed: ${textOf(row?.["reason"])}`);
  return isDone ? EXIT.ok : EXIT.failed;
}

async function askReleases(context: CommandContext): Promise<Releases | number> {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const answer = await api.value.ask("list the releases", (client) => client.api.releases.$get());
  return answer.ok ? answer.value : context.console.fail(answer.error);
}

async function quietly(context: CommandContext): Promise<Releases | undefined> {
  const api = await context.connect();
  if (!api.ok) return undefined;
  const answer = await api.value.ask("list the releases", (client) => client.api.releases.$get(), LOOK_LIMIT_MS);
  return answer.ok ? answer.value : undefined;
}

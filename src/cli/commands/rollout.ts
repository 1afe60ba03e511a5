/** The update of a whole fleet, node by node. */
import type { Result } from "#base";
import type { Api, Client, SuccessOf } from "../connection/api.ts";
import { pause } from "../connection/pause.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { durationText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

type Rollout = NonNullable<SuccessOf<Awaited<ReturnType<Client["api"]["fleet"]["update"]["$get"]>>>["rollout"]>;

export type FleetUpdate = {
  readonly from?: string;
  readonly upload?: string;
  readonly wave: number | undefined;
  readonly watchMs: number | undefined;
  readonly noWait: boolean;
};

/** The hub looks at the release, and copies a folder. */
const BEGIN_LIMIT_MS = 10 * 60_000;
const LOOK_EVERY_MS = 2_000;
const LOOK_LIMIT_MS = 10_000;

export async function updateFleet(wish: FleetUpdate, api: Api, context: CommandContext): Promise<number> {
  const { from, upload, wave, watchMs } = wish;
  const json = {
    ...(from === undefined ? {} : { from }),
    ...(upload === undefined ? {} : { upload }),
    ...(wave === undefined ? {} : { wave }),
    ...(watchMs === undefined ? {} : { watchMs }),
  };
  const begun = await api.ask("update the fleet", (client) => client.api.fleet.update.$post({ json }), BEGIN_LIMIT_MS);
  if (!begun.ok) return context.console.fail(begun.error);
  if (!wish.noWait) return follow(context);
  return show(begun.value.rollout, context);
}

export const rolloutShow: Handler<object> = async (_invocation, context) => {
  const found = await ask(context);
  return found.ok ? show(found.value, context) : context.console.fail(found.error);
};

export const rolloutPause: Handler<object> = (_invocation, context) => steer("pause", context);
export const rolloutResume: Handler<object> = (_invocation, context) => steer("resume", context);
export const rolloutAbort: Handler<object> = (_invocation, context) => steer("abort", context);

async function steer(event: "pause" | "resume" | "abort", context: CommandContext): Promise<number> {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const told = await api.value.ask(`${event} the update of the fleet`, (client) =>
    client.api.fleet.update[event].$post(),
  );
  return told.ok ? show(told.value.rollout, context) : context.console.fail(told.error);
}

async function ask(context: CommandContext, limitMs?: number): Promise<Result<Rollout | null, Fault>> {
  const api = await context.connect();
  if (!api.ok) return api;
  const found = await api.value.ask(
    "look how the update of the fleet goes",
    (client) => client.api.fleet.update.$get(),
    limitMs,
  );
  return found.ok ? { ok: true, value: found.value.rollout } : found;
}

/** Until it is over. The hub goes away and comes back as the last one, which is no fault. */
async function follow(context: CommandContext): Promise<number> {
  const { console, environment } = context;
  let said = "";
  for (;;) {
    if (environment.interrupted.aborted) return EXIT.failed;
    const found = await ask(context, LOOK_LIMIT_MS);
    const rollout = found.ok ? found.value : null;
    if (rollout !== null) {
      const text = rollout.nodes.map(({ name, state }) => `${oneLine(name)} ${state}`).join(", ");
      if (text !== said) console.note(text);
      said = text;
      if (rollout.phase !== "running") return show(rollout, context);
    }
    await pause(environment.clock, LOOK_EVERY_MS, environment.interrupted);
  }
}

function show(rollout: Rollout | null, { console, environment }: CommandContext): number {
  if (console.json) console.document({ rollout });
  else if (rollout === null) console.line("No update of the fleet was begun.");
  else {
    const { version, phase, reason } = rollout;
    console.line(`drover ${version}: ${phase}${reason === null ? "" : `, because ${oneLine(reason)}`}`);
    console.table(rollout.nodes, columns(environment.clock.nowMs()));
    if (phase === "stopped") console.note("Go on with: drover rollout resume. End it with: drover rollout abort");
  }
  return rollout?.phase === "stopped" ? EXIT.failed : EXIT.ok;
}

function columns(nowMs: number): readonly Column<Rollout["nodes"][number]>[] {
  return [
    { title: "NODE", value: ({ name }) => oneLine(name) },
    { title: "STATE", value: ({ state }) => state },
    { title: "FOR", value: ({ sinceMs }) => durationText(Math.max(0, nowMs - sinceMs)), align: "right" },
    { title: "WHY", value: ({ reason }) => (reason === null ? "-" : oneLine(reason)), shrinks: true },
  ];
}

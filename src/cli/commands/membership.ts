/** A node's own place in a fleet, and what is done to the other nodes. */
import type { Result } from "#base";
import type { Api } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { untilDrained } from "./drain.ts";
import { forEach } from "./each.ts";

/** The hub is asked meanwhile, which is given 20 s. */
const JOIN_DEADLINE_MS = 60_000;

type JoinFlags = {
  readonly name: string | undefined;
  readonly ownUrl: string | undefined;
  readonly lease: "strict" | "hold" | undefined;
  readonly setAside: boolean;
};

export const join: Handler<JoinFlags> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const { name, ownUrl, lease, setAside } = options;
  const json = {
    invitation: args[0] ?? "",
    setAside,
    ...(name === undefined ? {} : { name }),
    ...(ownUrl === undefined ? {} : { url: ownUrl }),
    ...(lease === undefined ? {} : { leaseClass: lease }),
  };
  const joined = await api.value.ask(
    "join the fleet",
    (client) => client.api.fleet.join.$post({ json }),
    JOIN_DEADLINE_MS,
  );
  if (!joined.ok) return console.fail(joined.error);
  if (console.json) {
    console.document(joined.value);
    return EXIT.ok;
  }
  const { hub, role, restarting } = joined.value;
  console.line(oneLine(`Joined the fleet of ${hub.name} (${hub.url}) as ${role}.`));
  noteRestart(restarting, context);
  return EXIT.ok;
};

export const leave: Handler<{ readonly force: boolean }> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const left = await api.value.ask("leave the fleet", (client) =>
    client.api.fleet.leave.$post({ json: { force: options.force } }),
  );
  if (!left.ok) return console.fail(left.error);
  if (console.json) {
    console.document(left.value);
    return EXIT.ok;
  }
  console.line("Left the fleet.");
  if (!left.value.told) console.note("The hub was not told. Remove this node there: drover node remove NODE");
  noteRestart(left.value.restarting, context);
  return EXIT.ok;
};

type PromoteFlags = { readonly yes: boolean; readonly force: boolean };

export const promote: Handler<PromoteFlags> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const json = { hubIsOff: options.yes, force: options.force };
  const promoted = await api.value.ask("promote this node", (client) => client.api.fleet.promote.$post({ json }));
  if (!promoted.ok) return console.fail(promoted.error);
  if (console.json) {
    console.document(promoted.value);
    return EXIT.ok;
  }
  console.line(`This node becomes the hub of its fleet (epoch ${promoted.value.epoch}).`);
  noteRestart(promoted.value.restarting, context);
  return EXIT.ok;
};

function noteRestart(restarting: boolean, { console }: CommandContext): void {
  if (restarting) console.note("The node is being replaced, and is then what it is now.");
  else console.note("The node has no watchdog: stop it and start it again, and it takes effect.");
}

type Changed = { readonly id: string; readonly name: string; readonly state: string };

type Change = (api: Api, param: { readonly id: string }) => Promise<Result<Changed, Fault>>;

function onEach(change: Change, word: string): Handler<object> {
  return async ({ args }, context) => {
    const api = await context.connect();
    if (!api.ok) return context.console.fail(api.error);
    return forEach(
      args,
      context,
      (node) => change(api.value, { id: encodeURIComponent(node) }),
      ({ id, name }) => oneLine(`${word} ${name} (${id})`),
    );
  };
}

export const nodeCordon = onEach(
  (api, param) => api.ask("cordon the node", (client) => client.api.nodes[":id"].cordon.$post({ param })),
  "Cordoned",
);

export const nodeUncordon = onEach(
  (api, param) => api.ask("uncordon the node", (client) => client.api.nodes[":id"].uncordon.$post({ param })),
  "Uncordoned",
);

export const nodeDrain: Handler<{ readonly timeout: number | undefined }> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const nodes = [...new Set(args)];
  const what = `drain ${nodes.length === 1 ? "the node" : "the nodes"}`;
  const drained = await untilDrained(
    {
      what,
      ask: () => drainedEach(nodes, api.value, what),
      runningIn: (answers) => answers.reduce((sum, { running }) => sum + running.length, 0),
      // What a node was being given when it was cordoned shows a moment later.
      looks: 2,
      timeoutMs: options.timeout,
      remedy: "It stays cordoned. Wait again, or cancel what runs: drover task list running",
    },
    context,
  );
  if (!drained.ok) return console.fail(drained.error);
  if (console.json) console.documents(drained.value);
  else for (const { name, id } of drained.value) console.line(oneLine(`Drained ${name} (${id}): nothing runs there`));
  console.hint("Give it work again with: drover node uncordon NODE");
  return EXIT.ok;
};

type Drained = Changed & { readonly running: readonly object[] };

async function drainedEach(
  nodes: readonly string[],
  api: Api,
  what: string,
): Promise<Result<readonly Drained[], Fault>> {
  const answers: Drained[] = [];
  for (const node of nodes) {
    const param = { id: encodeURIComponent(node) };
    const answer = await api.ask(what, (client) => client.api.nodes[":id"].drain.$post({ param }));
    if (!answer.ok) return answer;
    answers.push(answer.value);
  }
  return { ok: true, value: answers };
}

export const nodeRemove = onEach(
  (api, param) => api.ask("remove the node", (client) => client.api.nodes[":id"].$delete({ param })),
  "Removed",
);

export const nodeRotateKey: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const changed = await api.value.ask("change the node's key", (client) => client.api.fleet["rotate-key"].$post());
  if (!changed.ok) return console.fail(changed.error);
  if (console.json) console.document(changed.value);
  else console.line("The node has another key; the old one opens nothing any more.");
  return EXIT.ok;
};

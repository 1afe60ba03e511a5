/** What drover proposes, and what a person decides about it. */
import { ok, refused } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import { EXIT } from "../exit-codes.ts";
import { ageText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { byWhom } from "./by-whom.ts";
import { forEach } from "./each.ts";

type Proposal = SuccessOf<Awaited<ReturnType<Client["api"]["proposals"]["$get"]>>>["proposals"][number];

type ListOptions = { readonly limit: number | undefined };

export const proposalList: Handler<ListOptions> = async ({ options, args }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const query = {
    ...(args.length === 0 ? {} : { state: args.join(",") }),
    ...(options.limit === undefined ? {} : { limit: String(options.limit) }),
  };
  const found = await api.value.ask("list proposals", (client) => client.api.proposals.$get({ query }));
  if (!found.ok) return console.fail(found.error);
  const { proposals } = found.value;
  if (console.json) console.document(found.value);
  else if (proposals.length === 0) console.note(`No proposal is ${args.length === 0 ? "open" : args.join(" or ")}.`);
  else {
    console.table(proposals, columns(environment.clock.nowMs()));
    console.hint(
      "See one: drover proposal show ID. Decide: drover proposal approve ID, drover proposal reject ID --reason WHY",
    );
  }
  return EXIT.ok;
};

function columns(nowMs: number): readonly Column<Proposal>[] {
  return [
    { title: "ID", value: ({ id }) => id },
    { title: "AGE", value: ({ createdAtMs }) => ageText(createdAtMs, nowMs), align: "right" },
    { title: "STATE", value: ({ state }) => state },
    { title: "KIND", value: ({ body }) => body.kind },
    { title: "RISK", value: ({ body }) => body.risk, tone: ({ body }) => (body.risk === "high" ? "bad" : undefined) },
    { title: "EFFORT", value: ({ body }) => body.effort },
    { title: "SEEN", value: ({ seen }) => String(seen), align: "right" },
    { title: "WHAT", value: ({ body }) => oneLine(body.title), shrinks: true },
    { title: "GOAL", value: ({ goal }) => goal ?? "-", optional: true },
  ];
}

export const proposalShow: Handler<object> = async ({ args }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const param = { id: encodeURIComponent(args[0] ?? "") };
  const found = await api.value.ask("show the proposal", (client) => client.api.proposals[":id"].$get({ param }));
  if (!found.ok) return console.fail(found.error);
  if (console.json) {
    console.document(found.value);
    return EXIT.ok;
  }
  const { id, state, source, body, seen, decidedBy, reason, goal } = found.value;
  const say = (name: string, text: string): void => console.line(oneLine(`${name}: ${text}`));
  say(id, body.title);
  say("state", `${state}${decidedBy === null ? "" : ` by ${decidedBy}`}${reason === null ? "" : `: ${reason}`}`);
  say("kind", `${body.kind}, ${source}, proposed ${seen} times`);
  say("problem", body.problem);
  for (const one of body.evidence) say("evidence", one);
  say("to be done", body.suggestion);
  say("effort", body.effort);
  say("risk", `${body.risk}: ${body.riskWhy}`);
  for (const one of body.dependencies) say("needs", one);
  if (body.repository !== null) say("repository", body.repository);
  if (goal !== null) say("goal", goal);
  return EXIT.ok;
};

type DecideOptions = { readonly by: string | undefined; readonly reason: string | undefined };

export const proposalApprove: Handler<DecideOptions> = async ({ args, options }, context) => {
  const json = { ...byWhom(options.by, context), reason: options.reason ?? null };
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    async (given) => {
      const param = { id: encodeURIComponent(given) };
      const changed = await api.value.ask(`approve ${given}`, (client) =>
        client.api.proposals[":id"].approve.$post({ param, json }),
      );
      return changed.ok ? ok(changed.value) : changed;
    },
    ({ id, goal }) => (goal === null ? `Approved ${id}` : `Approved ${id}: goal ${goal}`),
  );
};

export const proposalReject: Handler<DecideOptions> = async ({ args, options }, context) => {
  const { reason } = options;
  if (reason === undefined) return context.console.fail(noReason("Say why, for the next who asks"));
  const json = { ...byWhom(options.by, context), reason };
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    async (given) => {
      const param = { id: encodeURIComponent(given) };
      const changed = await api.value.ask(`reject ${given}`, (client) =>
        client.api.proposals[":id"].reject.$post({ param, json }),
      );
      return changed.ok ? ok(changed.value) : changed;
    },
    ({ id }) => `Rejected ${id}`,
  );
};

function noReason(remedy: string) {
  return { failure: refused("invalid", "--reason is needed", remedy), exit: EXIT.usage };
}

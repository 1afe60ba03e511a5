/** Settings of the whole fleet; those of one node stand in its own file. */
import { err, ok, type Result, refused } from "#base";
import type { Api } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import type { Handler } from "../parsing/command.ts";

type Options = { readonly fleet: boolean };

export const configSet: Handler<Options> = async ({ options, args }, context) => {
  const api = await connect(options, context);
  if (!api.ok) return context.console.fail(api.error);
  const [key = "", text = ""] = args;
  const param = { key: encodeURIComponent(key) };
  const set = await api.value.ask(`set ${key}`, (client) =>
    client.api.fleet.settings[":key"].$put({ param, json: { text } }),
  );
  return set.ok ? said(set.value, "set", context) : context.console.fail(set.error);
};

export const configUnset: Handler<Options> = async ({ options, args }, context) => {
  const api = await connect(options, context);
  if (!api.ok) return context.console.fail(api.error);
  const [key = ""] = args;
  const param = { key: encodeURIComponent(key) };
  const unset = await api.value.ask(`unset ${key}`, (client) => client.api.fleet.settings[":key"].$delete({ param }));
  return unset.ok ? said(unset.value, "unset", context) : context.console.fail(unset.error);
};

async function connect({ fleet }: Options, context: CommandContext): Promise<Result<Api, Fault>> {
  if (!fleet) {
    const remedy = "With --fleet it is set for all nodes; for one node write it into that node's drover.toml";
    return err({ failure: refused("invalid", "a setting is changed for the fleet alone", remedy), exit: EXIT.usage });
  }
  const api = await context.connect();
  return api.ok ? ok(api.value) : api;
}

function said(
  { key, changed, holds }: { readonly key: string; readonly changed: boolean; readonly holds: string },
  verb: "set" | "unset",
  { console }: CommandContext,
): number {
  if (console.json) console.document({ key, changed, holds });
  else if (!changed) console.line(`${key} is as it was.`);
  else {
    console.line(`${key} is ${verb} for every node.`);
    console.note(
      holds === "at once"
        ? "Each node goes by it at once, unless its own configuration says otherwise."
        : "What begins from now on goes by it, on each node whose own configuration says nothing else.",
    );
    console.note("A node of an earlier release takes it up with its next start. See: drover node list");
  }
  return EXIT.ok;
}

import { ok } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { elsewhereColumns, healthTone, healthWord } from "../tasks/endpoint-text.ts";
import { forEach } from "./each.ts";

type Found = SuccessOf<Awaited<ReturnType<Client["api"]["endpoints"]["$get"]>>>;
type Endpoint = Found["endpoints"][number];

export const endpointsList: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = await api.value.ask("list endpoints", (client) => client.api.endpoints.$get());
  if (!found.ok) return console.fail(found.error);
  if (console.json) {
    console.document(found.value);
    return EXIT.ok;
  }
  const { endpoints, elsewhere } = found.value;
  if (endpoints.length === 0) {
    console.note("There is no endpoint: no model server was found on this host, and none is configured.");
    console.hint("Start Ollama, or add a server with: drover endpoints add URL");
  } else printEndpoints(endpoints, console);
  if (elsewhere.length > 0) {
    console.line();
    console.line(console.paint("strong", "Of other nodes, as they said last"));
    console.table(elsewhere, elsewhereColumns(context.environment.clock.nowMs()));
  }
  return EXIT.ok;
};

type AddFlags = {
  readonly kind: "ollama" | "openai" | "anthropic" | undefined;
  readonly name: string | undefined;
  readonly keyFile: string | undefined;
  readonly parallel: number | undefined;
  readonly vram: number | undefined;
  readonly model: readonly string[];
  readonly label: Readonly<Record<string, string>>;
};

export const endpointsAdd: Handler<AddFlags> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const { kind, name, keyFile, parallel, vram, model, label } = options;
  const json = {
    url: args[0] ?? "",
    models: [...model],
    labels: label,
    ...(kind === undefined ? {} : { kind }),
    ...(name === undefined ? {} : { id: name }),
    ...(keyFile === undefined ? {} : { apiKeyFile: keyFile }),
    ...(parallel === undefined ? {} : { parallel }),
    ...(vram === undefined ? {} : { vramBytes: vram }),
  };
  const added = await api.value.ask("add the endpoint", (client) => client.api.endpoints.$post({ json }));
  if (!added.ok) return console.fail(added.error);
  if (console.json) console.document(added.value);
  else printEndpoints([added.value], console);
  return EXIT.ok;
};

export const endpointsRemove: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    async (id) => {
      const removed = await api.value.ask(`remove endpoint ${id}`, (client) =>
        client.api.endpoints[":id"].$delete({ param: pathOf(id) }),
      );
      return removed.ok ? ok({ id, ...removed.value }) : removed;
    },
    ({ id }) => `Removed ${oneLine(id)}`,
  );
};

/** All at once, because one that does not answer takes seconds. Exit code 4 when one of them does not. */
export const endpointsProbe: Handler<object> = async ({ args }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  let ids: readonly string[] = args;
  if (ids.length === 0) {
    const all = await api.value.ask("list endpoints", (client) => client.api.endpoints.$get());
    if (!all.ok) return console.fail(all.error);
    ids = all.value.endpoints.map(({ id }) => id);
  }
  const answers = await Promise.all(
    ids.map((id) =>
      api.value.ask(`probe ${id}`, (client) => client.api.endpoints[":id"].probe.$post({ param: pathOf(id) })),
    ),
  );
  const probed = answers.flatMap((answer) => (answer.ok ? [answer.value] : []));
  if (console.json) console.document({ endpoints: probed });
  else if (ids.length === 0) console.note("There is no endpoint to look at.");
  else if (probed.length > 0) printEndpoints(probed, console);
  const [failed] = answers.flatMap((answer) => (answer.ok ? [] : [console.fail(answer.error)]));
  return failed ?? (probed.every(({ health }) => health === "healthy") ? EXIT.ok : EXIT.unhealthy);
};

/** What a person typed may hold a slash, and the client puts it into the path as it is. */
function pathOf(id: string): { readonly id: string } {
  return { id: encodeURIComponent(id) };
}

function printEndpoints(endpoints: readonly Endpoint[], console: CommandContext["console"]): void {
  console.table(endpoints, COLUMNS);
  for (const { id, reason } of endpoints) if (reason !== null) console.note(oneLine(`${id}: ${reason}`));
}

const COLUMNS: readonly Column<Endpoint>[] = [
  { title: "ID", value: ({ id }) => id },
  { title: "KIND", value: ({ kind }) => kind, optional: true },
  { title: "URL", value: ({ url }) => url, shrinks: true },
  { title: "HEALTH", value: healthWord, tone: healthTone },
  { title: "MODELS", value: ({ models }) => String(models.length), align: "right" },
  { title: "LOADED", value: ({ loaded }) => loaded.map(loadedText).join(", ") || "-", shrinks: true },
  { title: "RUNNING", value: ({ inFlight }) => String(sum(inFlight)), align: "right" },
  {
    title: "OTHERS",
    value: ({ outsiders }) => (outsiders === null ? "?" : String(outsiders)),
    align: "right",
    optional: true,
  },
  { title: "FROM", value: ({ origin }) => origin, optional: true },
];

function loadedText({ name, isExpected }: Endpoint["loaded"][number]): string {
  return isExpected ? `${name} (loading)` : name;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, one) => all + one, 0);
}

/** The part of the demo in which models work: who answers, and the three tasks. */
import { z } from "zod";
import { engineAvailability } from "../support/models/engine.ts";
import { reply } from "../support/models/scripted-reply.ts";
import { startScriptedServer } from "../support/models/scripted-server.ts";
import { makeScriptedToyModel, type ToyStep } from "../support/models/scripted-toy-model.ts";
import { startToyOllama } from "../support/models/toy-ollama.ts";

export type Answering = {
  readonly endpoints: readonly { readonly name: string; readonly url: string; readonly models?: readonly string[] }[];
  /** Said to whoever watches. */
  readonly notice: string;
  /** Models of the Ollama that the environment names, the largest first, for the first task; empty: a toy answers it. */
  readonly realModels: readonly string[];
  readonly stop: () => Promise<void>;
};

/** A server that looks through its models on a slow disk. */
const LOOK_LIMIT_MS = 10_000;
/** As many as a tier may name. */
const MAX_CHAIN = 20;

const EDITED = "# drover, edited by a model";

/** What each toy knows by heart; the model works under the same grammar and through the same tools as any other. */
const TOYS: Readonly<Record<string, readonly ToyStep[]>> = {
  editor: [
    { kind: "call", name: "read_file", arguments: { path: "README.md" } },
    {
      kind: "call",
      name: "edit_file",
      arguments: { path: "README.md", old_text: "# drover\n", new_text: `${EDITED}\n` },
    },
    { kind: "answer", text: "The heading of README.md is changed." },
  ],
  corrector: [
    { kind: "call", name: "write_file", arguments: { path: "greeting.txt", content: "helo\n" } },
    { kind: "answer", text: "greeting.txt is written." },
    { kind: "call", name: "edit_file", arguments: { path: "greeting.txt", old_text: "helo", new_text: "hello" } },
    { kind: "answer", text: "The spelling is corrected." },
  ],
  wanderer: ["one", "two", "three", "four", "five", "six", "seven"].map((part) => ({
    kind: "call",
    name: "write_file",
    arguments: { path: `${part}.txt`, content: `part ${part}\n` },
  })),
};

/** A model of 20 GB is read from a disk, then ten replies are written by a processor without a graphics card. */
export const REAL_LIMIT_MS = 600_000;

export function agentTasks(repository: string, realModels: readonly string[]): readonly object[] {
  const labels = { demo: "models" };
  return [
    {
      title: "Change the heading of the README",
      prompt: `In README.md, replace the first heading, "# drover", by "${EDITED}". Change nothing else.`,
      repo: repository,
      verify: [
        { kind: "file_contains", path: "README.md", pattern: EDITED },
        { kind: "command_succeeds", command: ["sh", "-c", 'test "$(git diff --name-only)" = README.md'] },
      ],
      labels,
      ...(realModels.length === 0 ? { requires: { models: ["editor"] } } : { deadlineMs: REAL_LIMIT_MS }),
    },
    {
      title: "Write a greeting",
      prompt: "Write the word hello into greeting.txt.",
      verify: [{ kind: "file_contains", path: "greeting.txt", pattern: "hello" }],
      labels,
      requires: { models: ["corrector"] },
    },
    {
      title: "Write ten parts",
      prompt: "Write the files one.txt to ten.txt, each with the name of its part.",
      tier: "trivial",
      maxAttempts: 1,
      verify: ["one", "two", "three", "ten"].map((part) => ({ kind: "file_exists", path: `${part}.txt` })),
      labels,
      requires: { models: ["wanderer"] },
    },
  ];
}

/** An Ollama that the environment names answers the first task; toys of a megabyte answer the others. */
export async function startAnswering(host = process.env["OLLAMA_HOST"]): Promise<Answering> {
  const toys = await startToys();
  const real = await realOllama(host);
  if (real === undefined) return toys;
  return {
    ...toys,
    endpoints: [{ name: "ollama", url: real.url }, ...toys.endpoints],
    notice:
      `The first task goes to the Ollama at ${real.url}, to the first that fits into memory of ` +
      `${real.models.join(", ")}. The others: ${toys.notice}`,
    realModels: real.models,
  };
}

async function startToys(): Promise<Answering> {
  const engine = engineAvailability();
  const models = Object.keys(TOYS);
  if (engine.available) {
    const toy = await startToyOllama({ models: models.map((name) => makeScriptedToyModel(name, TOYS[name] ?? [])) });
    return {
      endpoints: [{ name: "toy", url: toy.url }],
      notice:
        "These models are toys of a megabyte: real inference by llama.cpp under a grammar, on weights that know a few " +
        "replies by heart and understand nothing. They show the loop, the tools and the sandbox, not what a model can do.",
      realModels: [],
      stop: () => toy.stop(),
    };
  }
  // One server for each: a script has no way to tell which model was meant.
  const servers = await Promise.all(
    models.map(async (name) => ({
      name,
      server: await startScriptedServer({ models: [{ name, capabilities: ["completion", "tools"] }] }),
    })),
  );
  for (const { name, server } of servers) {
    for (const step of TOYS[name] ?? []) {
      server.enqueue(
        step.kind === "call" ? reply().toolCall(step.name, { ...step.arguments }) : reply().text(step.text),
      );
    }
  }
  return {
    endpoints: servers.map(({ name, server }) => ({ name, url: server.url })),
    notice: `No inference can run here (${engine.reason}), so a script answers in the place of models.`,
    realModels: [],
    stop: async () => {
      await Promise.all(servers.map(({ server }) => server.stop()));
    },
  };
}

const tagsSchema = z.object({
  models: z.array(z.object({ name: z.string(), size: z.number().default(0), remote_host: z.string().optional() })),
});
const shownSchema = z.object({ capabilities: z.array(z.string()).default([]) });

/** @returns where it is and which of its models can call tools; undefined when there is none that could answer. */
export async function realOllama(
  host: string | undefined,
): Promise<{ readonly url: string; readonly models: readonly string[] } | undefined> {
  if (host === undefined || host === "") return undefined;
  const url = host.includes("://") ? host : `http://${host.includes(":") ? host : `${host}:11434`}`;
  try {
    const { models } = tagsSchema.parse(await ask(`${url}/api/tags`));
    const able: string[] = [];
    // One that runs at its vendor is never chosen.
    const own = models.filter(({ remote_host: vendor = "" }) => vendor === "");
    for (const { name } of own.toSorted((a, b) => b.size - a.size)) {
      const shown = await ask(`${url}/api/show`, { model: name });
      // A name of the toys would be answered by a toy.
      const isToy = Object.keys(TOYS).some((toy) => name === toy || name === `${toy}:latest`);
      if (!isToy && shownSchema.parse(shown).capabilities.includes("tools")) able.push(name);
      if (able.length === MAX_CHAIN) break;
    }
    if (able.length === 0) console.log(`The Ollama at ${url} has no model that can call tools; a toy answers instead.`);
    return able.length === 0 ? undefined : { url, models: able };
  } catch (cause) {
    console.log(`OLLAMA_HOST is set and cannot be used (${String(cause)}); a toy answers instead.`);
    return undefined;
  }
}

async function ask(url: string, body?: object): Promise<unknown> {
  const signal = AbortSignal.timeout(LOOK_LIMIT_MS);
  const asked = body === undefined ? { signal } : { method: "POST", body: JSON.stringify(body), signal };
  const answer = await fetch(url, asked);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.json();
}

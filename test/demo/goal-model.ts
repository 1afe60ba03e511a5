/**
 * The model of the demo of goals: a real Ollama, if the environment names one, else a script that stands in. Either is
 * asked through a door of this demo, so that the demo can close it.
 */
import { reply, type ScriptedReply } from "../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../support/models/scripted-server.ts";
import { realOllama } from "./agents.ts";

export type GoalModel = {
  readonly url: string;
  readonly models: readonly string[];
  readonly isReal: boolean;
  /** Said to whoever watches. */
  readonly notice: string;
  /** Nothing answers any more, as after a crash of the server. */
  readonly close: () => Promise<void>;
  /** It answers again, at the same address. */
  readonly open: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const SCRIPTED = "scripted:latest";

/** Names a file that is not there: the demo shows what becomes of such a plan. */
const WRONG_PLAN = planOf("lib/leapyear.sh");
const PLAN = planOf("lib/leap.sh");

function planOf(file: string): string {
  return JSON.stringify({
    tasks: [
      {
        key: "fix",
        title: "Follow the rule for centuries",
        prompt:
          "is_leap in lib/leap.sh calls each fourth year a leap year. Of centuries only each fourth is one. Mend it.",
        files: [file],
        verify: [{ kind: "test_passes", command: ["sh", "test/run.sh"] }],
      },
      {
        key: "note",
        title: "Note the change",
        prompt: "Add a line about centuries to CHANGELOG.md.",
        files: ["CHANGELOG.md"],
        dependsOn: ["fix"],
        verify: [{ kind: "file_contains", path: "CHANGELOG.md", pattern: "centur" }],
      },
    ],
  });
}

/** What a model would say, one turn after the other; found by words of the prompt. */
const SCRIPTS: readonly { readonly when: string; readonly turns: readonly ScriptedReply[] }[] = [
  { when: "Your last plan was not accepted", turns: [reply().text(PLAN)] },
  { when: "Divide a goal into tasks", turns: [reply().text(WRONG_PLAN)] },
  {
    when: "is_leap in lib/leap.sh",
    turns: [
      reply().toolCall("read_file", { path: "lib/leap.sh" }),
      reply().toolCall("edit_file", {
        path: "lib/leap.sh",
        old_text: "[ $(($1 % 4)) -eq 0 ]",
        new_text: "[ $(($1 % 400)) -eq 0 ] || { [ $(($1 % 4)) -eq 0 ] && [ $(($1 % 100)) -ne 0 ]; }",
      }),
      reply().text("A century is a leap year only if 400 divides it now."),
    ],
  },
  {
    when: "Add a line about centuries",
    turns: [
      reply().toolCall("read_file", { path: "CHANGELOG.md" }),
      reply().toolCall("edit_file", {
        path: "CHANGELOG.md",
        old_text: "# Changes\n",
        new_text: "# Changes\n\n- Leap years: centuries follow the rule.\n",
      }),
      reply().text("CHANGELOG.md names the change."),
    ],
  },
];

export async function startGoalModel(host = process.env["OLLAMA_HOST"]): Promise<GoalModel> {
  const real = await realOllama(host);
  return real === undefined ? scripted() : throughDoor(real);
}

async function scripted(): Promise<GoalModel> {
  let server: ScriptedServer | undefined;
  const start = async (port?: number): Promise<ScriptedServer> => {
    const models = [{ name: SCRIPTED, capabilities: ["completion", "tools"] }];
    const started = await startScriptedServer({ models, ...(port === undefined ? {} : { port }) });
    return started.otherwise(({ body }) => replyTo(body));
  };
  server = await start();
  const { url } = server;
  const close = async (): Promise<void> => {
    await server?.stop();
    server = undefined;
  };
  return {
    url,
    models: [SCRIPTED],
    isReal: false,
    notice:
      "OLLAMA_HOST names no Ollama with a model that can call tools, so a script stands in for the model: it knows what to " +
      "say to each prompt of this demo, and understands nothing. All the rest is real: queue, sandbox, git, tests.",
    close,
    open: async () => {
      server ??= await start(Number(new URL(url).port));
    },
    stop: close,
  };
}

function replyTo(body: unknown): ScriptedReply {
  // `as`: what /api/chat takes.
  const { messages = [] } = body as { readonly messages?: readonly { role: string; content?: string }[] };
  const said = messages.map(({ content = "" }) => content).join("\n");
  const turn = messages.filter(({ role }) => role === "assistant").length;
  const script = SCRIPTS.find(({ when }) => said.includes(when));
  return script?.turns[turn] ?? reply().text("The script has nothing to say to this.");
}

/** Hands everything on to the real one while it is open. */
async function throughDoor(real: { readonly url: string; readonly models: readonly string[] }): Promise<GoalModel> {
  const serve = (port: number) =>
    Bun.serve({
      hostname: "127.0.0.1",
      port,
      idleTimeout: 255,
      fetch: (request) => {
        const { pathname, search } = new URL(request.url);
        return fetch(`${real.url}${pathname}${search}`, request);
      },
    });
  let door: ReturnType<typeof serve> | undefined = serve(0);
  const port = door.port ?? 0;
  const close = async (): Promise<void> => {
    await door?.stop(true);
    door = undefined;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    models: real.models,
    isReal: true,
    notice: `The Ollama at ${real.url} plans and works, with the first that fits of ${real.models.join(", ")}.`,
    close,
    open: () => {
      door ??= serve(port);
      return Promise.resolve();
    },
    stop: close,
  };
}

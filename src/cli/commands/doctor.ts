import type { Client, SuccessOf } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import type { Finding } from "../environment.ts";
import { EXIT } from "../exit-codes.ts";
import type { Tone } from "../output/terminal.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

type NodeView = SuccessOf<Awaited<ReturnType<Client["api"]["node"]["$get"]>>>;
type Endpoint = SuccessOf<Awaited<ReturnType<Client["api"]["endpoints"]["$get"]>>>["endpoints"][number];

type Usage = SuccessOf<Awaited<ReturnType<Client["api"]["usage"]["$get"]>>>;

const TONES: Readonly<Record<Finding["level"], Tone>> = { ok: "good", warn: "warn", fail: "bad" };
/** As the node warns in its events. */
const WARNED_RATIO = 0.8;
const WORDS: Readonly<Record<Finding["level"], string>> = { ok: "ok", warn: "warning", fail: "FAIL" };

/** What can be seen from here first, then what the node says of itself; without a node, that there is none. */
export const doctor: Handler<object> = async ({ globals }, context) => {
  const { console, environment } = context;
  const findings = [...(await environment.local.diagnose(globals)), ...(await askNode(context))];
  const isWell = findings.every(({ level }) => level !== "fail");
  if (console.json) console.document({ ok: isWell, findings });
  else print(findings, console);
  return isWell ? EXIT.ok : EXIT.unhealthy;
};

async function askNode(context: CommandContext): Promise<readonly Finding[]> {
  const api = await context.connect();
  if (!api.ok) return [noNode(api.error.failure.message)];
  const [node, hardware, endpoints, usage] = await Promise.all([
    api.value.ask("look at the node", (client) => client.api.node.$get()),
    api.value.ask("look at the hardware", (client) => client.api.hw.$get()),
    api.value.ask("look at the endpoints", (client) => client.api.endpoints.$get()),
    api.value.ask("look at the budgets", (client) => client.api.usage.$get({ query: {} })),
  ]);
  if (!node.ok) return [noNode(node.error.failure.message)];
  return [
    ...nodeFindings(node.value),
    ...(hardware.ok ? hardware.value.notes.map((note) => finding("hardware", "warn", note)) : []),
    ...(endpoints.ok ? endpointFindings(endpoints.value.endpoints) : []),
    ...(usage.ok ? budgetFindings(usage.value.budgets) : []),
  ];
}

function noNode(reason: string): Finding {
  return finding("node", "warn", `no node answers here: ${reason}`, "Start one with: drover up");
}

function nodeFindings(node: NodeView): readonly Finding[] {
  const unmet = node.checks.filter(({ ok }) => !ok).map(({ name, detail }) => finding(`node: ${name}`, "fail", detail));
  return unmet.length > 0 ? unmet : [finding("node", "ok", `${node.name} is ready, version ${node.version}`)];
}

function endpointFindings(endpoints: readonly Endpoint[]): readonly Finding[] {
  if (endpoints.length === 0) {
    const detail = "no model server was found, so tasks with a prompt wait";
    return [finding("models", "warn", detail, "Start Ollama on this host, or add a server: drover endpoints add URL")];
  }
  return endpoints.map(({ id, health, reason, models }) => {
    if (health !== "healthy") {
      return finding(
        `endpoint ${id}`,
        "warn",
        reason ?? `it is ${health}`,
        `Look again with: drover endpoints probe ${id}`,
      );
    }
    return models.length === 0
      ? finding(
          `endpoint ${id}`,
          "warn",
          "it answers and has no models",
          "Pull one there, for example: ollama pull qwen3:8b",
        )
      : finding(`endpoint ${id}`, "ok", `${models.length} models`);
  });
}

function budgetFindings(budgets: Usage["budgets"]): readonly Finding[] {
  return budgets
    .filter(({ used, limit }) => used >= limit * WARNED_RATIO)
    .map(({ span, unit, action, freesAtMs, used, limit }) => {
      const howMuch = used >= limit ? "is used up" : `is used to ${Math.floor((used / limit) * 100)} %`;
      const detail = `the budget of this ${span} in ${unit} ${howMuch}; its action is ${action}`;
      const wait = freesAtMs === null ? "" : `Wait until ${new Date(freesAtMs).toISOString()}, or `;
      const remedy = `${wait}raise budgets.${span}_${unit} and restart the node`;
      return finding("budget", "warn", detail, remedy);
    });
}

function finding(name: string, level: Finding["level"], detail: string, remedy: string | null = null): Finding {
  return { name, level, detail, remedy };
}

function print(findings: readonly Finding[], console: CommandContext["console"]): void {
  for (const { name, level, detail, remedy } of findings) {
    console.line(`${console.paint(TONES[level], WORDS[level].padEnd(7))}  ${oneLine(name)}: ${oneLine(detail)}`);
    if (remedy !== null) console.line(`         ${console.paint("strong", "next:")} ${oneLine(remedy)}`);
  }
}

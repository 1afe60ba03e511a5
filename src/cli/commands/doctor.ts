import type { Api } from "../connection/api.ts";
import { askSafeMode, isSafeMode } from "../connection/safe-mode.ts";
import type { CommandContext } from "../context.ts";
import { contextFindings } from "../diagnosis/context-findings.ts";
import {
  breakerFindings,
  budgetFindings,
  endpointFindings,
  failoverFindings,
  finding,
  hardwareFindings,
  nodeFindings,
  quarantineFindings,
  watchdogFindings,
} from "../diagnosis/node-findings.ts";
import type { Finding } from "../environment.ts";
import { EXIT } from "../exit-codes.ts";
import type { Tone } from "../output/terminal.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

const TONES: Readonly<Record<Finding["level"], Tone>> = { ok: "good", warn: "warn", fail: "bad" };
const WORDS: Readonly<Record<Finding["level"], string>> = { ok: "ok", warn: "warning", fail: "FAIL" };
/** The setting that says how much context drover asks for. */
const CONTEXT_SETTING = "limits.context_tokens";

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
  const [node, watchdog, hardware, endpoints, usage, config, breakers] = await Promise.all([
    api.value.ask("look at the node", (client) => client.api.node.$get()),
    api.value.ask("look at the watchdog", (client) => client.api.watchdog.$get()),
    api.value.ask("look at the hardware", (client) => client.api.hw.$get()),
    api.value.ask("look at the endpoints", (client) => client.api.endpoints.$get()),
    api.value.ask("look at the budgets", (client) => client.api.usage.$get({ query: {} })),
    api.value.ask("look at the configuration", (client) => client.api.config.$get()),
    api.value.ask("look at the breakers", (client) => client.api.breakers.$get()),
  ]);
  if (!node.ok) return isSafeMode(node.error) ? safeModeFindings(api.value) : [noNode(node.error.failure.message)];
  const wanted = config.ok ? config.value.entries.find(({ name }) => name === CONTEXT_SETTING)?.value : undefined;
  return [
    ...nodeFindings(node.value),
    ...quarantineFindings(node.value.fleet),
    ...failoverFindings(node.value),
    ...watchdogFindings(watchdog.ok ? watchdog.value : null, context.environment.clock.nowMs()),
    ...(hardware.ok ? hardwareFindings(hardware.value) : []),
    ...(endpoints.ok ? endpointFindings(endpoints.value.endpoints) : []),
    ...(endpoints.ok && hardware.ok && typeof wanted === "number"
      ? contextFindings(endpoints.value.endpoints, wanted, hardware.value.gpus)
      : []),
    ...(usage.ok ? budgetFindings(usage.value.budgets) : []),
    ...(breakers.ok ? breakerFindings(breakers.value.breakers) : []),
  ];
}

function noNode(reason: string): Finding {
  return finding("node", "warn", `no node answers here: ${reason}`, "Start one with: drover up");
}

async function safeModeFindings(api: Api): Promise<readonly Finding[]> {
  const safe = await askSafeMode(api, "look at safe mode");
  const remedy = "See drover status; when the cause is gone: drover node restart";
  if (!safe.ok) return [finding("node", "fail", `safe mode is on: ${safe.error.failure.message}`, remedy)];
  const { reason, faults, canRollBack } = safe.value;
  const detail = `safe mode is on after ${faults.length} faults, the last: ${reason}`;
  return [finding("node", "fail", detail, canRollBack ? `${remedy}, or go back with: drover rollback` : remedy)];
}

function print(findings: readonly Finding[], console: CommandContext["console"]): void {
  for (const { name, level, detail, remedy } of findings) {
    console.line(`${console.paint(TONES[level], WORDS[level].padEnd(7))}  ${oneLine(name)}: ${oneLine(detail)}`);
    if (remedy !== null) console.line(`         ${console.paint("strong", "next:")} ${oneLine(remedy)}`);
  }
}

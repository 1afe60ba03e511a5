/**
 * bun test/bench/gateway/main.ts [--quick] [--hanging] [--rounds 6] [--requests 200] [--tokens 40000] [--seconds 20]
 *                                [--binary dist/drover]
 *
 * What asking a model through drover costs, against asking the model's server itself: time to the first token and to the
 * last, tokens a second, processor time. With --hanging instead: the API's answer times beside a server that never
 * answers, and with --binary beside an nvidia-smi that hangs. Prints, never judges. Without --binary, drover's API and inference service run without the rest of a node.
 * See ../README.md.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ok } from "#base";
import { describeMachine, machineFacts } from "../machine/facts.ts";
import { serveBackend } from "./backend.ts";
import { hangingTools, measureHanging, measureHangingTool } from "./hanging.ts";
import { type Effort, measureLatency, measureThroughput } from "./latency.ts";
import { ROLES, type Server, startBackend, startBinary, startStandIn } from "./processes.ts";
import { serveStandIn } from "./stand-in-node.ts";

const USUAL: Effort = { rounds: 6, requests: 200, longTokens: 40_000 };
const QUICK: Effort = { rounds: 2, requests: 100, longTokens: 8_000 };
const SECONDS = 20;
const QUICK_SECONDS = 5;

const [, , role, endpointUrl = ""] = process.argv;
if (role === ROLES.backend) process.stdout.write(`${serveBackend()}\n`);
else if (role === ROLES.standIn) process.stdout.write(`${await serveStandIn(endpointUrl)}\n`);
else process.exitCode = await main();

async function besideHangingTool(binary: string, home: string, backend: Server, seconds: number): Promise<void> {
  const apart = join(home, "tool");
  const node = await startBinary(resolve(binary), apart, backend.url, hangingTools(apart));
  if (!node.ok) throw new Error(node.error);
  await measureHangingTool(node.value, seconds);
  await node.value.stop();
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      hanging: { type: "boolean", default: false },
      rounds: { type: "string" },
      requests: { type: "string" },
      tokens: { type: "string" },
      seconds: { type: "string" },
      binary: { type: "string" },
    },
  });
  const usual = values.quick ? QUICK : USUAL;
  const load: Effort = {
    rounds: Number(values.rounds ?? usual.rounds),
    requests: Number(values.requests ?? usual.requests),
    longTokens: Number(values.tokens ?? usual.longTokens),
  };
  const seconds = Number(values.seconds ?? (values.quick ? QUICK_SECONDS : SECONDS));
  if (![...Object.values(load), seconds].every((number) => Number.isSafeInteger(number) && number >= 1)) {
    console.error("--rounds, --requests, --tokens and --seconds take whole numbers of 1 or more");
    return 2;
  }
  const home = mkdtempSync(join(tmpdir(), "drover-gateway-"));
  const started: { readonly stop: () => Promise<void> }[] = [];
  try {
    console.log(describeMachine(machineFacts(home)));
    const backend = await startBackend(import.meta.path);
    started.push(backend);
    const node = await (values.binary === undefined
      ? startStandIn(import.meta.path, backend.url).then(ok<Server>)
      : startBinary(resolve(values.binary), home, backend.url));
    if (!node.ok) {
      console.error(node.error);
      return 1;
    }
    started.push(node.value);
    console.log(
      values.binary === undefined
        ? "drover: API, gateway and inference service in a process of their own; one endpoint, no polling, no database"
        : `drover: ${values.binary}, configured with one endpoint`,
    );
    if (values.hanging) {
      await measureHanging(backend, node.value, seconds);
      // Only a whole node looks at hardware.
      if (values.binary !== undefined) await besideHangingTool(values.binary, home, backend, seconds);
    } else {
      await measureLatency(backend, node.value, load);
      await measureThroughput(backend, node.value, load);
    }
    console.log(`\nload ${(loadavg()[0] ?? 0).toFixed(2)} at the end`);
    return 0;
  } finally {
    for (const { stop } of started.toReversed()) await stop();
    rmSync(home, { recursive: true, force: true });
  }
}

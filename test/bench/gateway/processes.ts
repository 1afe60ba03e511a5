/** The processes of one measurement: the model server, and drover in front of it. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "#base";
import { MODEL } from "./backend.ts";
import { TOKEN } from "./stand-in-node.ts";

/** An address with the right to ask there. */
export type Server = {
  readonly pid: number;
  readonly url: string;
  readonly token: string;
  readonly stop: () => Promise<void>;
};

/** The words by which main.ts becomes one of these processes. */
export const ROLES = { backend: "serve-backend", standIn: "serve-node" } as const;

const START_LIMIT_MS = 30_000;
const LOOK_EVERY_MS = 20;

export function startBackend(mainPath: string): Promise<Server> {
  return startRole(mainPath, [ROLES.backend]);
}

/** Drover's API and gateway in a process of their own, without the rest of a node. */
export function startStandIn(mainPath: string, endpointUrl: string): Promise<Server> {
  return startRole(mainPath, [ROLES.standIn, endpointUrl]);
}

/** A process that prints its address on its first line, and serves until it is ended. */
async function startRole(mainPath: string, words: readonly string[]): Promise<Server> {
  const child = Bun.spawn([process.execPath, mainPath, ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const url = new TextDecoder().decode(value).trim();
  if (!url.startsWith("http://")) throw new Error(`${words.join(" ")} did not start`);
  return { pid: child.pid, url, token: TOKEN, stop: () => ended(child) };
}

/**
 * The executable, configured with the endpoint alone; ready when its gateway lists the model; else what it said.
 * @param tools a folder whose programs it finds before those of the system
 */
export async function startBinary(
  binary: string,
  home: string,
  endpointUrl: string,
  tools?: string,
): Promise<Result<Server, string>> {
  const state = join(home, "state");
  mkdirSync(state, { recursive: true });
  const config = join(home, "drover.toml");
  // Both limits as far up as requests go here, so that what is measured is the way and not a queue.
  const endpoint = `[[endpoints]]\nname = "bench"\nurl = "${endpointUrl}"\nkind = "ollama"\nparallel = 256\n`;
  await Bun.write(config, `[http]\nport = 0\ngateway = true\n\n[hw]\ndiscover = false\n\n${endpoint}`);
  const child = Bun.spawn([binary, "up", "--state", state, "--config", config], {
    env: { PATH: [tools, process.env["PATH"]].filter(Boolean).join(":"), HOME: home, DROVER_LOG_LEVEL: "warn" },
    cwd: home,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const deadlineMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    const url = readUrl(state);
    if (url !== undefined) {
      const token = readFileSync(join(state, "token"), "utf8").trim();
      if (await offersModel(url, token)) return ok({ pid: child.pid, url, token, stop: () => ended(child) });
    }
    if (child.exitCode !== null || performance.now() > deadlineMs) {
      child.kill("SIGKILL");
      const said = (await new Response(child.stderr).text()).trim();
      return err(`the gateway of ${binary} does not list the model of its endpoint\n${said}`);
    }
    await new Promise((wake) => setTimeout(wake, LOOK_EVERY_MS));
  }
}

async function ended(child: Bun.Subprocess): Promise<void> {
  child.kill("SIGTERM");
  await child.exited;
}

/** The node writes its address into its state folder when it listens. */
function readUrl(state: string): string | undefined {
  const file = join(state, "node.json");
  if (!existsSync(file)) return undefined;
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { readonly url: string }).url; // `as`: written by the node
  } catch {
    return undefined; // it is being written
  }
}

async function offersModel(url: string, token: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/ollama/api/tags`, { headers: { authorization: `Bearer ${token}` } });
    return answer.ok && (await answer.text()).includes(MODEL);
  } catch {
    return false; // it does not listen yet
  }
}

/**
 * The network of a demo: each node in a network namespace of its own, with one link to a bridge that this process is at, where
 * that can be had; else all on loopback. Nothing of the host's own network is touched: the bridge, too, is in a namespace,
 * which goes with the last process in it.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";

/** Set for the process that is within the namespace of the bridge; tells whether it is root of the host or of itself alone. */
const WITHIN = "DROVER_DEMO_NETWORK";
const BRIDGE = "bridge0";
/** RFC 5737, TEST-NET-1: no host of a real network has such an address. */
const PREFIX = "192.0.2";
const BRIDGE_ADDRESS = `${PREFIX}.1`;
const PORT = 7433;
const ORDINARY_USER = 1_000;

/** One node's place in it. */
export type DemoLink = {
  /** What a command of this node is started by. */
  readonly enter: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where this process reaches the node; undefined: where the node says that it is. */
  readonly url: string | undefined;
  /** Takes the link down, or up again; undefined where there is none. */
  readonly set: ((isUp: boolean) => void) | undefined;
};

/** A port of loopback that the kernel chooses. */
export const LOOPBACK: DemoLink = { enter: [], env: { DROVER_HTTP_PORT: "0" }, url: undefined, set: undefined };

export type DemoNetwork = {
  /** Said to whoever watches. */
  readonly notice: string;
  readonly link: () => Promise<DemoLink>;
  /** Lets nodes reach a server that listens on loopback. @returns its address for them */
  readonly relay: (url: string) => string;
  readonly stop: () => void;
};

/**
 * Runs this very program once more within a network namespace, where one can be had without asking anybody.
 * @returns its exit code; undefined where none can be had, or this is that process
 */
export async function withinOwnNetwork(): Promise<number | undefined> {
  if (process.env[WITHIN] !== undefined) return undefined;
  const isRoot = process.getuid?.() === 0;
  const words = isRoot ? ["--net"] : ["--user", "--map-root-user", "--net"];
  if (Bun.which("unshare") === null || Bun.which("nsenter") === null || Bun.which("ip") === null) return undefined;
  // Whether links can be made there, too, and not only namespaces.
  const tried = spawnSync("unshare", [...words, "ip", "link", "add", BRIDGE, "type", "bridge"], { stdio: "ignore" });
  if (tried.status !== 0) return undefined;
  const child = spawn("unshare", [...words, process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, [WITHIN]: isRoot ? "root" : String(process.getuid?.() ?? ORDINARY_USER) },
  });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", pass).on("SIGTERM", pass);
  return new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}

export function demoNetwork(): DemoNetwork {
  const within = process.env[WITHIN];
  return within === undefined ? loopback() : namespaces(within);
}

function loopback(): DemoNetwork {
  return {
    notice: "each node has a loopback port of its own: network namespaces cannot be made here, so no link can be cut",
    link: async () => LOOPBACK,
    relay: (url) => url,
    stop: () => undefined,
  };
}

function namespaces(owner: string): DemoNetwork {
  const holders: ChildProcess[] = [];
  const relays: { stop: (isForced: boolean) => void }[] = [];
  ip("link", "set", "lo", "up");
  ip("link", "add", BRIDGE, "type", "bridge");
  ip("address", "add", `${BRIDGE_ADDRESS}/24`, "dev", BRIDGE);
  ip("link", "set", BRIDGE, "up");
  const link = async (): Promise<DemoLink> => {
    const number = holders.length + 1;
    const [address, port] = [`${PREFIX}.${number + 1}`, `port${number}`];
    const holder = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" });
    holders.push(holder);
    const pid = String(holder.pid);
    await untilApart(pid);
    ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", pid);
    ip("link", "set", port, "master", BRIDGE, "up");
    const inside = ["nsenter", "--target", pid, "--net"];
    for (const words of [
      ["link", "set", "lo", "up"],
      ["address", "add", `${address}/24`, "dev", "eth0"],
      ["link", "set", "eth0", "up"],
    ]) {
      run([...inside, "ip", ...words]);
    }
    const asOwner = owner === "root" ? [] : ["unshare", "--user", `--map-user=${owner}`, `--map-group=${owner}`];
    return {
      enter: [...inside, ...asOwner],
      env: {
        DROVER_HTTP_HOST: "0.0.0.0",
        DROVER_HTTP_PORT: String(PORT),
        DROVER_HTTP_ALLOW_HOSTS: JSON.stringify([address]),
        DROVER_FLEET_URL: `http://${address}:${PORT}`,
      },
      url: `http://${address}:${PORT}`,
      set: (isUp) => ip("link", "set", port, isUp ? "up" : "down"),
    };
  };
  return {
    notice: `each node has a network namespace of its own, with one link to a bridge (${PREFIX}.0/24)`,
    link,
    relay: (url) => {
      const server = relayTo(new URL(url).port);
      relays.push(server);
      return `http://${BRIDGE_ADDRESS}:${server.port}`;
    },
    stop: () => {
      for (const holder of holders) holder.kill("SIGKILL");
      for (const server of relays) server.stop(true);
    },
  };
}

/** Until `unshare` has left this process's network namespace. */
async function untilApart(pid: string): Promise<void> {
  const own = namespaceOf("self");
  for (let look = 0; look < 200; look += 1) {
    const its = namespaceOf(pid);
    if (its !== "" && its !== own) return;
    await Bun.sleep(10);
  }
  throw new Error("a network namespace could not be made");
}

function namespaceOf(pid: string): string {
  return spawnSync("readlink", [`/proc/${pid}/ns/net`], { encoding: "utf8" }).stdout.trim();
}

function relayTo(port: string) {
  return Bun.serve({
    port: 0,
    hostname: BRIDGE_ADDRESS,
    idleTimeout: 0,
    fetch: (request) => {
      const { pathname, search } = new URL(request.url);
      const { method, headers, body } = request;
      return fetch(`http://127.0.0.1:${port}${pathname}${search}`, { method, headers, body });
    },
  });
}

function ip(...words: readonly string[]): void {
  run(["ip", ...words]);
}

function run([program = "", ...words]: readonly string[]): void {
  const { status, stderr } = spawnSync(program, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${words.join(" ")}: ${stderr}`);
}

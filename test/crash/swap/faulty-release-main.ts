/**
 * A release that behaves badly in the way that its version names (`releases/9.0.3-hangs/drover`): compiled once, signed
 * under a version for each kind. It passes its selftest and whatever else it is asked, by becoming the real executable;
 * `drover node` is what it does badly.
 */
import { rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { basename, dirname, join } from "node:path";

/** Put in by the build. */
declare const REAL_EXECUTABLE: string;
declare const SLOW_MS: number;

const CONTROL = "DROVER_CONTROL_SOCKET";
const LISTENING_FD = 3;
/** Long enough that clients have connected to it. */
const CRASH_AFTER_MS = 300;
/** Longer than any limit it meets here. */
const FOR_EVER_MS = 3_600_000;

const args = process.argv.slice(2);
const kind = /^\d+\.\d+\.\d+-(.*)$/.exec(basename(dirname(process.execPath)))?.[1];

if (args[0] === "node") misbehave();
else process.execve?.(REAL_EXECUTABLE, [REAL_EXECUTABLE, ...args], ownEnvironment());

function misbehave(): void {
  switch (kind) {
    case "exits":
      console.error("this release ends at once");
      process.exitCode = 3;
      break;
    case "killed":
      process.kill(process.pid, "SIGKILL");
      break;
    case "hangs":
      setTimeout(() => undefined, FOR_EVER_MS);
      break;
    case "slow":
      setTimeout(() => runReal({}), SLOW_MS);
      break;
    case "crashes":
      runReal({ ready: (end) => setTimeout(end, CRASH_AFTER_MS) });
      break;
    case "fails":
      runReal({
        // It says of itself that it fails each request, as a node does whose handlers throw.
        altered: (message) =>
          message["kind"] === "heartbeat" ? { ...message, serverErrors: message["requests"] } : message,
      });
      break;
    case undefined:
    default:
      runReal({});
  }
}

type Message = Readonly<Record<string, unknown>>;
type Meddling = {
  readonly altered?: (message: Message) => Message;
  /** Called when the node has said that it is ready, with what ends all of this release. */
  readonly ready?: (end: () => void) => void;
};

/** The real node with the same socket, between which and the watchdog this program sits. */
function runReal({ altered = (message) => message, ready }: Meddling): void {
  const path = join(dirname(process.env[CONTROL] ?? ""), "between.sock");
  rmSync(path, { force: true });
  const server = createServer((node) =>
    relay(node, (message) => {
      if (message["kind"] === "ready") ready?.(end);
      return altered(message);
    }),
  );
  server.listen(path, () => {
    const child = Bun.spawn([REAL_EXECUTABLE, ...args], {
      env: { ...ownEnvironment(), [CONTROL]: path },
      stdio: ["inherit", "inherit", "inherit", LISTENING_FD],
    });
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => child.kill(signal));
    endReal = () => child.kill("SIGKILL");
    void child.exited.then((code) => process.exit(code));
  });
}

let endReal = (): void => undefined;

function end(): void {
  console.error("this release crashes");
  endReal();
}

function relay(node: Socket, altered: (message: Message) => Message): void {
  const watchdog = connect(process.env[CONTROL] ?? "");
  let rest = "";
  node.on("data", (bytes) => {
    const lines = (rest + bytes.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    // `as`: each line of the protocol is an object.
    for (const line of lines) watchdog.write(`${JSON.stringify(altered(JSON.parse(line) as Message))}\n`);
  });
  watchdog.on("data", (bytes) => node.write(bytes));
  node.on("close", () => watchdog.end());
  watchdog.on("close", () => node.end());
  node.on("error", () => watchdog.destroy());
  watchdog.on("error", () => node.destroy());
}

function ownEnvironment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value;
  return env;
}

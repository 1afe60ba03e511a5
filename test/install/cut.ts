/**
 * install.sh cut after every byte. Each part is read by a shell of its own (a fork of one dash, which costs a fraction of
 * a process start) whose PATH holds nothing but programs that write down that they were called.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concurrently } from "./concurrently.ts";
import { treeOf } from "./installer-world.ts";

/** A batch on disk holds about as many bytes as this many whole scripts: some ten megabytes. */
const BATCH = 200;
const LANES = 2;
/** Everything the script calls, and the names that a cut last line could be read as. */
const RECORDED =
  "base64 cat chmod cp curl date deluser df env getconf grep gzip head id journalctl ldd ln loginctl m ma mai mkdir mv npm openssl rc-service rm rmdir sed sha256sum shasum sh sleep sync systemctl tail tr uname useradd userdel wc wget";

export type CutResult = { readonly parts: number; readonly faults: readonly string[] };

/** Runs the parts of `script` that end before each of the `lengths`. @returns those that did something. */
export async function runParts(script: Uint8Array, lengths: readonly number[]): Promise<CutResult> {
  const batches: (readonly number[])[] = [];
  for (let at = 0; at < lengths.length; at += BATCH) batches.push(lengths.slice(at, at + BATCH));
  const faults = await concurrently(batches, LANES, (batch) => runBatch(script, batch));
  return { parts: lengths.length, faults: faults.flat() };
}

async function runBatch(script: Uint8Array, lengths: readonly number[]): Promise<readonly string[]> {
  const world = mkdtempSync(join(tmpdir(), "drover-cut-"));
  try {
    const effects = await effectsOf(world, script, lengths);
    if (effects.length === 0) return [];
    if (lengths.length === 1) return [`cut after byte ${lengths[0]}: ${effects.join(", ")}`];
    const half = Math.ceil(lengths.length / 2);
    return [...(await runBatch(script, lengths.slice(0, half))), ...(await runBatch(script, lengths.slice(half)))];
  } finally {
    rmSync(world, { recursive: true, force: true });
  }
}

async function effectsOf(world: string, script: Uint8Array, lengths: readonly number[]): Promise<readonly string[]> {
  const [parts, home, recorders] = ["parts", "home", "bin"].map((name) => join(world, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [parts, home, recorders]) mkdirSync(folder);
  const log = join(world, "calls");
  for (const name of RECORDED.split(" ")) {
    writeFileSync(join(recorders, name), `#!/bin/sh\necho "${name} $*" >>${log}\n`, { mode: 0o755 });
  }
  for (const length of lengths) writeFileSync(join(parts, String(length)), script.subarray(0, length));
  const driver = `for part in ${parts}/*; do (. "$part") </dev/null; done`;
  const child = spawn("/bin/dash", ["-c", driver], {
    cwd: home,
    // With somewhere to install from, so that a part that starts gets far enough to be seen.
    env: { PATH: recorders, HOME: home, TMPDIR: home, DROVER_INSTALL_BASE_URL: "http://127.0.0.1:9" },
    stdio: "ignore",
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", resolve);
  });
  const calls = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  const made = Object.keys(treeOf(home)).map((path) => `made ${path}`);
  return [...calls.map((call) => `called ${call}`), ...made, ...(code === null ? ["the shell was killed"] : [])];
}

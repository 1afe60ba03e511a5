/** A file system of its own with fake service managers, in which install.sh is run. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type CommandFault, writeApplets, writeFakes, writeFault } from "./command-shims.ts";

export const repository = dirname(dirname(import.meta.dirname));
const INSTALLER = join(repository, "install.sh");
/** No run takes longer, whatever hangs: its own limits are a second each. */
const RUN_LIMIT_MS = 60_000;

export type ShellName = "dash" | "bash" | "busybox";

/** Shells that are on this host. Only dash and bash are everywhere that the suite runs. */
export const shells: readonly ShellName[] = (["dash", "bash", "busybox"] as const).filter(
  (name) => Bun.which(name) !== null,
);

export type RunOptions = {
  readonly shell?: ShellName;
  readonly fault?: CommandFault;
  /** Sent to the script and all it started, as a terminal does, when something hangs. */
  readonly signalWhenHung?: "SIGTERM" | "SIGKILL";
  readonly env?: Readonly<Record<string, string>>;
  readonly script?: string;
};

export type RunEnd = { readonly code: number | null; readonly output: string; readonly timedOut: boolean };

export class InstallerWorld {
  readonly path = mkdtempSync(join(tmpdir(), "drover-install-"));
  /** What stands for / in it. */
  readonly root = join(this.path, "root");
  readonly #stub = join(this.path, "stub");
  readonly #applets = join(this.path, "applets");

  constructor() {
    mkdirSync(join(this.root, "run/systemd/system"), { recursive: true });
    mkdirSync(join(this.root, "home/user"), { recursive: true });
    writeFileSync(join(this.root, "home/user/notes.txt"), "was here before\n");
    mkdirSync(join(this.root, "etc/systemd/system"), { recursive: true });
    mkdirSync(join(this.root, "usr/local/bin"), { recursive: true });
    mkdirSync(this.#stub, { recursive: true });
    writeFakes(join(this.path, "fakes"));
    if (shells.includes("busybox")) writeApplets(this.#applets);
  }

  /** The executable of a user's installation. */
  get bin(): string {
    return join(this.root, "home/user/.local/bin/drover");
  }

  /** Version that the fake service manager started last, while it runs. */
  get active(): string | undefined {
    return this.stubFile("active");
  }

  stubFile(name: string): string | undefined {
    try {
      return readFileSync(join(this.#stub, name), "utf8").trim();
    } catch {
      return undefined;
    }
  }

  /** Runs install.sh to its end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<RunEnd> {
    const shell = options.shell ?? "dash";
    const base = `${join(this.path, "fakes")}:${shell === "busybox" ? this.#applets : "/usr/bin:/bin:/usr/sbin:/sbin"}`;
    const shims = join(this.path, "shims");
    rmSync(shims, { recursive: true, force: true });
    rmSync(join(this.#stub, "count"), { force: true });
    if (options.fault !== undefined) writeFault(shims, options.fault, base);
    const program = Bun.which(shell) ?? shell;
    const words = [...(shell === "busybox" ? ["ash"] : []), options.script ?? INSTALLER, "--root", this.root, ...args];
    const child = spawn(program, words, {
      cwd: this.path,
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: {
        PATH: `${shims}:${base}`,
        HOME: "/home/user",
        STUB_WORLD: this.#stub,
        STUB_ROOT: this.root,
        DROVER_INSTALL_READY_SECONDS: "1",
        ...options.env,
      },
    });
    return ended(child, options.signalWhenHung);
  }

  /** Every file, folder and link below the root, with mode and content. */
  tree(): Readonly<Record<string, string>> {
    return treeOf(this.root);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

async function ended(child: ReturnType<typeof spawn>, signal: NodeJS.Signals | undefined): Promise<RunEnd> {
  let output = "";
  let timedOut = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const signalAll = (name: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // Nothing of it is left.
    }
  };
  child.stdio[3]?.on("data", () => {
    if (signal !== undefined) signalAll(signal);
  });
  const timer = setTimeout(() => {
    timedOut = true;
    signalAll("SIGKILL");
  }, RUN_LIMIT_MS);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", resolve);
  });
  clearTimeout(timer);
  // What hangs in the background keeps the pipes open.
  signalAll("SIGKILL");
  await Promise.all([child.stdout, child.stderr].map((stream) => closed(stream)));
  return { code, output, timedOut };
}

async function closed(stream: ReturnType<typeof spawn>["stdout"]): Promise<void> {
  if (stream === null || stream.closed) return;
  await new Promise<void>((resolve) => stream.on("close", () => resolve()));
}

/** Paths below a folder, with what is there. */
export function treeOf(folder: string, below = ""): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(join(folder, below))) {
    const path = join(below, name);
    const stat = lstatSync(join(folder, path));
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isDirectory()) {
      found[path] = `folder ${mode}`;
      Object.assign(found, treeOf(folder, path));
    } else if (stat.isSymbolicLink()) {
      found[path] = `link ${readlinkSync(join(folder, path))}`;
    } else {
      const hash = createHash("sha256")
        .update(readFileSync(join(folder, path)))
        .digest("hex");
      found[path] = `file ${mode} ${hash}`;
    }
  }
  return found;
}

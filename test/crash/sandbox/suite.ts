/** Runs attacks and ordinary work as commands of a task, in one mode; the process that does so plays the worker. */
import { openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandRun, runCommand } from "../../../src/execution/io/command.ts";
import { libc } from "../../../src/execution/io/libc.ts";
import { startProcess } from "../../../src/execution/io/start-process.ts";
import { EgressProxy } from "../../../src/execution/sandbox/io/egress-proxy.ts";
import { makePrivateFolder } from "../../../src/execution/sandbox/io/private-folder.ts";
import { sandboxedStart } from "../../../src/execution/sandbox/io/start-sandboxed.ts";
import { sandboxSupport } from "../../../src/execution/sandbox/io/support.ts";
import type { SandboxLimits } from "../../../src/execution/sandbox/launch-order.ts";
import { checkNetwork, type SandboxMode } from "../../../src/execution/sandbox/policy.ts";
import { StopSwitch } from "../../../src/execution/stop-switch.ts";
import { realClock } from "../../support/real-clock.ts";
import type { Attack } from "./attack.ts";
import { ATTACKS_BY_PERSISTENCE, ATTACKS_FROM_WORKTREE } from "./attacks-by-persistence.ts";
import { ATTACKS_ON_FILES } from "./attacks-on-files.ts";
import { ATTACKS_ON_KERNEL } from "./attacks-on-kernel.ts";
import { ATTACKS_ON_ALLOW_LIST, ATTACKS_ON_NETWORK } from "./attacks-on-network.ts";
import { ATTACKS_ON_PROCESSES } from "./attacks-on-processes.ts";
import { ATTACKS_ON_RESOURCES } from "./attacks-on-resources.ts";
import { ORDINARY_WORK } from "./ordinary-work.ts";
import { perlNumbers, resetWorld, type World, type WorldFacts } from "./world.ts";

/** One way to run everything. `none` is the control. */
export type Setting = { readonly mode: SandboxMode | "none"; readonly landlockAbi?: number };

export type SuiteOrder = {
  readonly facts: WorldFacts;
  readonly settings: readonly Setting[];
  /** The executable's hidden part, and what it is read from. */
  readonly launcher: readonly string[];
  readonly launcherPaths: readonly string[];
  /** How many runs of an empty command are timed. */
  readonly timedRuns: number;
  /** Only each n-th attack; 1 for all. */
  readonly share: number;
  /** How long each command may take. */
  readonly wallMs: number;
};

export type SettingReport = {
  readonly setting: Setting;
  /** Why nothing was run. */
  readonly notRun?: string;
  readonly attacks: number;
  readonly succeeded: readonly string[];
  readonly sights: readonly string[];
  readonly brokenWork: readonly string[];
  /** Attacks that the worker itself ends, sandbox or not. */
  readonly byWorker: readonly string[];
  readonly latencyMs: readonly number[];
};

type Group = {
  readonly title: string;
  readonly attacks: readonly Attack[];
  readonly where: "ws" | "linked";
  readonly allowList: boolean;
};

export const GROUPS: readonly Group[] = [
  { title: "files", attacks: ATTACKS_ON_FILES, where: "ws", allowList: false },
  { title: "processes", attacks: ATTACKS_ON_PROCESSES, where: "ws", allowList: false },
  { title: "network", attacks: ATTACKS_ON_NETWORK, where: "ws", allowList: false },
  { title: "allow-list", attacks: ATTACKS_ON_ALLOW_LIST, where: "ws", allowList: true },
  { title: "kernel", attacks: ATTACKS_ON_KERNEL, where: "ws", allowList: false },
  { title: "resources", attacks: ATTACKS_ON_RESOURCES, where: "ws", allowList: false },
  { title: "persistence", attacks: ATTACKS_BY_PERSISTENCE, where: "ws", allowList: false },
  { title: "worktree", attacks: ATTACKS_FROM_WORKTREE, where: "linked", allowList: false },
];

/** All attacks, as reports name them. */
export const ATTACK_NAMES: readonly string[] = GROUPS.flatMap(({ title, attacks }) =>
  attacks.map(({ name }) => `${title}: ${name}`),
);

/** Small, so that an attack on them is over soon. */
const LIMITS: SandboxLimits = {
  cpuSeconds: 2,
  fileBytes: 200 * 1024 * 1024,
  memoryBytes: 1024 * 1024 * 1024,
  addressSpaceBytes: null,
  openFiles: 1_024,
  processes: 200,
};
const OUTPUT_BYTES = 2 * 1024 * 1024;
/** In the control root's git works in folders of another user's; in the sandbox drover says that it may. */
const TRUSTING = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "safe.directory", GIT_CONFIG_VALUE_0: "*" };
const MARKER = "attacks-under-test";

export class Suite {
  readonly #order: SuiteOrder;
  readonly #adoptsOrphans: boolean;
  readonly #leftOpen: number;
  #proxy: EgressProxy | undefined;

  constructor(order: SuiteOrder) {
    this.#order = order;
    this.#adoptsOrphans = libc?.becomeSubreaper() ?? false;
    this.#leftOpen = openSync(join(order.facts.outside, "secret"), "r");
  }

  async run(setting: Setting): Promise<SettingReport> {
    const support = sandboxSupport();
    const empty = { setting, attacks: 0, succeeded: [], sights: [], brokenWork: [], byWorker: [], latencyMs: [] };
    const capability = setting.mode === "none" ? undefined : support.modes[setting.mode];
    if (capability?.available === false) return { ...empty, notRun: capability.reason };
    const proxy = this.#openProxy();
    const report = {
      succeeded: [] as string[],
      sights: [] as string[],
      brokenWork: [] as string[],
      byWorker: [] as string[],
    };
    let count = 0;
    for (const group of GROUPS) {
      // Where nothing would hold a command to the list, attempts with one are refused.
      if (group.allowList && setting.mode !== "none" && !checkNetwork("allow", setting.mode, support).ok) continue;
      for (const attack of group.attacks.filter((_, index) => index % this.#order.share === 0)) {
        const world = this.#world();
        resetWorld(world);
        const run = await this.#attack(attack, group, setting, world);
        count += 1;
        const name = `${group.title}: ${attack.name}`;
        if (attack.succeeded?.(world, run) ?? succeededByExit(run)) {
          (attack.harm === "content" ? report.succeeded : report.sights).push(name);
        }
        if (attack.byWorker === true) report.byWorker.push(name);
        if (setting.mode === "none") continue;
        resetWorld(world);
        const work = ORDINARY_WORK[count % ORDINARY_WORK.length];
        if (work !== undefined && !(await this.#works(work.script, setting)))
          report.brokenWork.push(`${work.name} (after ${name})`);
      }
    }
    const latencyMs = await this.#timed(setting);
    proxy.close();
    return { setting, attacks: count, ...report, latencyMs };
  }

  #openProxy(): EgressProxy {
    const { tcpPort } = this.#order.facts;
    this.#proxy = new EgressProxy({
      clock: realClock,
      rules: [
        { host: "example.org", wildcard: true, ports: [80, 443, tcpPort] },
        { host: "allowed.example.org", wildcard: false, ports: [80, 443, tcpPort] },
      ],
      resolve: () => Promise.resolve(["127.0.0.1"]),
    });
    return this.#proxy;
  }

  #world(): World {
    const { facts, launcher } = this.#order;
    return {
      ...facts,
      harnessPid: process.pid,
      leftOpen: this.#leftOpen,
      runtime: launcher.slice(0, 1),
      python: "/usr/bin/python3",
      perlNumbers: perlNumbers(),
      runs: (suffix) => runsNow(`${facts.name}${suffix}`),
    };
  }

  #attack(attack: Attack, group: Group, setting: Setting, world: World): Promise<CommandRun> {
    const command = attack.command(world);
    const where = group.where === "ws" ? world.workspace : world.linked;
    return this.#command(typeof command === "string" ? ["sh", "-c", command] : command, setting, {
      where,
      allowList: group.allowList,
      environment: attack.environment ?? {},
    });
  }

  async #works(script: string, setting: Setting): Promise<boolean> {
    const { workspace } = this.#order.facts;
    const place = { where: workspace, allowList: false, environment: {} };
    return succeededByExit(await this.#command(["sh", "-c", script], setting, place));
  }

  async #timed(setting: Setting): Promise<readonly number[]> {
    const times: number[] = [];
    for (let run = 0; run < this.#order.timedRuns; run += 1) {
      const place = { where: this.#order.facts.workspace, allowList: false, environment: {} };
      times.push((await this.#command(["sh", "-c", "exit 0"], setting, place)).durationMs);
    }
    return times;
  }

  #command(
    command: readonly string[],
    setting: Setting,
    place: { where: string; allowList: boolean; environment: Readonly<Record<string, string>> },
  ): Promise<CommandRun> {
    const { facts } = this.#order;
    const env = {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: facts.workspace,
      DROVER_ATTEMPT_TOKEN: MARKER,
      ...(setting.mode === "none" ? TRUSTING : {}),
      ...place.environment,
    };
    const start = setting.mode === "none" ? startProcess : this.#sandboxed(setting.mode, setting, place);
    return runCommand(
      { command, cwd: place.where, env, wallMs: this.#order.wallMs, outputBytes: OUTPUT_BYTES },
      { clock: realClock, start, stop: new StopSwitch(), marker: MARKER, adoptsOrphans: this.#adoptsOrphans },
    );
  }

  #sandboxed(mode: SandboxMode, setting: Setting, place: { where: string; allowList: boolean }): typeof startProcess {
    const { facts, launcher, launcherPaths } = this.#order;
    const user = process.getuid?.() === 0 ? facts.user : null;
    const privateFolder = join(facts.state, "private/t_1");
    const made = makePrivateFolder(privateFolder, user);
    if (!made.ok) throw new Error(made.error.message);
    return sandboxedStart(startProcess, {
      policy: {
        mode,
        workspace: place.where,
        readWrite: [],
        readOnly: [],
        privateFolder,
        hidden: [facts.state],
        network: place.allowList ? { kind: "allow", proxyPort: facts.proxyPort } : { kind: "none" },
        limits: LIMITS,
        user,
        ...(setting.landlockAbi === undefined ? {} : { highestLandlockAbi: setting.landlockAbi }),
      },
      support: sandboxSupport(),
      proxy: this.#proxy,
      launcher,
      launcherPaths,
      passedVariables: [],
      onTampering: () => undefined,
    });
  }
}

function succeededByExit(run: CommandRun): boolean {
  return run.end.kind === "exited" && run.end.exitCode === 0;
}

function runsNow(text: string): boolean {
  return readdirSync("/proc").some((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").includes(text);
    } catch {
      return false; // Ended meanwhile.
    }
  });
}

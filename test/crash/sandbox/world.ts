/**
 * What the attacks aim at: files, sockets, processes and repositories that the user of the commands may use, were it
 * not for the sandbox. Made by the harness, read by the process that plays the worker.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { giveAll } from "../../../src/execution/sandbox/io/sandbox-user.ts";
import {
  type SandboxArch,
  SYSCALL_NAMES,
  sandboxArch,
  syscallNumber,
} from "../../../src/execution/sandbox/syscall-table.ts";

/** Where attacks leave a file named after the world: without a sandbox, as root, they can. */
const SHARED = ["/dev/shm", "/tmp", "/var/tmp", "/etc/cron.d"];

/** As the sandbox keeps it for each attempt. */
export const BASELINE = "private/other/git-baseline-of-another.json";

/** Plain data: it travels to the worker's process as JSON. */
export type WorldFacts = {
  readonly name: string;
  readonly base: string;
  readonly outside: string;
  readonly state: string;
  readonly workspace: string;
  readonly repository: string;
  readonly linked: string;
  readonly linkedGitDir: string;
  readonly linkedGitFile: string;
  readonly datagramPath: string;
  readonly hostname: string;
  readonly victimPid: number;
  readonly tcpPort: number;
  readonly tcp6Port: number;
  readonly udpPort: number;
  /** Of the sandbox's proxy; in the network of the host a server listens there that serves everybody. */
  readonly proxyPort: number;
  readonly ipcKey: number;
  readonly user: { readonly uid: number; readonly gid: number };
};

export type World = WorldFacts & {
  readonly harnessPid: number;
  readonly leftOpen: number;
  /** The executable under test, as a JavaScript runtime. */
  readonly runtime: readonly string[];
  /** The system's own; a path that does not exist where there is none. */
  readonly python: string;
  readonly perlNumbers: string;
  /** Whether a process is there whose command line holds the world's name and this. */
  readonly runs: (suffix: string) => boolean;
};

/** Calls that attacks make and the sandbox has no rule for: [x64, arm64]. */
const MORE_CALLS = {
  kill: [62, 129],
  memfd_create: [319, 279],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
} as const;

/** @returns the numbers of this machine as a perl hash; -1 for what it does not have. */
export function perlNumbers(): string {
  const arch: SandboxArch = sandboxArch(process.arch) ?? "x64";
  const known = SYSCALL_NAMES.map((name) => `${name}=>${syscallNumber(arch, name) ?? -1}`);
  const more = Object.entries(MORE_CALLS).map(([name, [x64, arm64]]) => `${name}=>${arch === "x64" ? x64 : arm64}`);
  return `%n=(${[...known, ...more].join(",")});`;
}

export type MadeWorld = { readonly facts: WorldFacts; readonly dispose: () => Promise<void> };

/** @param user to whom everything belongs */
export async function makeWorld(user: { uid: number; gid: number }): Promise<MadeWorld> {
  // Root's view of /tmp is its own in mode kernel; elsewhere nothing but the rules on paths protects.
  const base = mkdtempSync(process.getuid?.() === 0 ? "/var/lib/drover-attacks-" : "/var/tmp/drover-attacks-");
  chmodSync(base, 0o755);
  const name = base.slice(base.lastIndexOf("/") + 1);
  const outside = join(base, "work", "outside");
  const state = join(base, "state");
  const repository = join(base, "work", "repo");
  const linked = join(base, "work", "linked");
  for (const folder of ["work", "state/attempts/t_1-1", "state/workspaces/other", "state/private/other"].map((one) =>
    join(base, one),
  ))
    mkdirSync(folder, { recursive: true });
  makeOutside(outside, "template");
  writeFileSync(join(state, "drover.db"), "PRIVATE\n");
  writeFileSync(join(state, "attempts/t_1-1/assignment.json"), "PRIVATE\n");
  writeFileSync(join(state, "workspaces/other/file"), "PRIVATE\n");
  writeFileSync(join(state, BASELINE), "{}\n");
  writeFileSync(`/dev/shm/${name}-secret`, "PRIVATE\n", { mode: 0o644 });
  makeRepository(join(base, "template"));
  makeRepository(join(base, "template/vendor/x"));
  mkdirSync(join(base, "template/vendor/sub"));
  writeFileSync(join(base, "template/vendor/sub/.git"), "gitdir: ../../.git/modules/sub\n");
  makeRepository(repository);
  git(repository, "worktree", "add", "-q", "--detach", linked);
  cpSync(join(base, "template"), join(base, "work", "ws"), { recursive: true });
  cpSync(join(base, "work"), join(base, "pristine"), { recursive: true });
  giveAll(base, user);

  const ipcKey = 0x64_72_00_00 + (process.pid & 0xffff);
  const victim = Bun.spawn(["perl", "-e", victimScript(ipcKey, join(outside, "datagram.sock"))], {
    cwd: outside,
    env: { VICTIM_SECRET: "PRIVATE", PATH: "/usr/bin:/bin" },
    stdio: [Bun.file(join(outside, "secret")), "pipe", "inherit"],
    uid: user.uid,
    gid: user.gid,
  });
  await victim.stdout.getReader().read(); // It says so when it is ready.
  const servers = [
    await listen({ host: "127.0.0.1", port: 0 }),
    await listen({ host: "::1", port: 0 }),
    await listen({ path: join(outside, "docker.sock") }),
    await listen({ path: join(state, "node.sock") }),
    await listen({ path: `\0${name}` }),
  ];
  for (const path of [join(outside, "docker.sock"), join(state, "node.sock")]) chmodSync(path, 0o777);
  // On each address: 127.0.0.2 stands for a server elsewhere.
  const openProxy = await listen({ host: "0.0.0.0", port: 0 }, "HTTP/1.1 200 OK\r\n\r\n");
  const udp = await Bun.udpSocket({ hostname: "127.0.0.1" });
  return {
    facts: {
      name,
      base,
      outside,
      state,
      workspace: join(base, "work", "ws"),
      repository,
      linked,
      linkedGitDir: join(repository, ".git/worktrees/linked"),
      linkedGitFile: readFileSync(join(linked, ".git"), "utf8"),
      datagramPath: join(outside, "datagram.sock"),
      hostname: hostname(),
      victimPid: victim.pid,
      tcpPort: portOf(servers[0]),
      tcp6Port: portOf(servers[1]),
      udpPort: udp.port,
      proxyPort: portOf(openProxy),
      ipcKey,
      user,
    },
    dispose: async () => {
      victim.kill("SIGTERM"); // It removes its shared memory and queue.
      await victim.exited;
      for (const server of [...servers, openProxy]) server.close();
      udp.close();
      rmSync(base, { recursive: true, force: true });
      for (const suffix of ["secret", "new"])
        for (const folder of SHARED) rmSync(`${folder}/${name}-${suffix}`, { force: true });
    },
  };
}

/** Everything that an attack may have changed is as in the beginning again. Sockets and the victim stay. */
export function resetWorld(world: WorldFacts): void {
  const pristine = join(world.base, "pristine");
  for (const part of ["ws", "repo", "linked"]) {
    spawnSync("chmod", ["-R", "u+rwX", join(world.base, "work", part)]); // An attack may have closed folders.
    rmSync(join(world.base, "work", part), { recursive: true, force: true });
    cpSync(join(pristine, part), join(world.base, "work", part), { recursive: true, verbatimSymlinks: true });
    if (process.getuid?.() === 0) giveAll(join(world.base, "work", part), world.user);
  }
  for (const leftover of ["new", "home", "precious", "precious-program", "mode"])
    rmSync(join(world.outside, leftover), { recursive: true, force: true });
  makeOutside(world.outside, "again");
  for (const folder of SHARED) rmSync(`${folder}/${world.name}-new`, { force: true });
  rmSync(join(world.state, "workspaces/other/new"), { force: true });
  writeFileSync(join(world.state, BASELINE), "{}\n");
  if (process.getuid?.() === 0) giveAll(world.outside, world.user);
}

function makeOutside(outside: string, how: "template" | "again"): void {
  mkdirSync(join(outside, "home/.ssh"), { recursive: true });
  writeFileSync(join(outside, "home/.ssh/id_ed25519"), "PRIVATE\n");
  writeFileSync(join(outside, "precious"), "PRECIOUS\n");
  writeFileSync(join(outside, "precious-program"), "PROGRAM\n");
  writeFileSync(join(outside, "mode"), "", { mode: 0o644 });
  if (how === "again") return;
  writeFileSync(join(outside, "secret"), "PRIVATE\n");
  cpSync("/bin/true", join(outside, "program"), { dereference: true });
  writeFileSync(join(outside, "script"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
}

function makeRepository(path: string): void {
  mkdirSync(path, { recursive: true });
  git(path, "init", "-q");
  writeFileSync(join(path, "README.md"), "hello\n");
  writeFileSync(join(path, ".git/hooks/kept"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  git(path, "add", ".");
  git(path, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "first");
}

function git(cwd: string, ...args: readonly string[]): void {
  const done = spawnSync("git", args, { cwd, env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: cwd } });
  if (done.status !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr.toString()}`);
}

/** A process of the same user: with shared memory, a queue, and a datagram socket that it reads. */
function victimScript(ipcKey: number, socketPath: string): string {
  return `use Socket; $i = shmget(${ipcKey}, 16, 0666 | 512); shmwrite($i, "PRIVATE", 0, 7); $q = msgget(${ipcKey}, 0666 | 512);
$SIG{TERM} = sub { shmctl($i, 0, 0); msgctl($q, 0, 0); exit 0 };
socket(D, AF_UNIX, SOCK_DGRAM, 0); bind(D, pack_sockaddr_un("${socketPath}")); chmod 0777, "${socketPath}";
$| = 1; print "ready\\n"; while (1) { recv(D, $b, 64, 0) }`;
}

function listen(where: { host: string; port: number } | { path: string }, greeting = "hello\r\n"): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", () => socket.end(greeting));
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => resolve(server));
  });
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  return address === null || address === undefined || typeof address === "string" ? 0 : address.port;
}

import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { containing } from "./containing.ts";
import { InstallerWorld, type RunEnd, type RunOptions } from "./installer-world.ts";
import { makeKeys, pemOf } from "./release-folder.ts";
import { NEW, OLD, workingVersion } from "./scenario.ts";
import { openSource } from "./source.ts";
import { stubDrover } from "./stub-drover.ts";

const LIMIT_MS = 90_000;
const cutPaths = new Map<string, (bytes: Uint8Array) => Uint8Array>();
const source = openSource((path, bytes) => {
  const change = cutPaths.get(path);
  return change === undefined ? undefined : new Response(change(bytes) as Uint8Array<ArrayBuffer>);
});
afterAll(source.close);

const worlds: InstallerWorld[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world.remove();
  cutPaths.clear();
});

/** A world, and a way to run the script there with the source's key. */
function open(): {
  world: InstallerWorld;
  install: (args: readonly string[], options?: RunOptions) => Promise<RunEnd>;
} {
  const world = new InstallerWorld();
  worlds.push(world);
  const key = join(world.path, "root.pem");
  writeFileSync(key, pemOf(source.keys.root.publicKey));
  const install = (args: readonly string[], options?: RunOptions) =>
    world.run(["--user", "--base-url", source.url, "--root-key", key, ...args], options);
  return { world, install };
}

describe("install.sh of a good release", () => {
  it("installs, says what it checked, and starts the service", { timeout: LIMIT_MS }, async () => {
    const { world, install } = open();

    const { code, output } = await install(["--version", NEW]);

    expect({ code, works: workingVersion(world), active: world.active }).toEqual({ code: 0, works: NEW, active: NEW });
    const lines = output.split("\n").filter((line) => line !== "" && !line.startsWith("fetching http://127.0.0.1"));
    expect(lines).toEqual([
      `testing drover ${NEW}`,
      "starting the service",
      `drover ${NEW} is installed at /home/user/.local/bin/drover`,
      "checked: signature, size and hash",
      "it stops when you log out, unless: loginctl enable-linger",
      '/home/user/.local/bin is not in PATH; add it: export PATH="/home/user/.local/bin:$PATH"',
    ]);
  });

  it("prints with --dry-run exactly the files and folders that it then makes, and makes none", {
    timeout: LIMIT_MS,
  }, async () => {
    const { world, install } = open();
    const before = world.tree();

    const plan = await install(["--version", NEW, "--dry-run"]);
    const afterPlan = world.tree();
    await install(["--version", NEW]);

    const planned = [...plan.output.matchAll(/^(?:file|folder) +(.*)$/gm)].map((match) => match[1] ?? "");
    const made = Object.keys(world.tree()).filter((path) => before[path] === undefined && !path.includes(".wants"));
    expect(afterPlan).toEqual(before);
    expect(planned.toSorted()).toEqual(made.map((path) => join(world.root, path)).toSorted());
  });

  it("changes nothing when run again, and starts nothing again", { timeout: LIMIT_MS }, async () => {
    const { world, install } = open();
    await install(["--version", NEW]);
    const [tree, calls] = [world.tree(), world.stubFile("calls") ?? ""];

    const again = await install(["--version", NEW]);

    expect(again.output).toContain(`drover ${NEW} is installed already`);
    expect(world.tree()).toEqual(tree);
    expect((world.stubFile("calls") ?? "").slice(calls.length)).not.toContain("restart");
  });

  it("keeps state and configuration at --uninstall, and removes them with --purge", { timeout: LIMIT_MS }, async () => {
    const { world, install } = open();
    await install(["--version", NEW]);
    const state = join(world.root, "home/user/.local/state/drover/drover.db");
    writeFileSync(state, "rows");

    const kept = await install(["--uninstall"]);
    const stillThere = readFileSync(state, "utf8");
    await install(["--uninstall", "--purge"]);

    expect({ code: kept.code, stillThere, works: workingVersion(world) }).toEqual({
      code: 0,
      stillThere: "rows",
      works: undefined,
    });
    expect(Object.keys(world.tree()).filter((path) => path.includes("drover"))).toEqual([]);
  });

  it("installs a folder, a packed file and a plain file without a network", { timeout: LIMIT_MS }, async () => {
    for (const name of ["", "drover-linux-x64.gz", "drover-linux-x64"]) {
      const { world, install } = open();

      const { code, output } = await install(["--offline", join(source.folder, NEW, name), "--target", "linux-x64"]);

      expect({ name, code, works: workingVersion(world) }).toEqual({ name, code: 0, works: NEW });
      expect(output).toContain("checked: signature");
    }
  });

  it("says plainly what was not checked of a file that came alone", { timeout: LIMIT_MS }, async () => {
    const { world, install } = open();
    const alone = join(world.path, "alone");
    writeFileSync(alone, stubDrover(NEW));

    const taken = await install(["--offline", alone]);
    const refused = await install(["--offline", alone, "--require-signature"]);

    expect(taken.output).toContain("not checked: hash and signature");
    expect([taken.code, refused.code]).toEqual([0, 5]);
  });

  it("hands the token of --join to the new drover by its standard input", { timeout: LIMIT_MS }, async () => {
    const { world, install } = open();

    const { code } = await install(["--version", NEW, "--join", "t0ken@https://hub.example"]);

    expect({ code, joined: world.stubFile("joined") }).toEqual({ code: 0, joined: "t0ken@https://hub.example" });
  });
});

describe("install.sh of a bad release", () => {
  /** Each is met over a version that works and runs. */
  const refused: readonly (readonly [string, number, string, () => readonly string[]])[] = [
    [
      "of which a file has other bytes of the same length",
      5,
      "the hash of drover-",
      () => {
        cutPaths.set(`/${NEW}/drover-linux-x64.gz`, (bytes) => bytes.with(40, (bytes[40] ?? 0) ^ 1));
        return ["--version", NEW];
      },
    ],
    [
      "of which a file was cut",
      5,
      "bytes instead of",
      () => {
        cutPaths.set(`/${NEW}/drover-linux-x64.gz`, (bytes) => bytes.subarray(0, 100));
        return ["--version", NEW];
      },
    ],
    [
      "whose list of hashes was changed",
      5,
      "the signature of SHA256SUMS is wrong",
      () => {
        cutPaths.set(`/${NEW}/SHA256SUMS`, (bytes) => Buffer.concat([bytes, Buffer.from("\n")]));
        return ["--version", NEW];
      },
    ],
    [
      "whose signature is missing",
      5,
      "SHA256SUMS.sig is missing",
      () => {
        rmSync(join(source.add("unsigned", NEW), "SHA256SUMS.sig"));
        return ["--channel", "unsigned"];
      },
    ],
    [
      "signed by a key that no root certified",
      5,
      "no known root key",
      () => {
        source.add("foreign", NEW, { keys: makeKeys() });
        return ["--channel", "foreign"];
      },
    ],
    [
      "whose certificate is of another key",
      5,
      "not the key that was certified",
      () => {
        source.add("swapped", NEW, { certifiedKey: generateKeyPairSync("ed25519").publicKey });
        return ["--channel", "swapped"];
      },
    ],
    [
      "whose certificate has expired",
      5,
      "has expired",
      () => {
        source.add("old-key", NEW, { keyNotAfterMs: Date.now() - 1_000_000 });
        return ["--channel", "old-key"];
      },
    ],
    [
      "that has expired",
      5,
      "its manifest has expired",
      () => {
        source.add("expired", NEW, { expiresAtMs: Date.now() - 1_000_000 });
        return ["--channel", "expired"];
      },
    ],
    [
      "that is older than what is installed",
      5,
      "is older than",
      () => {
        source.add("replayed", "0.9.0");
        return ["--channel", "replayed"];
      },
    ],
    [
      "that holds another version than it says",
      5,
      "its manifest says",
      () => {
        source.add("liar", "3.0.0", { executable: Buffer.from(stubDrover(NEW)) });
        return ["--channel", "liar"];
      },
    ],
    [
      "for other kinds of host",
      4,
      "no drover for linux-x64",
      () => {
        source.add("other", NEW, { targets: ["linux-arm64"] });
        return ["--channel", "other"];
      },
    ],
    ["that is not there", 4, "could not be fetched", () => ["--version", "9.9.9"]],
    [
      "that does not start",
      6,
      "libmissing",
      () => {
        source.add("dead", NEW, { executable: Buffer.from(stubDrover(NEW, "does-not-start")) });
        return ["--channel", "dead"];
      },
    ],
    [
      "that hangs",
      6,
      "does not start here",
      () => {
        source.add("hangs", NEW, { executable: Buffer.from(stubDrover(NEW, "hangs")) });
        return ["--channel", "hangs"];
      },
    ],
    [
      "that fails its selftest",
      6,
      "databases: FAILED",
      () => {
        source.add("sick", NEW, { executable: Buffer.from(stubDrover(NEW, "fails-selftest")) });
        return ["--channel", "sick"];
      },
    ],
    [
      "that never becomes ready",
      8,
      "was not ready",
      () => {
        source.add("lazy", NEW, { executable: Buffer.from(stubDrover(NEW, "never-ready")) });
        return ["--channel", "lazy"];
      },
    ],
  ];

  it.each(refused)(
    "%s: ends with %i and leaves the old version running",
    { timeout: LIMIT_MS },
    async (_, code, words, prepare) => {
      const { world, install } = open();
      await install(["--version", OLD, "--target", "linux-x64"]);
      const tree = world.tree();

      const ended = await install([...prepare(), "--target", "linux-x64"], {
        env: { DROVER_INSTALL_LIMIT_SECONDS: "3" },
      });

      expect({ code: ended.code, output: ended.output }).toEqual({ code, output: containing(words) });
      expect({ works: workingVersion(world), active: world.active }).toEqual({ works: OLD, active: OLD });
      expect(world.tree()).toEqual(tree);
    },
  );

  it("leaves nothing at all where there was nothing before", { timeout: LIMIT_MS }, async () => {
    source.add("lazy-fresh", NEW, { executable: Buffer.from(stubDrover(NEW, "never-ready")) });
    const { world, install } = open();
    const before = world.tree();

    const { code } = await install(["--channel", "lazy-fresh"]);

    expect(code).toBe(8);
    expect(world.tree()).toEqual(before);
  });
});

describe("install.sh before it does anything", () => {
  it.each([
    ["without a source", ["--user"], 2, "where is drover to come from"],
    ["with an unknown option", ["--prefiks", "/x"], 2, "no option --prefiks"],
    ["with a prefix that needs quoting", ["--user", "--offline", ".", "--prefix", "/a b"], 2, "may hold letters"],
    ["from another host over plain http, without a key", ["--user", "--base-url", "http://192.0.2.1"], 5, "plain http"],
    ["with --purge alone", ["--user", "--purge"], 2, "--purge belongs"],
    ["with a target that is none", ["--offline", ".", "--target", "beos"], 2, "no target beos"],
  ] as const)("%s: says what is wrong and changes nothing", async (_, args, code, words) => {
    const { world } = open();
    const before = world.tree();

    const ended = await world.run(args);

    expect({ code: ended.code, output: ended.output }).toEqual({ code, output: containing(words) });
    expect(world.tree()).toEqual(before);
  });

  it("takes every exit code that it uses from its own help", () => {
    const script = readFileSync(join(import.meta.dirname, "../../install.sh"), "utf8");
    const used = new Set([...script.matchAll(/\bfail (\d+) /g)].map((match) => Number(match[1])));
    const documented = [...script.matchAll(/^ {1,2}(\d+) {2}[a-z]/gm)].map((match) => Number(match[1]));

    expect([...used].filter((code) => !documented.includes(code))).toEqual([]);
    expect(used.size).toBeGreaterThan(7);
  });

  it("refuses to run beside another installation, and takes over from one that was killed", {
    timeout: LIMIT_MS,
  }, async () => {
    const { world, install } = open();
    const work = join(world.root, "home/user/.local/bin/.drover-install");
    mkdirSync(work, { recursive: true });
    writeFileSync(join(work, "pid"), `${process.pid}\n`);

    const beside = await install(["--version", NEW]);
    // No process has this number: it is above the kernel's highest.
    writeFileSync(join(work, "pid"), "4194305\n");
    const after = await install(["--version", NEW]);

    expect([beside.code, after.code]).toEqual([10, 0]);
    expect(workingVersion(world)).toBe(NEW);
  });

  it("looks at the host: processor, C library, system", { timeout: LIMIT_MS }, async () => {
    const { world } = open();
    const uname = (system: string, machine: string): void => {
      const path = join(world.path, "fakes/uname");
      writeFileSync(path, `#!/bin/sh\ncase $1 in -s) echo ${system} ;; *) echo ${machine} ;; esac\n`);
      chmodSync(path, 0o755);
    };
    mkdirSync(join(world.root, "proc/self"), { recursive: true });
    const cpuinfo = (flags: string): void => writeFileSync(join(world.root, "proc/cpuinfo"), `flags\t: ${flags}\n`);
    const target = async (): Promise<string> =>
      /^target +(\S+)$|install\.sh: (.*)/m
        .exec((await world.run(["--offline", ".", "--dry-run"])).output)
        ?.slice(1)
        .join("") ?? "";

    const found: string[] = [];
    cpuinfo("sse4_2 avx2");
    for (const [system, machine] of [
      ["Linux", "x86_64"],
      ["Linux", "aarch64"],
      ["Darwin", "arm64"],
      ["Linux", "riscv64"],
      ["Plan9", "x86_64"],
    ] as const) {
      uname(system, machine);
      found.push(await target());
    }
    uname("Linux", "x86_64");
    cpuinfo("sse4_2");
    found.push(await target());
    cpuinfo("avx2");
    mkdirSync(join(world.root, "lib"));
    writeFileSync(join(world.root, "lib/ld-musl-x86_64.so.1"), "");
    found.push(await target());
    mkdirSync(join(world.root, "usr/lib"), { recursive: true });
    for (const name of ["libstdc++.so.6", "libgcc_s.so.1"]) writeFileSync(join(world.root, "usr/lib", name), "");
    found.push(await target());

    expect(found).toEqual([
      "linux-x64",
      "linux-arm64",
      "darwin-arm64",
      "drover is built for x64 and arm64, and this host is riscv64",
      "drover is not built for Plan9",
      "linux-x64-baseline",
      containing("libstdc++.so.6 is missing"),
      "linux-x64-musl",
    ]);
  });
});

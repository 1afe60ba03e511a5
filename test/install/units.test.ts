import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { EXIT } from "#cli";
import { containing } from "./containing.ts";
import { InstallerWorld } from "./installer-world.ts";
import { NEW } from "./scenario.ts";
import { openSource } from "./source.ts";

const LIMIT_MS = 90_000;
const source = openSource();
afterAll(source.close);

const worlds: InstallerWorld[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world.remove();
});

async function installed(scope: "--system" | "--user", manager: "systemd" | "openrc"): Promise<InstallerWorld> {
  const world = new InstallerWorld();
  worlds.push(world);
  if (manager === "openrc") {
    rmSync(join(world.root, "run/systemd"), { recursive: true });
    mkdirSync(join(world.root, "run/openrc"));
    mkdirSync(join(world.root, "etc/init.d"));
  }
  const { code, output } = await world.run([scope, "--base-url", source.url, "--version", NEW]);
  expect({ code, output }).toEqual({ code: 0, output: containing("is installed") });
  return world;
}

describe("the unit that install.sh writes", () => {
  it("for the host: an own user, hardened, and nothing that a JIT or the sandbox cannot live with", {
    timeout: LIMIT_MS,
  }, async () => {
    const world = await installed("--system", "systemd");

    const text = readFileSync(join(world.root, "etc/systemd/system/drover.service"), "utf8");

    const settings = text.split("\n").filter((line) => /^[A-Z]/.test(line));
    expect(settings).toEqual(
      expect.arrayContaining([
        "Type=notify",
        "ExecStart=/usr/local/bin/drover up",
        "User=drover",
        "StateDirectory=drover",
        "WatchdogSec=30",
        "KillMode=process",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
      ]),
    );
    // The first ends a JIT; the others hide parts of /proc or forbid namespaces, which the sandbox is made of, or hide
    // graphics cards.
    expect(text).not.toMatch(/MemoryDenyWriteExecute/);
    expect(text).not.toMatch(
      /^(?:ProtectKernelTunables|ProtectKernelLogs|ProtectProc|RestrictNamespaces|PrivateDevices|ProtectClock)=/m,
    );
    expect(world.stubFile("calls")).toContain("useradd --system");
  });

  it("is taken away with the user that was made for it", { timeout: LIMIT_MS }, async () => {
    const world = await installed("--system", "systemd");

    const { code } = await world.run(["--system", "--uninstall", "--purge"]);

    expect({ code, user: world.stubFile("user"), active: world.active }).toEqual({
      code: 0,
      user: undefined,
      active: undefined,
    });
    expect(Object.keys(world.tree()).filter((path) => path.includes("drover"))).toEqual([]);
  });

  it("for a user: the same without what only root can ask for", { timeout: LIMIT_MS }, async () => {
    const world = await installed("--user", "systemd");

    const text = readFileSync(join(world.root, "home/user/.config/systemd/user/drover.service"), "utf8");

    expect(text).toContain("ExecStart=/home/user/.local/bin/drover up\n");
    expect(text).toContain("Type=notify\n");
    expect(text).toContain("WantedBy=default.target\n");
    expect(text).not.toMatch(/MemoryDenyWriteExecute|^User=|^StateDirectory=|^ProtectSystem=/m);
  });

  it.skipIf(Bun.which("systemd-analyze") === null)("passes systemd-analyze verify", { timeout: LIMIT_MS }, async () => {
    for (const scope of ["--system", "--user"] as const) {
      const world = await installed(scope, "systemd");
      const path = scope === "--system" ? "etc/systemd/system" : "home/user/.config/systemd/user";
      const unit = join(world.path, "drover.service");
      const text = readFileSync(join(world.root, path, "drover.service"), "utf8");
      writeFileSync(unit, text.replace(/^ExecStart=/m, `ExecStart=${world.root}`));

      const { stdout, stderr, status } = spawnSync("systemd-analyze", ["verify", "--recursive-errors=no", unit], {
        encoding: "utf8",
      });

      expect({
        status,
        said: `${stdout}${stderr}`.split("\n").filter((line) => line.includes("drover.service")),
      }).toEqual({ status: 0, said: [] });
    }
  });

  it.each([
    ["--system", "etc/systemd/system/drover.service"],
    ["--user", "home/user/.config/systemd/user/drover.service"],
  ] as const)(
    "%s: starts again whatever happens, but not with a wrong configuration",
    { timeout: LIMIT_MS },
    async (scope, path) => {
      const world = await installed(scope, "systemd");

      const text = readFileSync(join(world.root, path), "utf8");

      expect(text).toContain("Restart=always\n");
      // What `drover up` ends with then: test/binary/wrong-configuration.test.ts.
      expect(text).toContain(`RestartPreventExitStatus=${EXIT.usage}\n`);
    },
  );

  it.each([
    [0, 0],
    [EXIT.usage, 1],
  ])("for OpenRC: starts it when config check ends with %i: %i", { timeout: LIMIT_MS }, async (checked, expected) => {
    const world = await installed("--system", "openrc");
    const drover = join(world.path, "drover");
    writeFileSync(drover, `#!/bin/sh\necho "$PWD $HOME $*" >&2\nexit ${checked}\n`, { mode: 0o755 });
    const script = readFileSync(join(world.root, "etc/init.d/drover"), "utf8")
      .replaceAll("/usr/local/bin/drover", drover)
      .replaceAll("/var/lib/drover", world.root);

    const { stderr, status } = spawnSync("/bin/sh", ["-c", `checkpath() { :; }\n${script}\nstart_pre || exit 1`], {
      encoding: "utf8",
    });

    expect({ stderr, status }).toEqual({
      stderr: `${world.root} ${world.root} config check\n`,
      status: expected,
    });
  });

  it("for OpenRC: a script of sh that starts drover under a supervisor, as its own user", {
    timeout: LIMIT_MS,
  }, async () => {
    const world = await installed("--system", "openrc");

    const path = join(world.root, "etc/init.d/drover");
    const text = readFileSync(path, "utf8");

    expect(text.startsWith("#!/sbin/openrc-run\n")).toBe(true);
    expect(text).toContain('command="/usr/local/bin/drover"\ncommand_args="up"\ncommand_user="drover:drover"\n');
    expect(spawnSync("/bin/sh", ["-n", path]).status).toBe(0);
    expect(world.stubFile("calls")).toMatch(/rc-update --quiet add drover default\nrc-service --quiet drover restart/);
    expect(world.active).toBe(NEW);
  });
});

describe("install.sh without a service", () => {
  it.each([
    ["in continuous integration", { CI: "true" }],
    ["in a container", { container: "docker" }],
    ["where --no-service is given", { DROVER_INSTALL_NO_SERVICE: "1" }],
  ])("%s: installs the executable, and says why there is none", { timeout: LIMIT_MS }, async (_, env) => {
    const world = new InstallerWorld();
    worlds.push(world);

    const { code, output } = await world.run(["--system", "--base-url", source.url, "--version", NEW], { env });

    expect({ code, output }).toEqual({ code: 0, output: containing("no service: ") });
    expect(world.stubFile("calls") ?? "").not.toMatch(/systemctl|useradd/);
  });
});

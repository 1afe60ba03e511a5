/** A wrong configuration: exit code 2 wherever it is found out, because service managers go by it. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "#cli";
import { BinaryWorld, nodePidOf, runBinary, startBinaryNode } from "../support/binary-node.ts";
import { killPid } from "../support/binary-processes.ts";
import { waitUntil } from "../support/wait-until.ts";

let world: BinaryWorld;
beforeEach(() => {
  world = new BinaryWorld();
});
afterEach(() => world.remove());

const configured = (text: string): void => writeFileSync(join(world.path, "drover.toml"), text);
const safeMode = (): unknown => {
  const file = join(world.state, "watchdog.json");
  // `as`: the one field that is looked at, whatever it holds.
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { readonly safeMode?: unknown }).safeMode : null;
};

function endpoint(port: number): string {
  return `[[endpoints]]\nname = "one"\nkind = "ollama"\nurl = "http://127.0.0.1:${port}"\n`;
}

type Wrong = {
  readonly what: string;
  readonly text: string;
  /** What the message names. */
  readonly names: string;
  readonly commands: readonly (readonly string[])[];
};
const UP = [["up"], ["up", "--detach"], ["config", "check"]];
const EVERY = [...UP, ["node"], ["run", "none.toml"], ["restore", "none.db"], ["config", "show"], ["queue"]];

const wrong: readonly Wrong[] = [
  { what: "a file that is not TOML", text: "[http", names: "drover.toml", commands: EVERY },
  { what: "an unknown setting", text: "[http]\nprot = 80\n", names: "http.port", commands: EVERY },
  { what: "a value out of its range", text: "[http]\nport = 700000\n", names: "http.port", commands: UP },
  { what: "a key that is none", text: '[update]\npublic_keys = ["x"]\n', names: "update.public_keys", commands: UP },
  // Found by the node, when its watchdog runs already.
  {
    what: "two endpoints of one name",
    text: `${endpoint(1)}${endpoint(2)}`,
    names: "endpoints: ",
    commands: [...UP, ["node"]],
  },
];

describe.each(wrong)("$what", ({ text, names, commands }) => {
  it.each(commands.map((args) => [args]))(
    "ends drover %j with 2 and its reason, and leaves nothing running",
    (args) => {
      configured(text);

      // Without --state, with which some commands need no configuration.
      const ended = runBinary(args, {
        cwd: world.path,
        env: { ...world.environment, HOME: world.path, XDG_STATE_HOME: world.path },
      });

      expect(ended).toMatchObject({ code: EXIT.usage, stdout: "" });
      expect(ended.stderr).toContain(names);
      expect(world.processes()).toEqual([]);
    },
  );
});

describe("a configuration", () => {
  it("that is named and is not there ends drover up with 2", () => {
    const args = ["up", "--state", world.state, "--config", join(world.path, "none.toml")];
    const up = runBinary(args, { cwd: world.path, env: world.environment });

    expect(up).toMatchObject({ code: EXIT.usage, stdout: "" });
    expect(up.stderr).toContain("none.toml");
  });

  it("that became wrong while the node ran is not tried again and again: safe mode comes with the first start", async () => {
    const watched = await startBinaryNode(world, { watched: true });
    configured("[http]\nprot = 80\n");

    killPid(nodePidOf(world.state) ?? 0);
    await waitUntil("safe mode", () => typeof safeMode() === "string");
    configured("");
    const faults = await watched.request("GET", "/api/safe-mode");
    const [held, reset] = [["breakers"], ["breakers", "reset", "crashes"]].map((args) =>
      runBinary([...args, "--state", world.state], { cwd: world.path, env: world.environment }),
    );
    await waitUntil("the node is back", () => safeMode() === null && nodePidOf(world.state));
    await watched.stop();

    // The kill itself, and one start.
    expect(faults.body).toMatchObject({ faults: [{}, { reason: "it refuses to start as things are" }] });
    expect(JSON.stringify(faults.body)).toContain("http.port");
    expect([held?.code, reset?.code]).toEqual([0, 0]);
    expect(held?.stdout).toMatch(/^crashes +open +the node is not started/m);
    expect(reset?.stdout).toMatch(/^crashes +closed +/m);
  });
});

import { describe, expect, it } from "vitest";
import type { BreakerPort, BreakerView } from "#api";
import { err, ok, refused } from "#base";
import { createCli, parsed } from "./cli-harness.ts";

const breaker = (changed: Partial<BreakerView>): BreakerView => ({
  name: "queue",
  state: "closed",
  sinceMs: null,
  value: 3,
  limit: 8,
  detail: "3 tasks have not ended",
  isResettable: true,
  ...changed,
});

/** A node with some breakers. @returns the names that were reset, too. */
function nodeWith(...list: readonly BreakerView[]) {
  const names: string[] = [];
  const breakers: BreakerPort = {
    list: async () => list.map((one) => (names.includes(one.name) ? { ...one, state: "overridden" } : one)),
    reset: async (name) => {
      if (!list.some((one) => one.name === name)) {
        return err(refused("not_found", `there is no breaker ${name}`, "List them with: drover breakers"));
      }
      names.push(name);
      return ok(undefined);
    },
  };
  return { cli: createCli({ ports: { breakers } }), names };
}

describe("drover breakers", () => {
  it("lists each with its state and the reason, and nothing of it moves the cursor", async () => {
    const { cli } = nodeWith(
      breaker({ state: "open", detail: "9 tasks\u001b[2J have not ended" }),
      breaker({ name: "endpoint:gpu1", state: "halfOpen", detail: "it answered 500" }),
    );

    const { exit, stdout, stderr } = await cli.run("breakers");

    expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
    expect(stdout).toMatch(/^NAME +STATE +WHY$/m);
    expect(stdout).toMatch(/^queue +open +9 tasks.* have not ended$/m);
    // One request tries it at this moment.
    expect(stdout).toMatch(/^endpoint:gpu1 +trying +it answered 500$/m);
    expect(stdout).not.toContain("\u001b");
  });

  it("is the document of the API with --json", async () => {
    const { cli } = nodeWith(breaker({}));

    expect(parsed((await cli.run("breakers", "--json")).stdout)).toEqual({ breakers: [breaker({})] });
  });

  it.each([["queue"], ["endpoint:gpu 1"], ["model:local/qwen3:8b"]])("reset %s lets go that one", async (name) => {
    const { cli, names } = nodeWith(breaker({ name, state: "open" }), breaker({ name: "disk", state: "open" }));

    const { exit, stdout } = await cli.run("breakers", "reset", name);

    expect(exit).toBe(0);
    expect(names).toEqual([name]);
    expect(stdout).toContain(`${name} `);
    expect(stdout).toMatch(/overridden/);
    expect(stdout).toMatch(/^disk +open/m);
  });

  it("reset of one that there is not ends with 1 and what to do", async () => {
    const { exit, stdout, stderr } = await nodeWith(breaker({})).cli.run("breakers", "reset", "quue");

    expect({ exit, stdout }).toEqual({ exit: 1, stdout: "" });
    expect(stderr).toContain("there is no breaker quue");
    expect(stderr).toContain("drover breakers");
  });

  it("reset without a name is a wrong command line", async () => {
    const { cli, names } = nodeWith(breaker({}));

    const { exit, stderr } = await cli.run("breakers", "reset");

    expect(exit).toBe(2);
    expect(stderr).toContain("NAME");
    expect(names).toEqual([]);
  });
});

describe("doctor", () => {
  it.each<[string, BreakerView["state"], string | undefined]>([
    ["disk", "open", "Free some space"],
    ["queue", "open", "drover queue"],
    ["queue", "overridden", "drover queue"],
    ["queue", "closed", undefined],
    // These have findings of their own.
    ["endpoint:gpu1", "open", undefined],
    ["crashes", "closed", undefined],
  ])("of the breaker %s that is %s says what to do: %s", async (name, state, remedy) => {
    const { exit, stdout } = await nodeWith(breaker({ name, state, detail: "the reason" })).cli.run("doctor");

    const told = stdout.split("\n").filter((line) => line.includes("the reason"));
    expect(exit).toBe(0);
    expect(told).toEqual(remedy === undefined ? [] : [`warning  breaker ${name}: ${state}: the reason`]);
    expect(stdout.includes(remedy ?? "next: Free")).toBe(remedy !== undefined);
  });
});

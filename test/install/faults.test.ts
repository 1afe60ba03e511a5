import { afterAll, describe, expect, it } from "vitest";
import { shells } from "./installer-world.ts";
import { faultsOf, nameOf, type Scenario } from "./scenario.ts";
import { allScenarios } from "./scenarios.ts";
import { openSource } from "./source.ts";

/** Every 67th of all scenarios, which a prime spreads over shells, commands and kinds; `crash:install` runs them all. */
const STRIDE = 67;
/** Three runs of the script on a machine that has other work. */
const TEST_LIMIT_MS = 90_000;

const source = openSource();
afterAll(source.close);

/** Found while the script was written: each of them once left something wrong. */
const FOUND: readonly Scenario[] = [
  // The executable was replaced, the service not restarted, and the next run saw nothing to do.
  { shell: "dash", existing: true, fault: { command: "mv", kind: "hanging", call: 3 }, signal: "SIGKILL" },
  // The way back hung in its turn, and could not be interrupted.
  { shell: "dash", existing: true, fault: { command: "rm", kind: "hanging", call: 0 }, signal: "SIGTERM" },
  { shell: "dash", existing: false, fault: { command: "mkdir", kind: "partial", call: 0 } },
  { shell: "dash", existing: true, fault: { command: "openssl", kind: "hanging", call: 0 } },
  // Asked which wget it is, it was asked without a limit.
  { shell: "busybox", existing: true, fault: { command: "wget", kind: "hanging", call: 0 } },
];

describe("install.sh where a command is broken", () => {
  const chosen = allScenarios(shells).filter((_, index) => index % STRIDE === 0);

  it.concurrent.each(
    [...FOUND.filter(({ shell }) => shells.includes(shell)), ...chosen].map(
      (scenario) => [nameOf(scenario), scenario] as const,
    ),
  )(
    "%s: the old or the new version works, and nothing is left in the end",
    async (_, scenario) => {
      expect(await faultsOf(scenario, source)).toEqual([]);
    },
    TEST_LIMIT_MS,
  );

  it("has more than 200 scenarios on a host with all three shells", () => {
    expect(allScenarios(["dash", "bash", "busybox"]).length).toBeGreaterThan(200);
  });
});

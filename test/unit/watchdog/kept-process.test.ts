import { describe, expect, it } from "vitest";
import { commandOn, type KeptProcess, parseKept, parseReports } from "../../../src/watchdog/kept-process.ts";
import { parseNodeMessage, parseWatchdogMessage } from "../../../src/watchdog/messages.ts";

const ONE: KeptProcess = {
  name: "server",
  command: ["/bin/server", "--listen", "127.0.0.1:{port}"],
  env: { PATH: "/bin" },
  healthPath: "/health",
  memoryLimitBytes: 1_000,
};

describe("a process that is kept", () => {
  it("is started with the port in the place of its mark", () => {
    expect(commandOn(ONE, 4_711)).toEqual(["/bin/server", "--listen", "127.0.0.1:4711"]);
  });

  it("comes whole through a message, beside fields of a newer version", () => {
    const line = JSON.stringify({ kind: "keep", processes: [{ ...ONE, later: 1 }] });

    expect(parseNodeMessage(line)).toEqual({ kind: "keep", processes: [ONE] });
  });

  it.each<[string, unknown]>([
    ["no list", {}],
    ["no object", ["x"]],
    ["a name that is a path", [{ ...ONE, name: "../x" }]],
    ["no command", [{ ...ONE, command: [] }]],
    ["a number in the command", [{ ...ONE, command: ["a", 1] }]],
    ["a number in the environment", [{ ...ONE, env: { A: 1 } }]],
    ["a whole address as health path", [{ ...ONE, healthPath: "http://elsewhere/" }]],
    ["no memory", [{ ...ONE, memoryLimitBytes: 0 }]],
    ["one name twice", [ONE, ONE]],
    ["too many", Array.from({ length: 9 }, (_, index) => ({ ...ONE, name: `s${index}` }))],
  ])("is not understood: %s", (_name, value) => {
    expect(parseKept(value)).toBeUndefined();
  });

  it("is reported on, and what is no list of reports is not understood", () => {
    const report = { name: "server", phase: "running", pid: 7, port: 9, generation: 2, fault: null };

    expect(parseWatchdogMessage(JSON.stringify({ kind: "kept", processes: [report] }))).toEqual({
      kind: "kept",
      processes: [report],
    });
    expect(parseReports({ report })).toBeUndefined();
  });
});

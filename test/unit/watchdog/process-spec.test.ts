import { describe, expect, it } from "vitest";
import { ok } from "#base";
import { childEnvironment, DEFAULT_POLICY, specOfProcess } from "#watchdog";
import { exitFault } from "../../../src/watchdog/fault.ts";

const never = (): never => {
  throw new Error("no probe was configured");
};

describe("the environment of a supervised process", () => {
  it("holds what it needs, and neither secrets nor what makes a compiled executable run other code", () => {
    const inherited = {
      PATH: "/bin",
      LC_ALL: "C",
      OLLAMA_HOST: "127.0.0.1:11434",
      CUDA_VISIBLE_DEVICES: "0",
      https_proxy: "http://127.0.0.1:3128",
      BUN_OPTIONS: "--preload x",
      BUN_BE_BUN: "1",
      NODE_OPTIONS: "--require x",
      LD_PRELOAD: "x.so",
      NOTIFY_SOCKET: "/run/notify",
      WATCHDOG_USEC: "1000",
      LISTEN_FDS: "1",
      DROVER_TOKEN: "drv_x",
      OLLAMA_API_KEY: "k",
      AWS_SECRET_ACCESS_KEY: "s",
      EMPTY: "",
    };

    expect(childEnvironment(inherited, { BUN_TMPDIR: "/state/native" })).toEqual({
      PATH: "/bin",
      LC_ALL: "C",
      OLLAMA_HOST: "127.0.0.1:11434",
      CUDA_VISIBLE_DEVICES: "0",
      https_proxy: "http://127.0.0.1:3128",
      BUN_TMPDIR: "/state/native",
    });
    expect(childEnvironment({}, {})).toEqual({ PATH: "/usr/local/bin:/usr/bin:/bin" });
  });
});

describe("a configured process", () => {
  it("has the default policy, save for what it says", () => {
    const spec = specOfProcess(
      {
        name: "sqld",
        command: ["sqld", "-d", "x"],
        memoryLimitBytes: 5,
        restarts: 2,
        probeEveryMs: 7,
        startLimitMs: 9,
      },
      { PATH: "/bin", HOME: "/root" },
      never,
    );

    expect(spec).toEqual({
      ok: true,
      value: {
        name: "sqld",
        command: ["sqld", "-d", "x"],
        env: { PATH: "/bin", HOME: "/root" },
        descriptors: [],
        policy: {
          ...DEFAULT_POLICY,
          memoryLimitBytes: 5,
          probeEveryMs: 7,
          startLimitMs: 9,
          budget: { ...DEFAULT_POLICY.budget, restarts: 2 },
        },
        probe: null,
        usesHeartbeat: false,
      },
    });
  });

  it("is probed as it says, in its own environment", async () => {
    const probe = { kind: "tcp", host: "127.0.0.1", port: 5 } as const;
    const asked: unknown[] = [];
    const spec = specOfProcess({ name: "x", command: ["x"], env: { A: "b" }, probe }, { PATH: "/bin" }, (...given) => {
      asked.push(given);
      return Promise.resolve(ok(undefined));
    });

    expect(spec.ok && (await spec.value.probe?.())).toEqual(ok(undefined));
    expect(asked).toEqual([[probe, { PATH: "/bin", A: "b" }]]);
  });

  it.each([
    ["../escape", ["x"]],
    ["", ["x"]],
    ["Upper", ["x"]],
    ["fine", []],
    ["fine", [""]],
  ])("is refused as %j with %j", (name, command) => {
    expect(specOfProcess({ name, command }, {}, never)).toMatchObject({ ok: false, error: { kind: "refused" } });
  });
});

describe("the fault of an exit", () => {
  it.each([
    [{ code: 3, signal: null, outOfMemory: false }, "exit", "it ended with exit code 3"],
    [{ code: 0, signal: null, outOfMemory: true }, "exit", "it ended with exit code 0"],
    [{ code: null, signal: "SIGSEGV", outOfMemory: false }, "signal", "it ended by SIGSEGV"],
    [{ code: null, signal: "SIGKILL", outOfMemory: false }, "killed", "somebody else ended it with SIGKILL"],
    [{ code: null, signal: "SIGKILL", outOfMemory: true }, "outOfMemory", "the kernel ended it because memory ran out"],
    [{ code: null, signal: null, outOfMemory: false }, "unknown", "it ended in a way that is not known"],
    [
      { code: null, signal: null, outOfMemory: true },
      "unknown",
      "it ended in a way that is not known; the kernel ended a process for want of memory meanwhile",
    ],
  ])("of %j is %s", (exit, kind, reason) => {
    expect(exitFault(exit)).toEqual({ kind, reason });
  });
});

import { describe, expect, it } from "vitest";
import { answerSafeMode, type SafeModeFacts, type SafeModeRequest } from "../../../src/watchdog/safe-mode.ts";

const facts: SafeModeFacts = {
  version: "1.2.3",
  sinceMs: 5,
  reason: "it ended with exit code 3",
  faults: [{ atMs: 4, reason: "it ended with exit code 3" }],
  lastLines: ["secret <line>"],
  logPath: "/state/logs/node.log",
  canRollBack: true,
  restarts: { used: 6, allowed: 5 },
};
const hosts = new Set(["127.0.0.1", "localhost"]);
const request: SafeModeRequest = {
  method: "GET",
  path: "/api/tasks",
  host: "127.0.0.1:7433",
  origin: null,
  fetchSite: null,
  hasToken: true,
};
const ask = (changed: Partial<SafeModeRequest>) => answerSafeMode({ ...request, ...changed }, facts, hosts);

describe("safe mode", () => {
  it.each([
    ["GET", "/health/live", 200],
    ["GET", "/health/ready", 503],
    ["GET", "/health/startup", 503],
    ["GET", "/", 503],
    ["GET", "/api/safe-mode", 200],
    ["GET", "/api/tasks", 503],
    ["POST", "/api/tasks", 503],
  ])("answers %s %s with %d", (method, path, status) => {
    expect(ask({ method, path })).toMatchObject({ status });
  });

  it.each([
    ["POST", "/api/nodes/self/restart", "restart"],
    ["POST", "/api/restart", "restart"],
    ["POST", "/api/rollback", "rollback"],
    ["POST", "/api/update", "update"],
    ["GET", "/api/releases", "releases"],
    ["POST", "/api/shutdown", "shutdown"],
  ])("(S2) does what %s %s asks for, with the token alone", (method, path, action) => {
    expect(ask({ method, path })).toEqual({ kind: "act", action });
    expect(ask({ method, path, hasToken: false })).toMatchObject({ status: 401 });
  });

  it("(S2) changes nothing for a page of another origin, whatever it has", () => {
    const change = { method: "POST", path: "/api/rollback" };

    expect(ask({ ...change, origin: "http://elsewhere.example" })).toMatchObject({ status: 403 });
    expect(ask({ ...change, fetchSite: "cross-site" })).toMatchObject({ status: 403 });
    expect(ask({ ...change, origin: "http://127.0.0.1:7433" })).toEqual({ kind: "act", action: "rollback" });
  });

  it("lists what holds the node back, as the node itself would", () => {
    const answer = ask({ path: "/api/breakers" });

    expect(answer).toMatchObject({ status: 200, problem: false });
    expect(answer.kind === "json" && answer.body).toEqual({
      breakers: [
        {
          name: "crashes",
          state: "open",
          sinceMs: 5,
          value: 6,
          limit: 5,
          detail:
            "the node is not started again: it ended with exit code 3; when the cause is gone: drover node restart",
          isResettable: true,
        },
      ],
    });
  });

  it("(S2) starts the node when that breaker is reset, with the token alone, and says that it is closed", () => {
    const reset = { method: "POST", path: "/api/breakers/crashes/reset" };

    expect(ask(reset)).toMatchObject({
      kind: "act",
      action: "restart",
      body: { breakers: [{ name: "crashes", state: "closed", value: 0 }] },
    });
    expect(ask({ ...reset, hasToken: false })).toMatchObject({ status: 401 });
    expect(ask({ ...reset, origin: "http://elsewhere.example" })).toMatchObject({ status: 403 });
    expect(ask({ ...reset, path: "/api/breakers/queue/reset" })).toMatchObject({ status: 503 });
  });

  it("does not answer under a name that somebody made point here", () => {
    expect(ask({ host: "evil.example" })).toMatchObject({ status: 403 });
  });

  it("(S1) says nothing of the node without the token", () => {
    const said = ["/", "/health/ready", "/api/safe-mode", "/api/tasks"].map((path) => ask({ path, hasToken: false }));

    expect(JSON.stringify(said)).not.toContain("exit code");
    expect(JSON.stringify(said)).not.toContain("secret");
  });

  it("says with the token what failed, the last lines and what to do", () => {
    expect(ask({ path: "/api/safe-mode" })).toMatchObject({
      body: { reason: facts.reason, lastLines: facts.lastLines, canRollBack: true },
    });
    expect(ask({})).toMatchObject({ problem: true, body: { code: "safe_mode" } });
    expect(JSON.stringify(ask({}))).toContain("drover rollback");
  });

  it("offers no way back where there is none", () => {
    const answer = answerSafeMode(request, { ...facts, canRollBack: false }, hosts);

    expect(JSON.stringify(answer)).not.toContain("rollback");
  });
});

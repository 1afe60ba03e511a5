import { describe, expect, it } from "vitest";
import { createLogger } from "#base";
import { bodyOf, createHarness, TOKEN } from "./api-harness.ts";

describe("the token", () => {
  it.each(["/api/tasks", "/api/queue", "/api/events", "/metrics", "/openapi.json", "/api/nothing"])(
    "is asked for at %s",
    async (path) => {
      const { api } = createHarness();

      const without = await api.app.request(path);
      const wrong = await api.app.request(path, { headers: { authorization: "Bearer drv_wrong" } });

      expect([without.status, wrong.status]).toEqual([401, 401]);
      expect(without.headers.get("www-authenticate")).toContain("Bearer");
      expect(await bodyOf(without)).toMatchObject({ code: "unauthorized" });
    },
  );

  it.each(["/", "/health/live", "/health/ready", "/health/startup"])("is not asked for at %s", async (path) => {
    const { api } = createHarness();

    const response = await api.app.request(path);

    expect(response.status).toBe(200);
  });

  it("opens a path that does not exist only to a 404", async () => {
    const response = await createHarness().send("GET", "/api/nothing");

    expect(response.status).toBe(404);
    expect(await bodyOf(response)).toMatchObject({ code: "not_found" });
  });
});

describe("host and origin", () => {
  it.each([
    ["localhost:7433", 200],
    ["127.0.0.1", 200],
    ["[::1]:80", 200],
    ["box.lan", 200],
    ["evil.example", 403],
    ["localhost.evil.example", 403],
    ["127.0.0.1@evil.example", 403],
    ["", 403],
  ])("a request for host %s is answered with %i", async (host, status) => {
    const harness = createHarness({ api: { hosts: ["Box.lan"] } });

    const response = await harness.send("GET", "/api/queue", undefined, { host });

    expect(response.status).toBe(status);
  });

  it.each([
    [{}, 200],
    [{ origin: "http://localhost:7433" }, 200],
    [{ origin: "http://evil.example" }, 403],
    [{ origin: "http://localhost:9999" }, 403],
    [{ origin: "null" }, 403],
    [{ "sec-fetch-site": "cross-site" }, 403],
    [{ "sec-fetch-site": "same-origin" }, 200],
  ])("a change with %j is answered with %i", async (headers, status) => {
    const harness = createHarness();

    const response = await harness.send("POST", "/api/queue/pause", undefined, { host: "localhost:7433", ...headers });

    expect(response.status).toBe(status);
  });

  it("does not ask readers for their origin", async () => {
    const response = await createHarness().send("GET", "/api/queue", undefined, { origin: "http://evil.example" });

    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("headers", () => {
  it("forbid sniffing, framing and caching on every answer, errors included", async () => {
    const harness = createHarness();

    for (const path of ["/api/queue", "/api/nothing", "/"]) {
      const { headers } = await harness.send("GET", path);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    }
  });

  it("let the page use its own style and nothing else", async () => {
    const response = await createHarness().api.app.request("/");

    const page = await response.text();
    expect(response.headers.get("content-security-policy")).toMatch(/style-src 'sha256-[A-Za-z0-9+/=]+'/);
    expect(page).toContain("is ready");
    expect(page).not.toContain("<script");
    expect(page).not.toMatch(/(src|href)="https?:/);
  });
});

describe("rates", () => {
  it("refuse an address that tries tokens, and not the one who has it", async () => {
    const harness = createHarness({ api: { rateLimits: { anonymous: { perSecond: 1, burst: 3 } } } });
    const attempt = () => harness.api.app.request("/api/queue", { headers: { authorization: "Bearer wrong" } });

    const statuses: number[] = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await attempt()).status);
    const refused = await attempt();
    const rightful = await harness.send("GET", "/api/queue");
    const probe = await harness.api.app.request("/health/live");

    expect(statuses).toEqual([401, 401, 401, 429]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await bodyOf(refused)).toMatchObject({ code: "rate_limited", status: 429 });
    expect([rightful.status, probe.status]).toEqual([200, 200]);
  });

  it("are kept apart for reading and writing", async () => {
    const harness = createHarness({ api: { rateLimits: { write: { perSecond: 1, burst: 1 } } } });

    const writes = [await harness.send("POST", "/api/queue/pause"), await harness.send("POST", "/api/queue/resume")];
    const read = await harness.send("GET", "/api/queue");

    expect(writes.map((response) => response.status)).toEqual([200, 429]);
    expect(read.status).toBe(200);
  });
});

describe("what goes wrong", () => {
  it("a method that a path does not take is answered with 405 and those it takes", async () => {
    const response = await createHarness().send("DELETE", "/api/tasks");

    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST, GET, HEAD");
  });

  it.each([
    ["that is not JSON", "{", {}, 400, "not JSON"],
    ["that is empty", "", {}, 400, "empty"],
    ["of a form", "title=x", { "content-type": "application/x-www-form-urlencoded" }, 415, "content type"],
    ["nested 60 deep", `{"a":${"[".repeat(60)}${"]".repeat(60)}}`, {}, 400, "nested deeper"],
    ["nested 100,000 deep", "[".repeat(100_000), {}, 400, "not JSON"],
    ["longer than 4 MiB", " ".repeat(4 * 1024 * 1024 + 1), {}, 413, "longer than"],
    ["with 100,000 values", `[${"0,".repeat(100_001)}0]`, {}, 413, "more than"],
  ])("a body %s is answered with a problem", async (_what, body, headers, status, detail) => {
    const harness = createHarness();

    const response = await harness.send("POST", "/api/tasks", body, { "content-type": "application/json", ...headers });

    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect((await bodyOf(response))["detail"]).toContain(detail);
  });

  it("an exception is answered with an incident number and nothing of its cause; the log has both, without secrets", async () => {
    const lines: string[] = [];
    const base = createHarness();
    const logger = createLogger({
      level: "info",
      format: "json",
      clock: base.clock,
      write: (line) => lines.push(line),
    });
    const harness = createHarness({
      ports: {
        logger,
        config: () => {
          throw new Error("cannot open /secret/place with Bearer abcdefghijklmnop");
        },
      },
    });

    const response = await harness.send("GET", "/api/config");

    const text = await response.text();
    const incident = /"incident":"([0-9a-f]{12})"/.exec(text)?.[1] ?? "none";
    expect(response.status).toBe(500);
    expect(text).not.toContain("/secret/place");
    expect(lines.join("\n")).toContain(incident);
    expect(lines.join("\n")).toContain("/secret/place");
    expect(lines.join("\n")).not.toContain("abcdefghijklmnop");
  });

  it("an unready node says so to probes without details", async () => {
    const harness = createHarness({
      ports: { readiness: () => [{ name: "store", ok: false, detail: "/var/lib/x is full" }], started: () => false },
    });

    const ready = await harness.api.app.request("/health/ready");
    const startup = await harness.api.app.request("/health/startup");
    const live = await harness.api.app.request("/health/live");

    expect([ready.status, startup.status, live.status]).toEqual([503, 503, 200]);
    expect(await ready.text()).toBe('{"status":"failing","checks":[{"name":"store","ok":false}]}');
  });

  it("the token is never echoed", async () => {
    const harness = createHarness();

    const answers = await Promise.all(
      ["/api/node", "/api/config", "/metrics", "/openapi.json"].map(async (path) =>
        (await harness.send("GET", path)).text(),
      ),
    );

    expect(answers.join("")).not.toContain(TOKEN);
  });
});

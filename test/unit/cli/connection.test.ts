import { describe, expect, it } from "vitest";
import { err, ok, refused } from "#base";
import { EventStreamParser } from "../../../src/cli/connection/event-stream.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { TOKEN } from "../api/api-harness.ts";
import { containing, createCli, parsed, STATE } from "./cli-harness.ts";

const away = async (): Promise<Response> => {
  throw Object.assign(new TypeError("Unable to connect"), { code: "ConnectionRefused" });
};

describe("finding the node", () => {
  it("without a node on the state directory ends with 3 and says how to start one", async () => {
    const cli = createCli();

    const outcome = await cli.run("status", "--state", "/elsewhere");

    expect(outcome).toMatchInlineSnapshot(`
      {
        "exit": 3,
        "stderr": "drover: no node runs on the state directory /elsewhere
        next: Start one with: drover up (or name another with --state DIR or --url URL)
      ",
        "stdout": "",
      }
    `);
  });

  it("that does not answer ends with 3 and names the address", async () => {
    const cli = createCli({ environment: { fetch: away } });

    const outcome = await cli.run("queue");

    expect(outcome).toMatchInlineSnapshot(`
      {
        "exit": 3,
        "stderr": "drover: show the queue: no answer from http://127.0.0.1:7433 (connection refused)
        next: Start a node with: drover up (or name another with --url URL or --state DIR)
      ",
        "stdout": "",
      }
    `);
  });

  it("asks the address given by flag, then by variable, then the one the node wrote", async () => {
    const asked: string[] = [];
    const cli = createCli({
      env: { DROVER_URL: "http://by.variable:1/" },
      environment: {
        fetch: async (url) => {
          asked.push(url);
          return away();
        },
      },
    });

    await cli.run("queue");
    await cli.run("queue", "--url", "localhost:8");
    await createCli({ environment: { fetch: async (url) => (asked.push(url), away()) } }).run("queue");

    expect(asked).toEqual([
      "http://by.variable:1/api/queue",
      "http://localhost:8/api/queue",
      "http://127.0.0.1:7433/api/queue",
    ]);
  });

  it("keeps loopback requests from a proxy of the environment and sets no timeout of Bun's", async () => {
    const inits: BunFetchRequestInit[] = [];
    const fetch = async (_url: string, init: BunFetchRequestInit): Promise<Response> => {
      inits.push(init);
      return away();
    };

    await createCli({ environment: { fetch } }).run("queue");
    await createCli({ environment: { fetch } }).run("queue", "--url", "https://hub.example");
    await createCli({ environment: { fetch } }).run("queue", "--url", "http://127.evil.example");

    expect(inits.map(({ proxy }) => proxy)).toEqual([false, undefined, undefined]);
    expect(inits.every((init) => init.timeout === false && init.signal instanceof AbortSignal)).toBe(true);
  });

  it("takes the state directory of the configuration when neither flag nor variable names one", async () => {
    const files = {
      "/configured/node.json": '{"url":"http://127.0.0.1:9","pid":1,"startedAtMs":1}',
      "/configured/token": TOKEN,
    };
    const cli = createCli({ files, environment: { configuredStateDir: async () => ok("/configured"), fetch: away } });

    expect((await cli.run("queue")).stderr).toContain("http://127.0.0.1:9");
    expect((await cli.run("queue", "--state", STATE)).stderr).toContain("http://127.0.0.1:7433");
  });

  it("says what is wrong with the configuration, the node file or the address", async () => {
    const configuration = createCli({
      environment: {
        configuredStateDir: async () => err(refused("invalid", "drover.toml: unknown key nod", "Did you mean node?")),
      },
    });
    const broken = createCli({ files: { [`${STATE}/node.json`]: '{"url":7}' } });
    const homeless = createCli({ env: { HOME: "" } });

    expect(await configuration.run("queue")).toMatchObject({
      exit: 2,
      stderr: containing("Did you mean node?"),
    });
    expect(await broken.run("queue")).toMatchObject({
      exit: 3,
      stderr: containing("node.json cannot be understood"),
    });
    expect(await homeless.run("queue")).toMatchObject({ exit: 2, stderr: containing("HOME is not set") });
    expect(await broken.run("queue", "--url", "ftp://x")).toMatchObject({
      exit: 2,
      stderr: containing('"ftp://x"'),
    });
  });
});

describe("the token", () => {
  it("that is missing is reported with the file that was looked at", async () => {
    const cli = createCli({ files: { [`${STATE}/token`]: "" } });
    const other = createCli();

    expect(await cli.run("queue")).toMatchObject({
      exit: 1,
      stderr: containing(`${STATE}/token is empty`),
    });
    const outcome = await other.run("queue", "--state", "/x", "--url", "http://127.0.0.1:7433");
    expect(outcome).toMatchObject({ exit: 1, stderr: containing("/x/token does not exist") });
  });

  it("that is wrong is reported with where it came from, and never printed", async () => {
    const secret = "drv_this-is-a-wrong-token-of-thirty";
    const cli = createCli({ files: { [`${STATE}/token`]: secret } });
    const byVariable = createCli({ env: { DROVER_TOKEN: secret } });

    const outcome = await cli.run("queue");
    const other = await byVariable.run("queue", "--json");

    expect(outcome).toMatchObject({ exit: 1, stdout: "" });
    expect(outcome.stderr).toContain(`does not know the token from ${STATE}/token`);
    expect(parsed(other.stderr)).toMatchObject({ status: 401 });
    for (const { stdout, stderr } of [outcome, other]) expect(stdout + stderr).not.toContain(secret);
  });

  it("of the environment opens the API", async () => {
    const cli = createCli({ env: { DROVER_TOKEN: TOKEN }, files: { [`${STATE}/token`]: "wrong" } });

    expect((await cli.run("queue")).exit).toBe(0);
  });
});

describe("answers", () => {
  it("of something that is no drover node end with 3", async () => {
    const page = async () => new Response("<html>It works</html>", { status: 200 });
    const failing = async () => new Response("Bad gateway", { status: 502 });

    for (const fetch of [page, failing]) {
      const outcome = await createCli({ environment: { fetch } }).run("queue");
      expect(outcome).toMatchObject({ exit: 3, stdout: "" });
      expect(outcome.stderr).toContain("not as a drover node does");
    }
  });

  it("that do not come in time end with 5", async () => {
    const asked = Promise.withResolvers<undefined>();
    const cli = createCli({
      environment: {
        fetch: (_url, init) => {
          asked.resolve(undefined);
          return new Promise((_resolve, reject) => {
            init.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
          });
        },
      },
    });

    const { done } = cli.start("queue");
    await asked.promise;
    cli.harness.clock.advance(60_000);

    expect(await done).toMatchObject({ exit: 5, stderr: containing("did not answer within 60 s") });
  });

  it("that ask for patience are asked for again", async () => {
    let calls = 0;
    const asked = Promise.withResolvers<undefined>();
    const cli = createCli({
      environment: {
        fetch: async (url, init) => {
          calls += 1;
          if (calls > 1) return cli.harness.api.app.request(url, init, {});
          asked.resolve(undefined);
          return new Response("{}", { status: 429, headers: { "retry-after": "2" } });
        },
      },
    });

    const { done } = cli.start("queue");
    let exit: number | undefined;
    void done.then((outcome) => {
      exit = outcome.exit;
    });
    await asked.promise;
    await waitUntil("the command ends", () => {
      cli.harness.clock.advance(500);
      return exit !== undefined;
    });

    expect([calls, exit]).toEqual([2, 0]);
  });

  it("with a fault of the node name the incident to look for", async () => {
    const cli = createCli({
      ports: {
        readiness: () => {
          throw new Error("boom");
        },
      },
    });

    const outcome = await cli.run("status");

    expect(outcome.exit).toBe(1);
    expect(outcome.stderr).toMatch(/Look for incident [0-9a-f]{12} in the node's log/);
  });
});

describe("a stream of events", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  it("is cut the same wherever its bytes are cut", () => {
    const text =
      ': hello\r\nretry: 5\n\nid: 7\nevent: a\ndata: {"x":"ü"}\n\ndata: one\ndata: two\n\nevent: ignored\n\nid:9\ndata:x\n\n';
    const expected = [
      { id: "7", event: "a", data: '{"x":"ü"}' },
      { id: "7", event: "message", data: "one\ntwo" },
      { id: "9", event: "message", data: "x" },
    ];
    const whole = bytes(text);

    for (let cut = 0; cut <= whole.length; cut += 1) {
      const parser = new EventStreamParser();
      const events = [...(parser.push(whole.subarray(0, cut)) ?? []), ...(parser.push(whole.subarray(cut)) ?? [])];
      expect(events).toEqual(expected);
    }
  });

  it("with a line that never ends is given up", () => {
    const parser = new EventStreamParser();

    expect(parser.push(bytes("data: "))).toEqual([]);
    expect(parser.push(new Uint8Array(4 * 1024 * 1024).fill(97))).toBeUndefined();
  });
});

/** What is sent to a node for an update: over HTTP, from the command line, and what the folder of it survives. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { serveApi } from "#api";
import { type JsonValue, ok, silentLogger } from "#base";
import { Uploads } from "../../../src/runtime/uploads.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { createHarness, TOKEN, valueOf } from "../api/api-harness.ts";
import { createCli } from "../cli/cli-harness.ts";

const folder = temporaryFolders();
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const MIB = 1024 * 1024;
const FILE = "drover-linux-x64.gz";
const modeOf = (path: string): number => statSync(path).mode & 0o777;

function streamOf(...pieces: readonly (string | Error)[]): ReadableStream<Uint8Array> {
  const left = [...pieces];
  return new ReadableStream({
    pull: (controller) => {
      const piece = left.shift();
      if (piece === undefined) controller.close();
      else if (piece instanceof Error) controller.error(piece);
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });
}

describe("an upload", () => {
  it("is written whole, for its owner alone, and replaces what was sent before", async () => {
    const state = folder();
    const uploads = new Uploads(state, realClock);

    const sent = [
      await uploads.put("mine", FILE, streamOf("old")),
      await uploads.put("mine", FILE, streamOf("he", "llo")),
      await uploads.put("mine", "manifest.json", streamOf("{}")),
    ];
    const path = valueOf(uploads.folder("mine"));

    expect(sent.map((one) => valueOf(one).bytes)).toEqual([3, 5, 2]);
    expect(readdirSync(path).sort()).toEqual([FILE, "manifest.json"]);
    expect(readFileSync(join(path, FILE), "utf8")).toBe("hello");
    expect([modeOf(join(state, "incoming")), modeOf(path), modeOf(join(path, FILE))]).toEqual([0o700, 0o700, 0o600]);
  });

  it.each([
    ["..", FILE],
    ["a/b", FILE],
    ["", FILE],
    ["A", FILE],
    ["mine", "drover"],
    ["mine", "drover-../../x"],
    ["mine", "drover-linux-x64.gz.part"],
    ["mine", "manifest.json.new"],
    ["mine", ".bashrc"],
  ])("of %j with the file %j is refused, and makes nothing", async (id, file) => {
    const state = folder();

    const sent = await new Uploads(state, realClock).put(id, file, streamOf("x"));

    expect(sent).toMatchObject({ ok: false, error: { code: "invalid" } });
    expect(existsSync(join(state, "incoming"))).toBe(false);
  });

  it.each([
    ["cut off", FILE, streamOf("half", new Error("the connection was closed")), undefined, "unavailable"],
    ["with a manifest that is too long", "manifest.json", streamOf("x".repeat(MIB)), undefined, "too_large"],
    ["on a disk that is nearly full", FILE, streamOf("x"), () => 63 * MIB, "disk_full"],
  ])("%s leaves nothing of the file", async (_how, file, body, freeBytes, code) => {
    const state = folder();

    const sent = await new Uploads(state, realClock, freeBytes).put("mine", file, body);

    expect(sent).toMatchObject({ ok: false, error: { code } });
    expect(readdirSync(join(state, "incoming", "mine"))).toEqual([]);
  });

  it("does not go through a link", async () => {
    const [state, elsewhere] = [folder(), folder()];
    mkdirSync(join(state, "incoming"));
    symlinkSync(elsewhere, join(state, "incoming", "mine"));
    const uploads = new Uploads(state, realClock);

    const sent = await uploads.put("mine", FILE, streamOf("x"));

    expect(sent.ok).toBe(false);
    expect(uploads.folder("mine")).toMatchObject({ ok: false, error: { code: "not_found" } });
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  it("is refused while another one is under way", async () => {
    const uploads = new Uploads(folder(), realClock);
    const end = Promise.withResolvers<void>();
    const slow = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await end.promise;
        controller.close();
      },
    });

    const first = uploads.put("one", FILE, slow);
    const second = await uploads.put("two", FILE, streamOf("x"));
    end.resolve();

    expect(second).toMatchObject({ ok: false, error: { code: "in_use" } });
    expect(valueOf(await first).bytes).toBe(0);
  });

  it("makes those go that are older than an hour, or too many", async () => {
    const state = folder();
    const uploads = new Uploads(state, realClock);
    const names = (): readonly string[] => readdirSync(join(state, "incoming")).sort();
    const age = (id: string, seconds: number): void => {
      const at = realClock.nowMs() / 1_000 - seconds;
      utimesSync(join(state, "incoming", id), at, at);
    };
    await uploads.put("a", FILE, streamOf("x"));
    age("a", 100);
    await uploads.put("b", FILE, streamOf("x"));
    age("b", 50);
    await uploads.put("c", FILE, streamOf("x"));
    const tooMany = names();
    age("b", 3_700);
    await uploads.put("c", FILE, streamOf("x"));

    expect(tooMany).toEqual(["b", "c"]);
    expect(names()).toEqual(["c"]);
  });
});

describe("over HTTP", () => {
  it("a file may be longer than any other body, and other bodies may not be", async () => {
    const state = folder();
    const { api } = createHarness({ ports: { uploads: new Uploads(state, realClock) } });
    const server = valueOf(await serveApi(api, { host: "127.0.0.1", port: 0, logger: silentLogger }));
    cleanUps.push(() => server.stop({ graceMs: 0 }));
    const send = (method: string, path: string): Promise<Response> =>
      fetch(`${server.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
        body: new Uint8Array(65 * MIB),
      });

    const upload = await send("PUT", `/api/releases/uploads/mine/${FILE}`);
    const other = await send("POST", "/api/rollback").then(
      ({ status }) => status,
      () => 413, // Cut off while it was still being sent.
    );

    expect(upload.status).toBe(201);
    expect(statSync(join(state, "incoming", "mine", FILE)).size).toBe(65 * MIB);
    expect(other).toBe(413);
  });
});

describe("drover update FOLDER --url", () => {
  it("sends the manifest and the packed file of the node's target, and has them installed", async () => {
    const [state, release] = [folder(), folder()];
    for (const name of ["manifest.json", FILE, "drover-linux-x64", "drover-linux-arm64.gz"]) {
      writeFileSync(join(release, name), name);
    }
    const asked: JsonValue[] = [];
    const row = { version: "2.0.0", result: "committed" };
    const releases = { current: "1.0.0", previous: null, floor: null, releases: [], swap: null, history: [row] };
    const cli = createCli({
      ports: {
        uploads: new Uploads(state, realClock),
        watchdog: {
          ask: async (action, body) => {
            if (action !== "update") return ok({ ...releases, target: "linux-x64" });
            asked.push(body);
            return ok({ accepted: true, version: "2.0.0" });
          },
        },
      },
      environment: { directoryExists: (path) => statSync(path).isDirectory() },
    });

    const outcome = await cli.run("update", release, "--url", "http://127.0.0.1:7433");

    expect(outcome).toMatchObject({ exit: 0, stdout: "drover 2.0.0 runs\n" });
    const [order] = asked;
    const { from } = order as { readonly from: string }; // `as`: what the route hands on
    expect(from.startsWith(join(state, "incoming", "cli-"))).toBe(true);
    expect(readdirSync(from).sort()).toEqual([FILE, "manifest.json"]);
  });
});

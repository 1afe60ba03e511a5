/** Staging from folders and from a file server, and what the releases folder survives. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { SimulatedClock } from "#base";
import { DOWNLOAD_LIMITS, localSource, type ReleaseSource, urlSource } from "#watchdog";
import { MAX_HISTORY_ROWS, rowOfJournal, writeHistoryRow } from "../../../../src/watchdog/update/history.ts";
import { RESERVE_BYTES } from "../../../../src/watchdog/update/io/release-store.ts";
import { beginSwap } from "../../../../src/watchdog/update/journal.ts";
import { realClock } from "../../../support/real-clock.ts";
import { type ReleaseOptions, scriptOf, TARGET, v, writeRelease } from "../../../support/releases.ts";
import { type SwapWorld, swapWorld } from "../../../support/swap-world.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const [OLD, NEW] = [v("1.0.0"), v("2.0.0")];
const FILE = `drover-${TARGET}`;
const ORDER = { id: "try-1", mayBeOlder: false, again: false };
const servers: { stop: (closeConnections: boolean) => unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

const releaseOf = (world: SwapWorld, options: ReleaseOptions = {}): string =>
  writeRelease(world.folder, NEW, world.clock.nowMs(), world.publisher, options);
const reasonOf = async (world: SwapWorld, source: ReleaseSource): Promise<string> => {
  const staged = await world.store.stage(source, ORDER);
  return staged.ok ? `staged ${staged.value.version}` : staged.error.refusal.reason;
};
const staging = (world: SwapWorld): readonly string[] =>
  readdirSync(join(world.folder, "releases")).filter((name) => name.startsWith("."));

/** Offers files on loopback. */
function serve(answer: (path: string) => Response | Promise<Response>): string {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => answer(new URL(request.url).pathname),
  });
  servers.push(server);
  return `http://127.0.0.1:${server.port}/stable/manifest.json`;
}

function serveFolder(path: string, change: (name: string) => Response | undefined = () => undefined): string {
  return serve((asked) => {
    const name = asked.replace("/stable/", "");
    return (
      change(name) ??
      (existsSync(join(path, name)) ? new Response(Bun.file(join(path, name))) : new Response("", { status: 404 }))
    );
  });
}

function atUrl(address: string, clock = realClock, limits = DOWNLOAD_LIMITS): ReleaseSource {
  const source = urlSource(address, { clock, limits });
  if (!source.ok) throw new Error(source.error.message);
  return source.value;
}

describe("a release", () => {
  const sources: readonly (readonly [string, boolean, (release: string) => ReleaseSource])[] = [
    ["a folder", false, (release) => localSource(release)],
    ["a folder with the packed file alone", true, (release) => localSource(release)],
    ["an executable beside its manifest", false, (release) => localSource(join(release, FILE))],
    ["a packed executable beside its manifest", true, (release) => localSource(join(release, `${FILE}.gz`))],
    ["a file server", false, (release) => atUrl(serveFolder(release))],
    ["a file server, packed", true, (release) => atUrl(serveFolder(release))],
  ];
  it.each(sources)("is taken from %s, whole and executable", async (_what, gzip, sourceOf) => {
    const world = swapWorld(folder(), OLD);

    const staged = await world.store.stage(sourceOf(releaseOf(world, { gzip })), ORDER);

    expect(staged).toMatchObject({ ok: true, value: { version: NEW } });
    if (!staged.ok) return;
    expect(world.store.admit(staged.value)).toEqual({ ok: true, value: undefined });
    const binary = world.store.folder.binaryOf(NEW);
    expect(readFileSync(binary, "utf8")).toBe(scriptOf(NEW));
    expect(statSync(binary).mode & 0o777).toBe(0o755);
    expect(world.store.folder.isRunnable(NEW)).toBe(true);
    expect(await world.store.checkInstalled(NEW)).toMatchObject({ ok: true });
    expect(staging(world)).toEqual([]);
  });

  const local: readonly (readonly [string, string, (release: string, world: SwapWorld) => string])[] = [
    ["without a manifest", "manifest_missing", (release) => join(release, "..")],
    ["that is nowhere", "file_missing", (release) => join(release, "nowhere")],
    [
      "whose manifest is a link",
      "link_in_the_way",
      (release) => {
        renameSync(join(release, "manifest.json"), join(release, "real"));
        symlinkSync("real", join(release, "manifest.json"));
        return release;
      },
    ],
    [
      "whose file is a link",
      "link_in_the_way",
      (release) => {
        renameSync(join(release, FILE), join(release, "real"));
        symlinkSync("real", join(release, FILE));
        return release;
      },
    ],
    [
      "whose manifest is no JSON",
      "malformed",
      (release) => {
        writeFileSync(join(release, "manifest.json"), "drover");
        return release;
      },
    ],
    [
      "whose manifest never ends",
      "unusable",
      (release) => {
        writeFileSync(join(release, "manifest.json"), "x".repeat(300_000));
        return release;
      },
    ],
    [
      "whose file is a folder",
      "unusable",
      (release) => {
        renameSync(join(release, FILE), join(release, "real"));
        mkdirSync(join(release, FILE));
        return release;
      },
    ],
  ];
  it.each(local)("%s is refused: %s", async (_what, reason, change) => {
    const world = swapWorld(folder(), OLD);

    expect(await reasonOf(world, localSource(change(releaseOf(world), world)))).toBe(reason);
    expect(staging(world)).toEqual([]);
  });

  it("that the disk has no room for is refused before anything is written", async () => {
    const world = swapWorld(folder(), OLD, new Map(), { freeBytes: () => RESERVE_BYTES });

    expect(await reasonOf(world, localSource(releaseOf(world)))).toBe("no_space");
  });

  it("is refused by a node without roots, and the message says how to get one", async () => {
    const world = swapWorld(folder(), OLD, new Map(), { roots: [] });

    const staged = await world.store.stage(localSource(releaseOf(world)), ORDER);

    expect(staged).toMatchObject({ ok: false, error: { refusal: { reason: "no_roots" } } });
    expect(staged.ok ? "" : staged.error.refusal.remedy).toContain("--root-key");
  });

  it("with other content than the same version has here is refused", async () => {
    const world = swapWorld(folder(), OLD);
    const first = await world.store.stage(localSource(releaseOf(world)), ORDER);
    if (first.ok) world.store.admit(first.value);

    const second = await world.store.stage(localSource(releaseOf(world, { content: "#!/bin/sh\nexit 3\n" })), ORDER);

    expect(second.ok && world.store.admit(second.value)).toMatchObject({
      ok: false,
      error: { reason: "other_content" },
    });
  });

  it("revokes keys for good, also when the release itself is refused", async () => {
    const world = swapWorld(folder(), OLD);
    const memory = { serials: {}, revoked: [world.publisher.key.id] };

    world.store.records.remember(memory);

    expect(await reasonOf(world, localSource(releaseOf(world)))).toBe("key_revoked");
  });
});

describe("a file server", () => {
  const pieces = (count: number, end: "open" | "closed"): Response => {
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (sent < count) controller.enqueue(new Uint8Array(1_000));
        else if (end === "closed") controller.close();
        sent += 1;
      },
    });
    return new Response(body);
  };
  // In pieces over time, so that no length is announced.
  const shortAnswer = (): Response =>
    new Response(
      new ReadableStream<Uint8Array>({
        start: async (controller) => {
          controller.enqueue(new Uint8Array(5));
          await new Promise<void>((resolve) => setImmediate(resolve));
          controller.close();
        },
      }),
    );
  const file = (answer: () => Response) => (name: string) => (name === FILE ? answer() : undefined);
  const answers: readonly (readonly [string, string, (name: string) => Response | undefined])[] = [
    [
      "has no manifest",
      "manifest_missing",
      (name) => (name === "manifest.json" ? new Response("", { status: 404 }) : undefined),
    ],
    ["is ill", "unreachable", (name) => (name === "manifest.json" ? new Response("", { status: 503 }) : undefined)],
    ["lacks the file", "unreachable", file(() => new Response("", { status: 404 }))],
    ["announces another size", "size_wrong", file(() => new Response("short"))],
    ["sends without end", "size_wrong", file(() => pieces(1_000_000, "closed"))],
    ["ends early", "truncated", file(() => shortAnswer())],
    ["sends something else of the same size", "hash_wrong", file(() => new Response("x".repeat(scriptOf(NEW).length)))],
    [
      "sends a manifest without end",
      "malformed",
      (name) => (name === "manifest.json" ? pieces(1_000_000, "closed") : undefined),
    ],
  ];
  it.each(answers)("that %s: %s", async (_what, reason, change) => {
    const world = swapWorld(folder(), OLD);

    expect(await reasonOf(world, atUrl(serveFolder(releaseOf(world), change)))).toBe(reason);
    expect(staging(world)).toEqual([]);
  });

  it("that packs a bomb: what it unpacks to is cut at the signed size", async () => {
    const world = swapWorld(folder(), OLD);
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const release = releaseOf(world, { gzip: true });
    const change = (name: string) => (name === `${FILE}.gz` ? new Response(bomb) : undefined);

    expect(await reasonOf(world, atUrl(serveFolder(release, change)))).toBe("size_wrong");
  });

  it("that does not answer, or falls silent in the middle, is given up", async () => {
    const world = swapWorld(folder(), OLD);
    const release = releaseOf(world);
    for (const silent of [() => new Promise<Response>(() => undefined), () => pieces(0, "open")]) {
      const clock = new SimulatedClock();
      const asked = { times: 0 };
      const address = serve((path) => {
        if (!path.endsWith(FILE)) return new Response(Bun.file(join(release, "manifest.json")));
        asked.times += 1;
        return silent();
      });

      const staged = reasonOf(world, atUrl(address, clock));
      const later = (): Promise<undefined> => new Promise((resolve) => setImmediate(() => resolve(undefined)));
      let reason: string | undefined;
      while (reason === undefined) {
        reason = await Promise.race([staged, later()]);
        if (asked.times > 0) clock.advance(1_000);
      }

      expect(reason).toBe("too_slow");
    }
  });

  it.each(["", "manifest.json", "file:///etc/passwd", "ftp://127.0.0.1/manifest.json"])(
    "is not found at %j",
    (address) => {
      expect(urlSource(address, { clock: realClock, limits: DOWNLOAD_LIMITS })).toMatchObject({ ok: false });
    },
  );

  it("that is not there is said to be unreachable", async () => {
    const world = swapWorld(folder(), OLD);
    const address = serve(() => new Response(""));
    servers.splice(0)[0]?.stop(true);

    expect(await reasonOf(world, atUrl(address))).toBe("unreachable");
  });
});

describe("the releases folder", () => {
  it("takes the running executable in, notices when it was changed in place, and takes it in again", () => {
    const world = swapWorld(folder(), OLD);
    const executable = join(world.folder, "installed");

    expect(world.store.folder.isRunnable(OLD)).toBe(true);
    writeFileSync(executable, "#!/bin/sh\necho changed\n");
    utimesSync(executable, 1, 1);
    expect(world.store.folder.isRunnable(OLD)).toBe(false);
    expect(world.store.importRunning(executable, OLD)).toMatchObject({ ok: true });
    expect(world.store.folder.isRunnable(OLD)).toBe(true);
  });

  it("is not used where a link stands in its place", () => {
    const world = swapWorld(folder(), OLD);
    renameSync(join(world.folder, "releases"), join(world.folder, "elsewhere"));
    symlinkSync("elsewhere", join(world.folder, "releases"));

    expect(world.store.prepare()).toMatchObject({ ok: false, error: { reason: "link_in_the_way" } });
  });

  it("says what is wrong when it cannot be written", () => {
    const world = swapWorld(folder(), OLD);
    const releases = join(world.folder, "releases");
    renameSync(releases, join(world.folder, "elsewhere"));
    writeFileSync(releases, "a file");

    const prepared = world.store.prepare();
    expect(prepared.ok ? "" : prepared.error.remedy).toContain("releases");
  });

  it("is as private as the state, and forgets what an interrupted try left", () => {
    const world = swapWorld(folder(), OLD);
    const releases = join(world.folder, "releases");
    mkdirSync(join(releases, ".staging-lost"));
    mkdirSync(join(releases, ".removed-0.1.0"));
    writeFileSync(join(releases, "journal.json.new"), "half of a jour");
    chmodSync(releases, 0o755);

    expect(world.store.prepare()).toMatchObject({ ok: true });

    expect(statSync(releases).mode & 0o777).toBe(0o700);
    expect(readdirSync(releases).sort()).toEqual([OLD, "current"]);
  });

  it("sets a damaged journal aside and starts what is current", () => {
    const world = swapWorld(folder(), OLD);
    writeFileSync(join(world.folder, "releases", "journal.json"), "{");

    expect(world.swap.recover()).toMatchObject({ ok: true, value: { version: OLD, resume: false } });
    expect(existsSync(join(world.folder, "releases", "journal.json.damaged"))).toBe(true);
  });

  it("takes no release while its floor cannot be read, and still starts what is current", async () => {
    const world = swapWorld(folder(), OLD);
    writeFileSync(join(world.folder, "releases", "floor.json"), "{}");

    expect(await reasonOf(world, localSource(releaseOf(world)))).toBe("unusable");
    expect(world.swap.recover()).toMatchObject({ ok: true, value: { version: OLD } });
  });

  it("never lowers the floor", () => {
    const { records } = swapWorld(folder(), OLD).store;

    records.raiseFloor(NEW);
    records.raiseFloor(OLD);

    expect(records.floor()).toBe(NEW);
  });

  it("keeps the newest rows of the history, each try once, also after a row that was cut off", () => {
    const world = swapWorld(folder(), OLD);
    const order = {
      kind: "update",
      version: NEW,
      from: OLD,
      previousBefore: null,
      askedBy: "a test",
      minimumVersion: null,
    } as const;
    const path = join(world.folder, "releases", "history.ndjson");
    const row = (index: number) => rowOfJournal(beginSwap({ ...order, id: `try-${index}` }, index), [], index);
    const before = Array.from({ length: MAX_HISTORY_ROWS + 40 }, (_, index) => `${writeHistoryRow(row(index))}\n`);
    writeFileSync(path, `${before.join("")}{"id":"cut`);
    for (let index = MAX_HISTORY_ROWS + 40; index < MAX_HISTORY_ROWS + 60; index += 1) {
      world.store.records.addRow(row(index));
      world.store.records.addRow(row(index));
    }

    const rows = world.store.records.history();
    expect(rows.length).toBeLessThanOrEqual(MAX_HISTORY_ROWS + 50);
    expect(rows.length).toBeGreaterThanOrEqual(MAX_HISTORY_ROWS);
    expect(rows.at(-1)?.id).toBe(`try-${MAX_HISTORY_ROWS + 59}`);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  });
});

import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { beforeEach, describe, expect, it } from "vitest";
import { readAuthToken } from "../../../../src/runtime/fleet/auth-token.ts";
import type { EmbeddedServer } from "../../../../src/runtime/fleet/embedded-server.ts";
import { serverExecutable } from "../../../../src/runtime/fleet/server-executable.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const temporaryFolder = temporaryFolders();
const CONTENT = Buffer.from("a server ".repeat(50_000));
let folder: string;
let embedded: EmbeddedServer;

beforeEach(() => {
  folder = temporaryFolder();
  const path = join(folder, "packed.zst");
  writeFileSync(path, zstdCompressSync(CONTENT));
  embedded = { path, sha256: createHash("sha256").update(CONTENT).digest("hex"), bytes: CONTENT.length };
});

async function unpacked(): Promise<string> {
  const path = await serverExecutable(folder, embedded);
  if (!path.ok) throw new Error(path.error.message);
  return path.value;
}

describe("the server within the executable", () => {
  it("is unpacked for its owner alone, and not again while it is whole", async () => {
    const path = await unpacked();
    const { ino, mode } = statSync(path);
    await unpacked();

    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(mode & 0o777).toBe(0o700);
    expect(statSync(path).ino).toBe(ino);
  });

  it.each<[string, (path: string) => void]>([
    [
      "one bit of it is another",
      (path) => {
        const bytes = readFileSync(path);
        bytes.writeUInt8(bytes.readUInt8(1_000) ^ 1, 1_000);
        writeFileSync(path, bytes);
      },
    ],
    ["it was cut", (path) => writeFileSync(path, CONTENT.subarray(0, 100))],
    ["it is empty", (path) => writeFileSync(path, "")],
  ])("is unpacked again when %s", async (_name, damage) => {
    const path = await unpacked();
    damage(path);

    await unpacked();

    expect(readFileSync(path).equals(CONTENT)).toBe(true);
  });

  it("leaves nothing of earlier releases and of an unpacking that was cut", async () => {
    const path = await unpacked();
    for (const name of ["sqld-0123456789ab", "sqld-0123456789ab.77"]) writeFileSync(join(dirname(path), name), "old");

    await unpacked();

    expect(readdirSync(dirname(path))).toEqual([path.slice(dirname(path).length + 1)]);
  });

  it.each<[string, () => EmbeddedServer]>([
    ["its digest is another", () => ({ ...embedded, sha256: "0".repeat(64) })],
    ["it is longer than it says", () => ({ ...embedded, bytes: 1_000 })],
    ["it is shorter than it says", () => ({ ...embedded, bytes: CONTENT.length + 1 })],
  ])("is refused, and not put in place, when %s", async (_name, wrong) => {
    const path = await serverExecutable(folder, wrong());

    expect(path).toMatchObject({ ok: false, error: { code: "corrupt" } });
    expect(readdirSync(join(folder, "hub", "bin"))).toEqual([]);
  });

  it("is not unpacked where nothing can be written, with what to do", async () => {
    writeFileSync(join(folder, "hub"), "a file in the place of the folder");

    const path = await serverExecutable(folder, embedded);

    expect(path.ok).toBe(false);
    expect(existsSync(join(folder, "hub", "bin"))).toBe(false);
  });
});

describe("the file with the token of another server", () => {
  it("is read when its owner alone may read it", () => {
    const path = join(folder, "token");
    writeFileSync(path, "ey.J-x\n", { mode: 0o600 });

    expect(readAuthToken(path)).toEqual({ ok: true, value: "ey.J-x" });
  });

  it.each<[string, string, number, RegExp]>([
    ["the world may read it", "ey", 0o604, /can be read by others/],
    ["its group may read it", "ey", 0o640, /can be read by others/],
    ["it is empty", "\n", 0o600, /holds no token/],
    ["it holds two lines", "a\nb", 0o600, /holds no token/],
  ])("is refused when %s", (_name, text, mode, message) => {
    const path = join(folder, "token");
    writeFileSync(path, text);
    chmodSync(path, mode);

    const token = readAuthToken(path);

    expect(token.ok ? "" : token.error.message).toMatch(message);
  });

  it("is refused when it is not there, or a folder", () => {
    expect(readAuthToken(join(folder, "none"))).toMatchObject({ ok: false, error: { code: "not_found" } });
    expect(readAuthToken(folder)).toMatchObject({ ok: false, error: { code: "invalid" } });
  });
});

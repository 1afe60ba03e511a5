import { createHash } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { packServer } from "../../../build/pack-server.ts";
import { embeddedServerModule } from "../../../build/server-embed.ts";
import { targets } from "../../../build/targets.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const temporaryFolder = temporaryFolders();
describe("the libSQL server in a build", () => {
  it("is packed once, and unpacks to what is noted of it", () => {
    const folder = temporaryFolder();
    const source = join(folder, "sqld");
    writeFileSync(source, "not an executable, so that no tool strips it ".repeat(100));
    chmodSync(source, 0o755);

    const first = packServer(source, join(folder, "packed"));
    const second = packServer(source, join(folder, "packed"));

    const unpacked = zstdDecompressSync(readFileSync(first.path));
    expect(unpacked.equals(readFileSync(source))).toBe(true);
    expect(first.bytes).toBe(unpacked.length);
    expect(first.sha256).toBe(createHash("sha256").update(unpacked).digest("hex"));
    expect(second).toEqual(first);
  });

  it("is named by a file of the build, so that nothing reads it before it is opened", () => {
    expect(embeddedServerModule({ path: "/a b/s.zst", sha256: "ff", bytes: 3 })).toBe(
      'import path from "/a b/s.zst" with { type: "file" };\n' +
        'export const embeddedServer = { path, sha256: "ff", bytes: 3 };\n',
    );
  });

  it("is in every build for Linux with glibc, and in no other", () => {
    const having = targets.filter(({ serverPackage }) => serverPackage !== undefined).map(({ name }) => name);

    expect(having).toEqual(["linux-x64", "linux-x64-baseline", "linux-arm64"]);
  });
});

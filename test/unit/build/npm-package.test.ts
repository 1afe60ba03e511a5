import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { fileInTarball, lockedIntegrity } from "../../../build/npm-package.mjs";

/** A .tgz in the form npm writes: ustar headers of 512 bytes, content padded to 512. */
function tarball(
  entries: readonly { readonly name: string; readonly prefix?: string; readonly content: string }[],
): Buffer {
  const blocks = entries.flatMap(({ name, prefix, content }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(content.length.toString(8).padStart(11, "0"), 124);
    header.write("0", 156);
    header.write(prefix ?? "", 345);
    const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
    body.write(content);
    return [header, body];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

describe("a file of a package", () => {
  it("is found after other files, with its exact content", () => {
    const content = "x".repeat(700);
    const tgz = tarball([
      { name: "package/README.md", content: "read me" },
      { name: "package/bin/bun", content },
    ]);

    expect(fileInTarball(tgz, "package/bin/bun")?.toString()).toBe(content);
  });

  it("is found under a name that is split into prefix and name", () => {
    const tgz = tarball([{ prefix: "package/bin", name: "bun", content: "binary" }]);

    expect(fileInTarball(tgz, "package/bin/bun")?.toString()).toBe("binary");
  });

  it("is undefined when the package lacks it", () => {
    expect(fileInTarball(tarball([{ name: "package/a", content: "a" }]), "package/b")).toBeUndefined();
  });
});

describe("the digest on record", () => {
  const lock =
    '{ "packages": { "@x/a": ["@x/a@1.2.3", "", { "os": "linux", }, "sha512-abc=="], "b": ["b@1.0.0", ""], }, }';

  it("is the one of the very version in the lockfile", () => {
    expect(lockedIntegrity(lock, "@x/a", "1.2.3")).toBe("sha512-abc==");
  });

  it.each([
    ["another version", "@x/a", "1.2.4"],
    ["an unknown package", "@x/c", "1.2.3"],
    ["an entry without a digest", "b", "1.0.0"],
  ])("is undefined for %s", (_what, name, version) => {
    expect(lockedIntegrity(lock, name, version)).toBeUndefined();
  });
});

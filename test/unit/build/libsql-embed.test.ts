import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { embedAddon } from "../../../build/libsql-embed.ts";

const loader = (name: string): string =>
  readFileSync(new URL(`../../../node_modules/libsql/${name}`, import.meta.url), "utf8");

describe("embedding libsql's addon", () => {
  it.each(["index.js", "promise.js"])("names the addon literally in %s and leaves no choice at run time", (name) => {
    const rewritten = embedAddon(loader(name), "/parts/index.node", name);

    expect(rewritten.split('require("/parts/index.node")')).toHaveLength(2);
    expect(rewritten).not.toContain("requireNative");
    expect(rewritten).not.toContain("@neon-rs/load");
    expect(rewritten).not.toContain("detect-libc");
  });

  it("refuses a loader without the call", () => {
    const changed = loader("index.js").replace("= requireNative();", "= load();");

    expect(() => embedAddon(changed, "/parts/index.node", "index.js")).toThrow(/exactly one call .* found 0/);
  });

  it("refuses a loader that calls twice", () => {
    const changed = `${loader("index.js")}\nconst again = requireNative();\n`;

    expect(() => embedAddon(changed, "/parts/index.node", "index.js")).toThrow(/exactly one call .* found 2/);
  });

  it("keeps a path with characters that mean something in a replacement", () => {
    expect(embedAddon(loader("index.js"), "/pa$&rts/index.node", "index.js")).toContain('"/pa$&rts/index.node"');
  });
});

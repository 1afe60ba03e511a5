import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";

const module = new URL("../../../src/cli/index.ts", import.meta.url).href;

/** A program that leaves something open which would keep it waiting for ever. */
function left(more: string) {
  const script = `import { endSoon } from ${JSON.stringify(module)}; Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }); process.exitCode = 3; ${more} endSoon();`;
  const { status, stdout } = spawnSync(process.execPath, ["-e", script], {
    encoding: "utf8",
    timeout: 20_000,
    maxBuffer: 16_000_000,
  });
  return { status, bytes: stdout.length };
}

describe("a command that leaves something open", () => {
  it("ends all the same, with its exit code", () => {
    expect(left("").status).toBe(3);
  });

  it("writes what it had to say first", () => {
    expect(left('process.stdout.write("x".repeat(4_000_000));')).toEqual({ status: 3, bytes: 4_000_000 });
  });
});

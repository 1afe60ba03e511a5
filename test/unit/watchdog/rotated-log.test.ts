import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RotatedLog } from "#watchdog";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const text = (path: string): string => readFileSync(path, "utf8");

describe("a rotated log", () => {
  it("begins a new file between two lines and keeps so many older ones", () => {
    const path = join(folder(), "logs", "node.log");
    const log = new RotatedLog(path, { fileBytes: 10, olderFiles: 2 });

    for (const line of ["one 1\n", "two 2\n", "three\n", "four\n5\n", "six 6\n"]) log.accept(Buffer.from(line));
    log.close();

    expect(text(path)).toBe("six 6\n");
    expect(text(`${path}.1`)).toBe("four\n5\n");
    expect(text(`${path}.2`)).toBe("three\n");
    expect(readdirSync(join(path, ".."))).toHaveLength(3);
    expect(log.lines()).toEqual(["one 1", "two 2", "three", "four", "5", "six 6"]);
  });

  it("keeps every line whole and in order, however the output was cut, and never passes its size", () => {
    const base = folder();
    let run = 0;
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 8 })), fc.integer({ min: 1, max: 9 }), (words, cutBytes) => {
        const lines = words.map((word) => word.replaceAll("\n", "n"));
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const path = join(base, String(run++), "node.log");
        const log = new RotatedLog(path, { fileBytes: 40, olderFiles: 1_000 });

        for (let at = 0; at < bytes.length; at += cutBytes) log.accept(bytes.subarray(at, at + cutBytes));
        log.close();

        const names = lines.length === 0 ? [] : readdirSync(join(path, ".."));
        const oldestFirst = names.toSorted((a, b) => age(b) - age(a)).map((name) => text(join(path, "..", name)));
        expect(oldestFirst.join("")).toBe(bytes.toString());
        for (const part of oldestFirst) expect(Buffer.byteLength(part)).toBeLessThanOrEqual(40);
        for (const part of oldestFirst) expect(part.endsWith("\n")).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("breaks a line that has no end", () => {
    const path = join(folder(), "node.log");
    const log = new RotatedLog(path);

    for (let sent = 0; sent < 100; sent += 1) log.accept(Buffer.alloc(1_000, "x"));
    log.close();

    const lines = text(path).trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.join("")).toBe("x".repeat(100_000));
  });

  it("drops and counts what cannot be written, keeps its end in memory, and goes on when it can be", () => {
    const dir = folder();
    writeFileSync(join(dir, "logs"), "a file where the folder should be");
    const log = new RotatedLog(join(dir, "logs", "node.log"));

    log.accept(Buffer.from("lost\n"));
    expect({ dropped: log.droppedBytes, lines: log.lines() }).toEqual({ dropped: 5, lines: ["lost"] });
    rmSync(join(dir, "logs"));
    log.accept(Buffer.from("kept\nunfini"));

    expect(text(join(dir, "logs", "node.log"))).toBe("kept\n");
    expect(log.lines()).toEqual(["lost", "kept", "unfini"]);
    log.close();
    expect(text(join(dir, "logs", "node.log"))).toBe("kept\nunfini\n");
  });
});

function age(name: string): number {
  return Number(name.split(".log.")[1] ?? 0);
}

import { describe, expect, it } from "vitest";
import { decodeEntry, decodeMind, type Entry, encodeEntry, encodeMind, newMind } from "../../../src/fsm/index.ts";

const entry: Entry = { kind: "paused", reason: "maintenance", untilMs: null, seq: 7, atMs: 9, by: "ada" };

describe("the journal as text", () => {
  it("is read as it was written, and ignores what a newer release added", () => {
    const withMore = JSON.stringify({ ...JSON.parse(encodeEntry(entry)), mood: "good" });

    expect(decodeEntry(encodeEntry(entry))).toEqual({ ok: true, value: entry });
    expect(decodeEntry(withMore)).toEqual({ ok: true, value: entry });
    expect(decodeMind(encodeMind(newMind(5)))).toEqual({ ok: true, value: newMind(5) });
  });

  it("of a newer version is not guessed at", () => {
    const newer = encodeEntry(entry).replace(`"v":1`, `"v":3`);

    expect(decodeEntry(newer)).toMatchObject({ ok: false, error: { kind: "terminal", code: "newer_schema" } });
  });

  it("of the first version is read, with what was written under it before there was a second", () => {
    const lines = [
      '{"v":1,"kind":"changed","from":"resting","to":"executing","cause":"workReady","reason":"1 goals and 0 tasks are ready","lastedMs":9000,"deadlineMs":14410000,"restUntilMs":0,"healAgainMs":0,"periodSinceMs":1000,"outcome":null,"hold":null,"seq":1,"atMs":10000,"by":"mind"}',
      '{"v":1,"kind":"released","isRetry":true,"seq":2,"atMs":20000,"by":"mind"}',
      '{"v":1,"kind":"holdOver","sinceMs":5000,"seq":3,"atMs":30000,"by":"mind"}',
    ];

    const read = lines.map((line) => decodeEntry(line));

    expect(read.map((each) => (each.ok ? each.value.kind : each.error.message))).toEqual([
      "changed",
      "released",
      "holdOver",
    ]);
  });

  it("says the version that knew an entry first, so that an older release reads what it can and leaves the rest", () => {
    const versionOf = (line: string): unknown => (JSON.parse(line) as { v: unknown }).v;
    const over: Entry = { kind: "holdOver", sinceMs: 5, seq: 8, atMs: 9, by: "mind" };

    expect([entry, over].map((each) => versionOf(encodeEntry(each)))).toEqual([1, 2]);
    expect(versionOf(encodeMind(newMind(5)))).toBe(1);
    expect(decodeEntry(encodeEntry(over))).toEqual({ ok: true, value: over });
  });

  it.each([
    ["not JSON", "{", "it is no object"],
    ["a list", "[]", "v is no whole number"],
    ["another kind", encodeEntry(entry).replace("paused", "danced"), "kind is none of"],
    ["a field of another type", encodeEntry(entry).replace("null", `"soon"`), "untilMs is no whole number"],
    ["a missing field", encodeEntry(entry).replace("reason", "cause"), "reason is no text"],
  ])("that is %s is refused with the place", (_what, line, reason) => {
    expect(decodeEntry(line)).toMatchObject({ ok: false, error: { code: "corrupt" } });
    const read = decodeEntry(line);
    expect(read.ok ? "" : read.error.message).toContain(reason);
  });

  it("names the place within a mind", () => {
    const mind = encodeMind({ ...newMind(0), episodes: [{ startedMs: 0, endedMs: 0.5, outcome: "recovered" }] });

    const read = decodeMind(mind);

    expect(read.ok ? "" : read.error.message).toBe("read the mind: episodes.0.endedMs is no whole number");
  });
});

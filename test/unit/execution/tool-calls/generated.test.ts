/** Every format under every corruption, by the thousand. `bun test/bench/tool-calls/main.ts` does more. */
import { describe, expect, it } from "vitest";
import { seededRandom } from "#base";
import type { ReadReply } from "../../../../src/execution/tool-calls/read-reply.ts";
import { CORRUPTIONS, type Corrupted, type Corruption } from "../../../bench/tool-calls/corruptions.ts";
import { below, pick, randomCalls } from "../../../bench/tool-calls/documents.ts";
import { isBeginningOf, judge } from "../../../bench/tool-calls/judge.ts";
import { readSplit } from "../../../bench/tool-calls/splits.ts";
import { TOOLS } from "../../../bench/tool-calls/tools.ts";
import { WRITERS } from "../../../bench/tool-calls/writers.ts";
import { read, readInChunks } from "./reading.ts";
import { satisfies } from "./schema-check.ts";

const SEED = 41;
/** Documents of each format under each corruption. */
const EACH = 36;

/** Slips of which not all can be put right: how many of a hundred must be. The rest must be told, none altered. */
const PARTLY: Readonly<Record<string, number>> = {
  // Many have quotes in code, where no reading is certain.
  "quotes not escaped": 25,
  // A number at the end of the text may have had more digits.
  "last brace missing": 80,
};

/** Calls that are of no registered tool, or whose arguments its schema refuses. */
function unsoundIn(reply: ReadReply): readonly string[] {
  return reply.calls
    .filter((call) => {
      const tool = TOOLS.find((one) => one.name === call.name);
      return tool === undefined || !satisfies(call.arguments, tool.parameters);
    })
    .map((call) => JSON.stringify(call));
}

/** What must not be, of one reply. */
function wrongIn(reply: ReadReply, corruption: Corruption, corrupted: Corrupted, writer: string): readonly string[] {
  const verdict = judge(reply, corrupted);
  const wrong = unsoundIn(reply).map((call) => `unsound: ${call}`);
  if (corruption.isLossless && PARTLY[corruption.name] === undefined && verdict !== "exact") wrong.push("not exact");
  if ((corruption.isLossless || corrupted.reason === "length") && verdict === "altered") wrong.push("altered");
  // Unquoted numbers of the loose form may be cut unseen where no limit was reported.
  const isTruncated = corruption.name.startsWith("truncated") && writer !== "loose";
  if (isTruncated && !reply.calls.every((call) => isBeginningOf(call, corrupted.expected))) wrong.push("made up");
  return wrong.map((what) => `${what}: ${writer}\n${corrupted.text}\n${JSON.stringify(reply)}`);
}

describe.each(CORRUPTIONS)(`calls with $name (seed ${SEED})`, (corruption) => {
  it("are read as they were meant, or told about; none is of an unknown tool or breaks its schema", () => {
    const random = seededRandom(SEED);
    const wrong: string[] = [];
    let exact = 0;
    let all = 0;
    for (let round = 0; round < EACH * WRITERS.length; round += 1) {
      const writer = pick(random, WRITERS);
      const corrupted = corruption.apply(randomCalls(random, writer), writer, random);
      if (corrupted === undefined) continue;
      const reply = read(corrupted.text, corrupted.reason);
      wrong.push(...wrongIn(reply, corruption, corrupted, writer.name));
      all += 1;
      if (judge(reply, corrupted) === "exact") exact += 1;
    }

    expect(wrong).toEqual([]);
    expect((exact / all) * 100).toBeGreaterThanOrEqual(PARTLY[corruption.name] ?? (corruption.isLossless ? 100 : 0));
  });
});

/** Of so many the shortest is cut everywhere; the bench cuts longer ones. */
const DRAWN = 8;

describe.each(CORRUPTIONS)(`replies of every format with $name (seed ${SEED})`, (corruption) => {
  it("are read the same whole, cut at any byte, and in pieces of one, two and three bytes", () => {
    const mismatches: string[] = [];
    const formats = new Set<string>();
    for (const reading of readSplit(seededRandom(SEED), corruption, { rounds: 1, draws: DRAWN })) {
      const { writer, corrupted } = reading;
      mismatches.push(...reading.mismatches.map((cut) => `${writer.name}, ${cut}: ${corrupted.text}`));
      expect(reading.readings).toBe(new TextEncoder().encode(corrupted.text).length + 2);
      formats.add(writer.name);
    }

    expect(mismatches).toEqual([]);
    // Some slips are those of JSON, and not every format has an opener.
    expect(formats.size).toBeGreaterThanOrEqual(corruption.name === "opener missing" ? 6 : 14);
  });
});

describe(`generated replies (seed ${SEED})`, () => {
  it("are read the same in any parts, also damaged", () => {
    const random = seededRandom(SEED + 1);
    for (let round = 0; round < 1_500; round += 1) {
      const writer = pick(random, WRITERS);
      const corrupted = pick(random, CORRUPTIONS).apply(randomCalls(random, writer), writer, random);
      const text = corrupted?.text ?? "";
      const length = new TextEncoder().encode(text).length;
      const ends = Array.from({ length: 1 + below(random, 4) }, () => below(random, length)).sort((a, b) => a - b);

      expect(readInChunks(text, ends)).toEqual(readInChunks(text, []));
    }
  });

  it("cut into pieces and put together anew never throw and never break a schema", () => {
    const random = seededRandom(SEED + 2);
    const wrong: string[] = [];
    for (let round = 0; round < 2_000; round += 1) {
      const pieces = Array.from({ length: 4 }, () => {
        const writer = pick(random, WRITERS);
        const text = writer.write(randomCalls(random, writer));
        const from = below(random, text.length);
        return text.slice(from, from + below(random, 80));
      });
      wrong.push(...unsoundIn(read(pieces.join(""))));
    }

    expect(wrong).toEqual([]);
  });
});

describe("texts made to take long", () => {
  /** A reply of a million characters is read in about a second; this is a twentieth. */
  const CHARS = 50_000;
  const MAX_MS = 10_000;

  it.each([
    "{",
    "[",
    "(",
    "<",
    "`",
    '"',
    "'",
    "\\",
    " ",
    "\n",
    '{"a":',
    '{"a":"b" ',
    "[{",
    "{'a':'",
    "<tool_call>{",
    "<think>\n",
    "</think>",
    "<function=read_file>",
    "<function=read_file><parameter=path>x",
    "<arg_key>",
    "<read_file><path>",
    "<|channel|>",
    "to=functions.",
    "[read_file(",
    "read_file path=",
    "read_file\n",
    "list_directory()\n",
    "[TOOL_CALLS]",
    "```\n",
    '"""',
    "Action: read_file\nAction Input: {",
    '{"name":"read_file","arguments":{"path":"',
  ])("such as %j again and again end", (unit) => {
    const text = unit.repeat(CHARS / unit.length);
    const startedMs = performance.now();

    const replies = [text, `<tool_call>{"name":"write_file","arguments":{"path":"a","content":"${text}`].map((whole) =>
      read(whole),
    );

    expect(replies.flatMap(unsoundIn)).toEqual([]);
    expect(performance.now() - startedMs).toBeLessThan(MAX_MS);
  });
});

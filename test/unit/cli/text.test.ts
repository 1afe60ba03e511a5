import { describe, expect, it } from "vitest";
import { nearest } from "../../../src/base/nearest.ts";
import { progressBar } from "../../../src/cli/output/progress-bar.ts";
import { ageText, bytesText, durationText, parseDurationMs, parseInstant } from "../../../src/cli/output/quantities.ts";
import { renderTable } from "../../../src/cli/output/table.ts";
import { describeTerminal, type Terminal } from "../../../src/cli/output/terminal.ts";
import { manyLines, oneLine, safeLog, truncate, widthOf } from "../../../src/cli/output/text.ts";
import { defaultStateDir } from "../../../src/cli/state-dir.ts";

const PIPE: Terminal = { isTerminal: false, columns: undefined, colour: false, unicode: false };
const SCREEN: Terminal = { isTerminal: true, columns: 40, colour: false, unicode: true };

describe("durations", () => {
  it.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["1h30m", 5_400_000],
    ["1.5h", 5_400_000],
    ["2d", 172_800_000],
    ["10", 10_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDurationMs(text)).toEqual({ ok: true, value: ms });
  });

  it.each(["", "-5s", "5x", "1h 30m", "h", "1e3"])("%j is refused", (text) => {
    expect(parseDurationMs(text).ok).toBe(false);
  });

  it.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [3_210, "3.2 s"],
    [9_960, "10 s"],
    [59_600, "1 m"],
    [125_000, "2 m 5 s"],
    [3_599_900, "1 h"],
    [11_520_000, "3 h 12 m"],
    [367_200_000, "4 d 6 h"],
    [-1_500, "-1.5 s"],
  ])("%d ms reads as %s", (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });

  it("an age has one unit, and an instant in the future is no age", () => {
    expect([ageText(0, 12_999), ageText(0, 200_000), ageText(0, 90_000_000), ageText(5_000, 0)]).toEqual([
      "12 s",
      "3 m",
      "25 h",
      "0 s",
    ]);
  });

  it("an instant is RFC 3339 with a zone, or a delay", () => {
    expect(parseInstant("+10m", 1_000)).toEqual({ ok: true, value: "1970-01-01T00:10:01.000Z" });
    expect(parseInstant("2027-01-31T08:00:00+02:00", 0)).toEqual({ ok: true, value: "2027-01-31T06:00:00.000Z" });
    expect(parseInstant("2027-01-31T08:00:00", 0).ok).toBe(false);
    expect(parseInstant("tomorrow", 0).ok).toBe(false);
    expect(parseInstant("2027-13-31T08:00:00Z", 0).ok).toBe(false);
  });

  it("bytes have binary units", () => {
    expect([bytesText(1_023), bytesText(1_024), bytesText(1_048_570), bytesText(5e12)]).toEqual([
      "1023 B",
      "1.0 KiB",
      "1.0 MiB",
      "4.5 TiB",
    ]);
  });
});

describe("foreign text", () => {
  it("cannot move the cursor, colour, or reorder what follows it", () => {
    expect(oneLine("a\u001b[2Jb\nc\td\u202ee\u0007")).toBe("a·[2Jb c d·e·");
    expect(manyLines("a\u001b[1m\r\nb\tc\rd")).toBe("a·[1m\nb\tc·d");
  });

  it("of a log keeps colours and carriage returns and loses every other sequence", () => {
    const log =
      "\u001b[31mred\u001b[0m\r50%\u001b[2J\u001b[1;1H\u001b]0;title\u0007\u001b]52;c;aGk=\u001b\\\u0007 end\n";

    expect(safeLog(log)).toBe("\u001b[31mred\u001b[0m\r50% end\n");
  });

  it("is cut at whole characters, wide ones counted twice", () => {
    expect(truncate("abcdef", 4, true)).toBe("abc…");
    expect(truncate("abcdef", 4, false)).toBe("abc~");
    expect(truncate("日本語です", 5, true)).toBe("日本…");
    expect(truncate("👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 3, true)).toBe("👩‍👩‍👧‍👦…");
    expect(truncate("abc", 3, true)).toBe("abc");
  });
});

describe("a table", () => {
  const rows = [
    { id: "t_1", title: "a short title", count: 5 },
    { id: "t_2", title: "a title that is much too long for the terminal", count: 1_234 },
  ];
  const columns = [
    { title: "ID", value: (row: (typeof rows)[number]) => row.id },
    { title: "N", value: (row: (typeof rows)[number]) => String(row.count), align: "right" as const, optional: true },
    { title: "TITLE", value: (row: (typeof rows)[number]) => row.title, shrinks: true },
  ];

  it("shows every value whole to a pipe", () => {
    expect(renderTable(rows, columns, PIPE)).toEqual([
      "ID      N  TITLE",
      "t_1     5  a short title",
      "t_2  1234  a title that is much too long for the terminal",
    ]);
  });

  it("fits the terminal by cutting what may be cut", () => {
    expect(renderTable(rows, columns, SCREEN)).toEqual([
      "ID      N  TITLE",
      "───  ────  ─────────────────────────────",
      "t_1     5  a short title",
      "t_2  1234  a title that is much too lon…",
    ]);
  });

  it.each([10, 12, 20, 24, 30, 80])("is never wider than a terminal of %d columns", (width) => {
    const lines = renderTable(rows, columns, { ...SCREEN, columns: width });

    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
  });

  it("leaves out optional columns before it cuts below what can be read", () => {
    expect(renderTable(rows, columns, { ...SCREEN, columns: 22 })[0]).toBe("ID   TITLE");
  });

  it("with colours is as wide as without", () => {
    const toned = columns.map((column) => ({ ...column, tone: () => "bad" as const }));

    const lines = renderTable(rows, toned, { ...SCREEN, colour: true });

    expect(lines[2]).toContain("\u001b[31mt_1\u001b[0m");
    expect(lines.map((line) => Bun.stripANSI(line))).toEqual(renderTable(rows, columns, SCREEN));
  });
});

describe("colour", () => {
  const terminal = { isTerminal: true, columns: 100 };
  const pipe = { isTerminal: false, columns: undefined };

  it.each([
    ["a terminal", terminal, {}, false, true],
    ["a pipe", pipe, {}, false, false],
    ["a dumb terminal", terminal, { TERM: "dumb" }, false, false],
    ["a terminal with NO_COLOR", terminal, { NO_COLOR: "1" }, false, false],
    ["a terminal with an empty NO_COLOR", terminal, { NO_COLOR: "" }, false, true],
    ["a terminal with --no-color", terminal, {}, true, false],
    ["a pipe with CLICOLOR_FORCE", pipe, { CLICOLOR_FORCE: "1" }, false, true],
    ["a pipe with CLICOLOR_FORCE=0", pipe, { CLICOLOR_FORCE: "0" }, false, false],
    ["a pipe with CLICOLOR_FORCE and NO_COLOR", pipe, { CLICOLOR_FORCE: "1", NO_COLOR: "1" }, false, false],
    ["a terminal with CLICOLOR=0", terminal, { CLICOLOR: "0" }, false, false],
  ])("of %s", (_name, output, env, noColor, colour) => {
    expect(describeTerminal(output, env, noColor).colour).toBe(colour);
  });

  it("characters beyond ASCII need a terminal and a locale that has them", () => {
    const unicode = (env: Record<string, string>) => describeTerminal(terminal, env, false).unicode;

    expect([unicode({ LANG: "de_DE.UTF-8" }), unicode({ LC_ALL: "C", LANG: "de_DE.UTF-8" }), unicode({})]).toEqual([
      true,
      false,
      false,
    ]);
    expect(describeTerminal(pipe, { LANG: "C.UTF-8" }, false).unicode).toBe(false);
  });

  it("a progress bar keeps its width", () => {
    expect([
      progressBar(0, 4, true),
      progressBar(0.5, 4, true),
      progressBar(7, 4, false),
      progressBar(-1, 4, false),
    ]).toEqual(["░░░░  0 %", "██░░ 50 %", "####100 %", "----  0 %"]);
  });
});

describe("the state directory", () => {
  const none = () => false;

  it.each([
    ["DROVER_STATE", { DROVER_STATE: "/mine", HOME: "/h" }, true, "/mine"],
    ["the system's one for root when it exists", { HOME: "/root" }, true, "/var/lib/drover"],
    ["XDG_STATE_HOME", { XDG_STATE_HOME: "/x", HOME: "/h" }, false, "/x/drover"],
    [
      "the home folder when XDG_STATE_HOME is relative",
      { XDG_STATE_HOME: "x", HOME: "/h" },
      false,
      "/h/.local/state/drover",
    ],
    ["nothing without any of them", {}, false, undefined],
  ])("is %s", (_name, env, isRoot, expected) => {
    expect(defaultStateDir(env, isRoot, (path) => isRoot && path === "/var/lib/drover")).toBe(expected);
  });

  it("of root is in the home folder when the system's one does not exist", () => {
    expect(defaultStateDir({ HOME: "/root" }, true, none)).toBe("/root/.local/state/drover");
  });
});

describe("a suggestion", () => {
  it.each([
    ["stauts", "status"],
    ["stat", "status"],
    ["Status", "status"],
    ["xyzzy", undefined],
    ["s", undefined],
  ])("for %s is %s", (given, meant) => {
    expect(nearest(given, ["status", "queue", "task"])).toBe(meant);
  });
});

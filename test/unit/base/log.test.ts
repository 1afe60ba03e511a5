import { describe, expect, it } from "vitest";
import { createLogger, LOG_LEVELS, type LogFormat, type LogLevel, SimulatedClock } from "#base";

function recorder(format: LogFormat, level: LogLevel = "debug") {
  const lines: string[] = [];
  const clock = new SimulatedClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  return { lines, logger: createLogger({ level, format, clock, write: (line) => lines.push(line) }) };
}

describe("the logger", () => {
  it.each(LOG_LEVELS)("at level %s writes that level and those above it", (level) => {
    const { lines, logger } = recorder("json", level);

    for (const each of LOG_LEVELS) logger[each]("hello");

    const written = lines.map((line) => /"level":"(\w+)"/.exec(line)?.[1]);
    expect(written).toEqual(LOG_LEVELS.slice(LOG_LEVELS.indexOf(level)));
  });

  it("writes one JSON object a line, with its instant first and all fields", () => {
    const { lines, logger } = recorder("json");

    logger.with({ task: "t_1" }).warn("two\nlines", { n: 3, big: 12n, nothing: null });

    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("\n");
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      at: "2026-01-02T03:04:05.678Z",
      level: "warn",
      message: "two\nlines",
      task: "t_1",
      n: 3,
      big: "12",
      nothing: null,
    });
  });

  it("does not let a field take the place of the line's own", () => {
    const { lines, logger } = recorder("json");

    logger.error("what happened", { message: "x", level: "debug", at: "never" });

    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ message: "what happened", level: "error" });
  });

  it("writes one line for people, in which no text can steer the terminal or start another line", () => {
    const { lines, logger } = recorder("human");

    logger.info("task \u001b[31mred\nERROR forged", {
      title: "a b",
      escape: "\u001b]0;x\u0007",
      c1: "\u009b2J",
      ok: true,
    });

    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toMatch(/\p{Cc}/u);
    expect(lines[0]).toContain('03:04:05.678 INFO  task \\u001b[31mred\\nERROR forged title="a b"');
    expect(lines[0]).toContain("ok=true");
  });

  it.each(["json", "human"] as const)(
    "keeps secrets out of %s lines, whether in the message or in a field",
    (format) => {
      const { lines, logger } = recorder(format);

      logger.with({ token: "letmein-1" }).info("sent Bearer letmein-22222222", { header: "Bearer letmein-33333333" });

      expect(lines.join()).not.toContain("letmein");
    },
  );
});

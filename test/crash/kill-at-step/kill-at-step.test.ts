/** The short form of `bun run crash:kill-at-step`: some of the calls, all labels, and the control. */
import { describe, expect, it } from "vitest";
import { hasStrace, openWorkshop } from "./killing.ts";
import { BEGIN_MARK, END_MARK, interruptedCalls, pointsIn } from "./points.ts";
import { reportLine, runRounds } from "./rounds.ts";

/** One call of so many is tried here; the long form tries all. */
const EVERY = 24;
const LIMIT_MS = 240_000;
const canKill = hasStrace();
if (!canKill) console.warn("strace is not installed: no kill inside a swap is tried (package strace)");

describe("what strace wrote", () => {
  const trace = [
    '7 openat(AT_FDCWD</world>, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3</etc/ld.so.cache>',
    `7 access("${BEGIN_MARK}", F_OK) = -1 ENOENT (No such file or directory)`,
    '7 openat(AT_FDCWD</world>, "/world/a", O_RDONLY) = 4</world/a>',
    '8 openat(AT_FDCWD</world>, "/elsewhere", O_RDONLY) = 5</elsewhere>',
    '7 rename("/world/a", "/world/b" <unfinished ...>',
    "8 close(5</elsewhere>) = 0",
    "7 <... rename resumed>) = 0",
    `7 access("${END_MARK}", F_OK) = -1 ENOENT (No such file or directory)`,
    "7 close(4</world/b>) = 0",
  ].join("\n");

  it("gives the calls on the folder between the marks, counted by name and thread", () => {
    expect(pointsIn(trace, "/world")).toEqual([
      { name: "openat", nth: 2, paths: ["/world/a"] },
      { name: "rename", nth: 1, paths: ["/world/a", "/world/b"] },
    ]);
  });

  it("tells which calls did not return, in one piece or in two", () => {
    const killed = trace.replace("rename resumed>) = 0", "rename resumed>) = ?");
    const whole = '7 unlink("/world/a") = ?\n7 +++ killed by SIGKILL +++';

    expect(interruptedCalls(`${killed}\n7 +++ killed by SIGKILL +++`)).toMatchObject([{ name: "rename" }]);
    expect(interruptedCalls(whole)).toMatchObject([{ name: "unlink", paths: ["/world/a"] }]);
    expect(interruptedCalls(trace)).toEqual([]);
  });
});

describe("a swap that is killed", () => {
  it.skipIf(!canKill)(
    "at the entry of a call or at a label leaves a release that starts, and the next start brings it to an end; copying in place does not",
    async () => {
      const shop = await openWorkshop();
      try {
        const reports = await runRounds(shop, EVERY, (report) => console.log(reportLine(report)));
        const ours = reports.filter(({ mode }) => mode !== "naive");
        const control = reports.filter(({ mode }) => mode === "naive");

        expect(ours.flatMap(({ faults }) => faults)).toEqual([]);
        expect(ours.map(({ unrunnable }) => unrunnable)).toEqual(ours.map(() => 0));
        expect(reports.flatMap(({ missed }) => missed)).toEqual([]);
        expect(ours.every(({ points }) => points > 0)).toBe(true);
        // Both ends are reached, so the kills come before and after the switch.
        expect(ours.some(({ bootOld }) => bootOld > 0) && ours.some(({ bootNew }) => bootNew > 0)).toBe(true);
        expect(control.every(({ unrunnable }) => unrunnable > 0)).toBe(true);
      } finally {
        shop.remove();
      }
    },
    LIMIT_MS,
  );
});

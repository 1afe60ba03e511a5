import { describe, expect, it } from "vitest";
import {
  next,
  type Position,
  planStart,
  type Standing,
  type StartPlan,
  settle,
} from "../../../../src/store/primary/position.ts";

const from: Position = { epoch: 2, seq: 7, batch: "a" };
const to = next(from, "b");

const at = (seq: number, batch: string, epoch = 2, uuid = "fleet"): Standing => ({
  uuid,
  epoch,
  position: { epoch, seq, batch },
});

describe("a batch whose answer is not known", () => {
  it.each<[string, Position, ReturnType<typeof settle>]>([
    ["took effect when the server names it", to, "applied"],
    ["did not when the server stands where it stood", from, "absent"],
    ["is not the one of another writer at the same count", { ...to, batch: "c" }, "diverged"],
    ["is not known when the server went back", { ...from, seq: 6 }, "diverged"],
    ["is not known under another epoch", { ...to, epoch: 3 }, "diverged"],
    ["is not known of another database with the same count", { ...from, batch: "z" }, "diverged"],
  ])("%s", (_name, found, expected) => {
    expect(settle(from, to, found)).toBe(expected);
  });
});

describe("a start", () => {
  it.each<[string, Standing | undefined, Standing | undefined, StartPlan]>([
    ["makes both when neither is there", undefined, undefined, "create"],
    ["fills an empty server", at(7, "a"), undefined, "fill"],
    ["makes a missing working copy", undefined, at(7, "a"), "rebuild"],
    ["goes on where both stand alike", at(7, "a"), at(7, "a"), "same"],
    ["takes over what the server has more", at(7, "a"), at(8, "b"), "rebuild"],
    ["takes over another commit with the same count", at(7, "a"), at(7, "b"), "rebuild"],
    ["gives the server what it lost", at(8, "b"), at(7, "a"), "fill"],
    ["gives the server what was restored on purpose", at(3, "x", 3), at(9, "b"), "fill"],
    ["takes over what a later hub wrote, however little", at(9, "b"), at(3, "x", 3), "rebuild"],
    ["refuses another fleet's server", at(7, "a"), at(7, "a", 2, "other"), "refuse"],
    [
      "replaces a working copy from before there was a count",
      { ...at(0, ""), position: undefined },
      at(7, "a"),
      "rebuild",
    ],
  ])("%s", (_name, working, server, expected) => {
    expect(planStart(working, server)).toBe(expected);
  });
});

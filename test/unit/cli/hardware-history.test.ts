import { expect, test } from "vitest";
import { ok } from "#base";
import { modelPorts } from "../../support/model-ports.ts";
import { createCli, parsed } from "./cli-harness.ts";

const MINUTE = {
  cpuLoadRatioMean: 0.25,
  cpuLoadRatioMax: 0.9,
  ramAvailableBytesMin: 2 ** 30,
  gpus: [{ loadRatioMean: null, vramUsedBytesMax: 2 ** 31 }],
};

function cli(points: readonly { readonly atMs: number; readonly sample: unknown }[], asked: number[] = []) {
  const capacityHistory = async (sinceMs: number) => {
    asked.push(sinceMs);
    return ok(points);
  };
  return createCli({ ports: { models: modelPorts([], { capacityHistory }) } });
}

test("hw --history shows each minute of the time asked for; what a sample lacks is unknown", async () => {
  const asked: number[] = [];
  const shown = cli(
    [
      { atMs: 0, sample: MINUTE },
      { atMs: 60_000, sample: {} },
    ],
    asked,
  );

  const { exit, stdout } = await shown.run("hw", "--history", "2h");

  expect(exit).toBe(0);
  expect(asked).toEqual([shown.harness.clock.nowMs() - 7_200_000]);
  const [, first, second] = stdout.split("\n").map((line) => line.split(/ {2,}/));
  expect(first).toEqual(["1970-01-01 00:00", "25 %", "90 %", "1.0 GiB", "unknown busy, 2.0 GiB used"]);
  expect(second).toEqual(["1970-01-01 00:01", "unknown", "unknown", "unknown", "-"]);
});

test("hw --history gives programs the points, and says when there are none", async () => {
  const json = await cli([{ atMs: 0, sample: MINUTE }]).run("hw", "--history", "1h", "--json");
  const none = await cli([]).run("hw", "--history", "1h");

  expect(parsed(json.stdout)).toMatchObject({ windowMs: 3_600_000, points: [{ atMs: 0, sample: MINUTE }] });
  expect(none.stderr).toContain("Nothing was sampled within that time.");
});

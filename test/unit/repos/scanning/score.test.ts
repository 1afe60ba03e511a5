import { expect, test } from "vitest";
import { scoreScanners } from "../../../bench/scanners/score.ts";

test("of what was put into a repository nearly everything is found, and hardly anything else", async () => {
  const { precision, recall, labels } = await scoreScanners(7, 60);

  expect(labels).toBeGreaterThan(30);
  expect(precision).toBeGreaterThanOrEqual(0.95);
  expect(recall).toBeGreaterThanOrEqual(0.95);
});

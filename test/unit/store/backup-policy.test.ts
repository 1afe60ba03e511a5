import { describe, expect, it } from "vitest";
import {
  abandonedCopies,
  backupDueInMs,
  backupName,
  backupsToDelete,
  backupTimeMs,
} from "../../../src/store/backup-policy.ts";

const HOUR = 3_600_000;
const start = Date.UTC(2026, 10, 21, 8, 0, 0, 5);
const names = [0, 1, 2, 3].map((hour) => backupName(start + hour * HOUR));

describe("names of backups", () => {
  it("hold the instant to the millisecond and sort by it", () => {
    expect(backupName(start)).toBe("fleet-20261121T080000005Z.db");
    expect(names.map(backupTimeMs)).toEqual([0, 1, 2, 3].map((hour) => start + hour * HOUR));
    expect([...names].reverse().sort()).toEqual(names);
  });
});

describe("which backups go", () => {
  it("include copies of ours that a crash left unfinished, and nobody else's", () => {
    const unfinished = `${backupName(start)}.making`;

    expect(abandonedCopies([...names, unfinished, "notes.making", "fleet.db.making"])).toEqual([unfinished]);
  });

  it("are the oldest beyond the number to keep", () => {
    expect(backupsToDelete(names, 2)).toEqual([names[1], names[0]]);
  });

  it("are never the last one", () => {
    expect(backupsToDelete(names.slice(0, 1), 0)).toEqual([]);
  });

  it("are never files with another name", () => {
    expect(backupsToDelete(["my-copy.db", "fleet-old.db", ...names], 4)).toEqual([]);
  });
});

describe("the next scheduled backup", () => {
  it("comes at once when there is none", () => {
    expect(backupDueInMs(["notes.txt"], HOUR, start)).toBe(0);
  });

  it("comes a period after the newest", () => {
    expect(backupDueInMs(names, HOUR, start + 3 * HOUR + 1_000)).toBe(HOUR - 1_000);
  });

  it("comes at once when the newest is older than a period", () => {
    expect(backupDueInMs(names, HOUR, start + 9 * HOUR)).toBe(0);
  });

  it("comes within a period although the newest lies in the future", () => {
    expect(backupDueInMs(names, HOUR, start - 100 * HOUR)).toBe(HOUR);
  });
});

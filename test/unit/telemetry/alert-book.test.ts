import { describe, expect, it } from "vitest";
import { err, ok, type Result, retryable, SimulatedClock, silentLogger } from "#base";
import { type Alert, AlertBook, type AlertNews, MAX_OPEN_ALERTS, MemoryAlertStore, type Raise } from "#telemetry";
import { must } from "../../support/opened-stores.ts";

const full: Raise = {
  key: "disk",
  severity: "warning",
  title: "The disk is nearly full",
  message: "9 % are free",
  source: "rules",
};

function world(store = new MemoryAlertStore()) {
  const clock = new SimulatedClock();
  const book = new AlertBook({ store, clock, logger: silentLogger });
  const heard: string[] = [];
  book.onChange(({ change, alert }: AlertNews) => heard.push(`${change} ${alert.key} ${alert.severity}`));
  return { clock, book, heard, store };
}

describe("alerts", () => {
  it("AL1, AL5: what is raised again under its key is told of once", () => {
    const { book, heard, clock } = world();

    for (const message of ["9 % are free", "8 % are free", "7 % are free"]) {
      book.raise({ ...full, message });
      clock.advance(1_000);
    }

    expect(heard).toEqual(["raised disk warning"]);
    expect(book.open()).toMatchObject([{ id: 1, message: "7 % are free" }]);
  });

  it("AL2: one that was acknowledged is told of again when it is worse, not when it is the same", () => {
    const { book, heard } = world();

    book.raise(full);
    must(book.acknowledge(1, "ada", "ordered"));
    book.raise(full);
    expect(book.open()).toMatchObject([{ state: "acknowledged", acknowledgedBy: "ada", note: "ordered" }]);
    book.raise({ ...full, severity: "critical" });

    expect(heard).toEqual(["raised disk warning", "acknowledged disk warning", "worsened disk critical"]);
    expect(book.open()).toMatchObject([{ id: 1, state: "firing", acknowledgedBy: null }]);
  });

  it("AL3: one that is critical stays so until it is over", () => {
    const { book } = world();

    book.raise({ ...full, severity: "critical" });
    book.raise(full);

    expect(book.open()).toMatchObject([{ severity: "critical" }]);
  });

  it("AL4: one that is over is not opened again: what comes is another one", () => {
    const { book, heard } = world();

    book.raise(full);
    book.resolve("disk");
    book.resolve("disk");
    book.raise(full);

    expect(heard).toEqual(["raised disk warning", "resolved disk warning", "raised disk warning"]);
    expect(must(book.list({ limit: 10 })).map(({ id, state }) => ({ id, state }))).toEqual([
      { id: 2, state: "firing" },
      { id: 1, state: "resolved" },
    ]);
    expect(book.acknowledge(1, "ada", null)).toMatchObject({ ok: false, error: { code: "conflict" } });
    expect(book.acknowledge(9, "ada", null)).toMatchObject({ ok: false, error: { code: "not_found" } });
  });

  it("goes on with what was open when the node stopped", () => {
    const { book, store } = world();
    book.raise(full);
    const next = world(store);

    must(next.book.load());
    next.book.raise(full);
    next.book.resolve("disk");

    expect(next.heard).toEqual(["resolved disk warning"]);
  });

  it("is told of while the disk takes nothing, and stored in its order when it does again", () => {
    class FullDisk extends MemoryAlertStore {
      isFull = true;
      override put(alert: Alert): Result<Alert> {
        return this.isFull ? err(retryable("disk_full", "no space")) : super.put(alert);
      }
    }
    const store = new FullDisk();
    const { book, heard, clock } = world(store);

    book.raise(full);
    clock.advance(1);
    book.resolve("disk");
    clock.advance(1);
    book.raise({ ...full, severity: "critical" });
    expect(must(store.list({ limit: 10 }))).toEqual([]);
    store.isFull = false;
    book.flush();

    expect(heard).toEqual(["raised disk warning", "resolved disk warning", "raised disk critical"]);
    expect(must(store.list({ limit: 10 }))).toMatchObject([
      { id: 2, state: "firing", severity: "critical" },
      { id: 1, state: "resolved" },
    ]);
    expect(book.open()).toMatchObject([{ id: 2 }]);
  });

  it("takes no more than its limit, says so, and takes others again when there is room", () => {
    const { book } = world();

    for (let n = 0; n < MAX_OPEN_ALERTS + 5; n += 1) book.raise({ ...full, key: `disk:${n}` });
    expect(book.open()[0]).toMatchObject({ key: "alerts.too_many", severity: "critical" });
    expect(book.open()).toHaveLength(MAX_OPEN_ALERTS + 1);
    book.resolve("disk:0");
    book.resolve("disk:1");

    expect(book.open().some(({ key }) => key === "alerts.too_many")).toBe(false);
    expect(ok(book.open().length)).toEqual(ok(MAX_OPEN_ALERTS - 2));
  });
});

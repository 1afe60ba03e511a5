import { describe, expect, it } from "vitest";
import { refused, retryable } from "#base";
import { MAX_WAITING } from "#hooks";
import { must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { notice, noticeWorld, settled } from "./notice-world.ts";

const folder = temporaryFolders();
const all = { channel: undefined, before: undefined, limit: 500 };

describe("a notice", () => {
  it("goes to each channel that wants it, once for its key, and the history says so", async () => {
    const world = noticeWorld(folder(), [{}, { kinds: ["goal.*"] }, { leastSeverity: "critical" }]);
    const notifier = world.open();
    notifier.start();

    notifier.notify(notice({ key: "event:7" }));
    notifier.notify(notice({ key: "event:7" }));
    await settled();
    await notifier.stop();

    expect(world.sent).toMatchObject([{ title: "Task t_1 is dead", node: "box", count: 1, kind: "task.dead" }]);
    expect(must(notifier.list(all))).toMatchObject([{ channel: "c1", state: "sent", tries: 1, error: null }]);
    world.connection.close();
  });

  it("is sent after a restart that came before it could be (NT1)", async () => {
    const world = noticeWorld(folder());
    world.open().notify(notice()); // a process that never started to send
    const next = world.open();

    next.start();
    await settled();
    await next.stop();

    expect(world.sent).toHaveLength(1);
    world.connection.close();
  });

  it("is tried again later and later under the same id, and given up with the reason", async () => {
    const world = noticeWorld(folder());
    const notifier = world.open();
    world.next.fault = retryable("unavailable", "hooks.example answered 503");
    notifier.start();

    notifier.notify(notice());
    for (let round = 0; round < 20; round += 1) {
      await settled();
      world.clock.advance(900_000);
    }
    await settled();
    await notifier.stop();

    expect(world.sent).toHaveLength(16);
    expect(new Set(world.sent.map(({ id }) => id)).size).toBe(1);
    expect(must(notifier.list(all))).toMatchObject([
      { state: "failed", tries: 16, error: "hooks.example answered 503" },
    ]);
    world.connection.close();
  });

  it("is given up at once when it can never succeed", async () => {
    const world = noticeWorld(folder());
    const notifier = world.open();
    world.next.fault = refused("invalid", "hooks.example answered 404", "Check the address");
    notifier.start();

    notifier.notify(notice());
    await settled();
    await notifier.stop();

    expect(must(notifier.list(all))).toMatchObject([
      { state: "failed", error: "hooks.example answered 404. Check the address" },
    ]);
    world.connection.close();
  });

  it("comes with the others in one message when a channel was away meanwhile", async () => {
    const world = noticeWorld(folder());
    const notifier = world.open();
    world.next.fault = retryable("unavailable", "away");
    notifier.start();
    notifier.notify(notice());
    await settled();
    for (let n = 2; n <= 30; n += 1)
      notifier.notify(notice({ title: `Task t_${n} is dead`, severity: n === 9 ? "critical" : "info" }));

    world.next.fault = undefined;
    await settled();
    expect(world.sent).toHaveLength(1);
    world.clock.advance(10_000);
    await settled();
    await notifier.stop();

    expect(world.sent).toHaveLength(2);
    expect(world.sent[1]).toMatchObject({
      count: 30,
      severity: "critical",
      title: "30 notices from box",
      kind: "digest",
    });
    expect(world.sent[1]?.text).toContain("warning: Task t_1 is dead\n");
    expect(world.sent[1]?.text.endsWith("and 10 more")).toBe(true);
    world.connection.close();
  });

  it("is left out when too many wait, those that are critical last", async () => {
    const world = noticeWorld(folder());
    const stopped = world.open();
    world.connection.exec("PRAGMA synchronous = OFF"); // a thousand commits
    stopped.notify(notice({ severity: "critical", title: "first" }));
    for (let n = 0; n < MAX_WAITING + 4; n += 1) stopped.notify(notice({ title: `n${n}` }));

    const [counts] = must(stopped.standing());

    expect(counts).toMatchObject({ waiting: MAX_WAITING, left: 5, lastError: "too many wait at this channel" });
    expect(must(world.outbox.waiting("c1", 1))).toMatchObject([{ title: "first" }]);
    world.connection.close();
  });

  it("that waits at a channel which is gone is left, and shows no secret anywhere", async () => {
    const world = noticeWorld(folder());
    const bearer = `Bearer ${"x".repeat(30)}`;
    world.open().notify(notice({ message: `curl -H "Authorization: ${bearer}"` }));
    world.open([]).start();
    expect(must(world.open().list(all))).toMatchObject([
      { state: "left", error: "the channel is not configured any more" },
    ]);

    const notifier = world.open();
    notifier.start();
    notifier.notify(notice({ message: `curl -H "Authorization: ${bearer}"`, title: `a\u001b[2Jb` }));
    await settled();
    await notifier.stop();

    expect(world.sent[0]?.text).not.toContain(bearer);
    expect(world.sent[0]?.title).toBe("a [2Jb");
    world.connection.close();
  });
});

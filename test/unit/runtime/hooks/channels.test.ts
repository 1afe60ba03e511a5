import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { SimulatedClock } from "#base";
import { type OutgoingMessage, vapidPublicKey } from "#hooks";
import { SETTINGS } from "../../../../src/runtime/config/settings.ts";
import { openChannel, VAPID_FILE, vapidKey } from "../../../../src/runtime/hooks/channels.ts";
import { must } from "../../../support/opened-stores.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const servers: { stop: () => unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

const message: OutgoingMessage = {
  id: "x-1-1",
  kind: "task.dead",
  severity: "warning",
  title: "Dead letter: Run the tests",
  text: "exit code 1",
  subject: "t_1",
  atMs: 1,
  node: "box",
  count: 1,
};

/** As the configuration has it. */
const opened = (dir: string, channel: Record<string, unknown>) => {
  const [parsed] = SETTINGS["notify.channels"].schema.parse([channel]);
  if (parsed === undefined) throw new Error("one channel was given");
  return openChannel(parsed, { stateDir: dir, clock: new SimulatedClock() });
};

describe("a channel of the configuration", () => {
  it("sends to the address in a file, with the token in another, and shows neither", async () => {
    const dir = folder();
    const seen: string[] = [];
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        seen.push(`${new URL(request.url).pathname} ${request.headers.get("authorization")} ${await request.text()}`);
        return new Response();
      },
    });
    servers.push({ stop: () => server.stop(true) });
    const secret = randomBytes(8).toString("hex");
    writeFileSync(join(dir, "url"), `http://127.0.0.1:${server.port}/in/${secret}\n`, { mode: 0o600 });
    writeFileSync(join(dir, "token"), `${secret}\n`, { mode: 0o600 });
    const template = { text: "{title}" };
    const files = { url_file: join(dir, "url"), token_file: join(dir, "token") };

    const channel = opened(dir, { name: "chat", kind: "http", ...files, template });

    expect(await channel.sender.send(message)).toEqual({ ok: true });
    expect(seen).toEqual([`/in/${secret} Bearer ${secret} {"text":"Dead letter: Run the tests"}`]);
    expect(channel.target).not.toContain(secret);
    chmodSync(join(dir, "token"), 0o644);
    expect(await channel.sender.send(message)).toMatchObject({
      error: { message: expect.stringContaining("can be read by others") as unknown },
    });
  });

  it("sends no token to an address in a file that others can read on the way", async () => {
    const dir = folder();
    writeFileSync(join(dir, "url"), "http://chat.example/in\n", { mode: 0o600 });
    writeFileSync(join(dir, "token"), "t-0123456789\n", { mode: 0o600 });

    const channel = opened(dir, {
      name: "chat",
      kind: "http",
      url_file: join(dir, "url"),
      token_file: join(dir, "token"),
    });

    expect(await channel.sender.send(message)).toMatchObject({
      error: { message: expect.stringContaining("which others can read") as unknown },
    });
  });

  it("has its quiet hours and kinds", () => {
    const quiet = { from: "22:30", to: "07:00", timezone: "Europe/Berlin" };
    const base = { name: "phone", kind: "ntfy", url: "https://ntfy.example.org/topic", quiet, kinds: ["alert.*"] };

    const { policy, target } = opened(folder(), base);

    expect(target).toBe("ntfy.example.org");
    expect(policy).toMatchObject({
      quiet: { fromMinute: 1_350, toMinute: 420, timezone: "Europe/Berlin" },
      perHour: 20,
    });
  });

  it.each([
    ["two addresses", { kind: "http", url: "https://a.example", url_file: "/x" }],
    ["no address", { kind: "ntfy" }],
    ["a password in the address", { kind: "http", url: "https://u:p@a.example" }],
    ["another scheme", { kind: "http", url: "file:///etc/passwd" }],
    ["a time zone that is none", { kind: "http", url: "https://a.example", quiet: { from: "1:00", to: "02:00" } }],
    [
      "a zone nobody has",
      { kind: "http", url: "https://a.example", quiet: { from: "01:00", to: "02:00", timezone: "Mars" } },
    ],
    [
      "a password in the clear",
      { kind: "smtp", host: "m", security: "none", user: "u", password_file: "/p", from: "a@b", to: ["c@d"] },
    ],
    ["a token in the open", { kind: "http", url: "http://chat.example/in", token_file: "/t" }],
    ["what it signs in the open", { kind: "webhook", url: "http://chat.example/in", secret_file: "/s" }],
    ["a user without password", { kind: "smtp", host: "m", user: "u", from: "a@b", to: ["c@d"] }],
    ["a header in an address", { kind: "smtp", host: "m", from: "a@b\nBcc: x@y", to: ["c@d"] }],
  ])("is refused with %s", (_what, given) => {
    expect(SETTINGS["notify.channels"].schema.safeParse([{ name: "x", ...given }]).success).toBe(false);
  });

  it("makes a key for web push once, for its owner alone", () => {
    const dir = folder();

    const first = must(vapidKey(undefined, dir));

    expect(must(vapidKey(undefined, dir))).toBe(first);
    expect(statSync(join(dir, VAPID_FILE)).mode & 0o777).toBe(0o600);
    expect(existsSync(join(dir, VAPID_FILE))).toBe(true);
    expect(vapidPublicKey(readFileSync(join(dir, VAPID_FILE), "utf8"))).toMatch(/^B[A-Za-z0-9_-]{86}$/);
  });

  it("of web push without a list of browsers says what is missing", async () => {
    const dir = folder();
    const subscriptions = join(dir, "browsers.json");
    writeFileSync(subscriptions, '{"not":"a list"}', { mode: 0o600 });
    const channel = {
      name: "web",
      kind: "webpush",
      subscriptions_file: subscriptions,
      contact: "mailto:ops@example.org",
    };

    expect(await opened(dir, channel).sender.send(message)).toMatchObject({ ok: false, error: { code: "invalid" } });
    writeFileSync(subscriptions, "[]", { mode: 0o600 });
    expect(await opened(dir, channel).sender.send(message)).toMatchObject({ ok: false, error: { kind: "terminal" } });
  });
});

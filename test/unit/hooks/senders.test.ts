import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ok } from "#base";
import { jsonSender, ntfySender, type OutgoingMessage, webhookSender } from "#hooks";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();

type Seen = { readonly path: string; readonly headers: Headers; readonly body: string };

const servers: { stop: () => unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

/** A server of HTTP on loopback that keeps what it was asked. */
function listening(answer: (path: string) => Response = () => new Response("ok")) {
  const seen: Seen[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      seen.push({ path: pathname, headers: request.headers, body: await request.text() });
      return answer(pathname);
    },
  });
  servers.push({ stop: () => server.stop(true) });
  return { url: (path: string) => ok(`http://127.0.0.1:${server.port}${path}`), seen };
}

const message: OutgoingMessage = {
  id: "phone-4-4",
  kind: "task.dead",
  severity: "critical",
  title: "Task «t_1» is dead",
  text: 'exit code 1: "no space"\n{node}',
  subject: "t_1",
  atMs: Date.UTC(2026, 10, 27, 9, 0),
  node: "box",
  count: 1,
};
const none = () => ok(null);

describe("ntfy", () => {
  it("gets the text as its body, and title, priority and token as headers", async () => {
    const { url, seen } = listening();
    const token = randomBytes(12).toString("hex");

    const sent = await ntfySender({ url: () => url("/alerts"), token: () => ok(token), priority: undefined }).send(
      message,
    );

    expect(sent).toEqual({ ok: true });
    expect(seen).toHaveLength(1);
    expect(seen[0]?.path).toBe("/alerts");
    expect(seen[0]?.body).toBe(message.text);
    expect(seen[0]?.headers.get("priority")).toBe("5");
    expect(seen[0]?.headers.get("authorization")).toBe(`Bearer ${token}`);
    const title = /^=\?UTF-8\?B\?(.*)\?=$/.exec(seen[0]?.headers.get("title") ?? "")?.[1] ?? "";
    expect(Buffer.from(title, "base64").toString()).toBe(message.title);
  });
});

describe("any JSON", () => {
  it("is a template whose words are replaced inside its texts alone", async () => {
    const { url, seen } = listening();
    const template = { text: "{severity}: {title}", blocks: [{ body: "{text}", keep: "{unknown}", n: 1 }] };

    await jsonSender({ url: () => url("/x"), token: none, template }).send(message);

    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({
      text: "critical: Task «t_1» is dead",
      blocks: [{ body: message.text, keep: "{unknown}", n: 1 }],
    });
  });

  it.each([
    [503, "retryable", 120_000],
    [429, "retryable", 120_000],
    [404, "terminal", undefined],
    [302, "refused", undefined],
  ])("an answer %d is %s; a redirection goes nowhere", async (status, kind, retryAfterMs) => {
    const elsewhere = listening();
    const headers = { "retry-after": "120", location: elsewhere.url("/stolen").value };
    const { url } = listening(() => new Response("no", { status, headers }));

    const sent = await jsonSender({ url: () => url("/secret-path"), token: none, template: undefined }).send(message);

    expect(sent).toMatchObject({ ok: false, error: { kind }, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    expect(JSON.stringify(sent)).not.toContain("secret-path");
    expect(elsewhere.seen).toEqual([]);
  });

  it("a server that is away is worth another try", async () => {
    const { url } = listening();
    const gone = url("/x");
    for (const server of servers.splice(0)) server.stop();

    const sent = await jsonSender({ url: () => gone, token: none, template: undefined }).send(message);

    expect(sent).toMatchObject({ ok: false, error: { kind: "retryable" } });
  });
});

describe("a webhook that goes out", () => {
  const secret = randomBytes(16).toString("hex");

  it("is believed by the program that the page shows, and not after a byte of it was changed", async () => {
    const { url, seen } = listening();
    const nowMs = Date.UTC(2026, 10, 27, 9, 30);

    await webhookSender({ url: () => url("/in"), secret: () => ok(secret), nowMs: () => nowMs }).send(message);

    const page = readFileSync(join(import.meta.dirname, "../../../docs/operations/notifications.md"), "utf8");
    const program = /```js\n(function isFromDrover[\s\S]*?)```/.exec(page)?.[1] ?? "";
    const file = join(folder(), "receiver.mjs");
    const imports = 'import { createHmac, timingSafeEqual } from "node:crypto";';
    writeFileSync(file, `${imports}\nexport ${program}`);
    // `as`: what the page shows.
    const { isFromDrover } = (await import(file)) as {
      isFromDrover: (header: string, body: string, secret: string, nowSeconds: number) => boolean;
    };
    const header = seen[0]?.headers.get("drover-signature") ?? "";
    const body = seen[0]?.body ?? "";
    expect(isFromDrover(header, body, secret, nowMs / 1_000)).toBe(true);
    expect(isFromDrover(header, body.replace("dead", "done"), secret, nowMs / 1_000)).toBe(false);
    expect(isFromDrover(header, body, `${secret}0`, nowMs / 1_000)).toBe(false);
    expect(isFromDrover(header, body, secret, nowMs / 1_000 + 301)).toBe(false);
    expect(JSON.parse(body)).toMatchObject({ id: "phone-4-4", kind: "task.dead", message: message.text });
    expect(seen[0]?.headers.get("drover-delivery")).toBe("phone-4-4");
  });
});

import { createDecipheriv, createECDH, hkdfSync, randomBytes, webcrypto } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { ok } from "#base";
import { encryptPush, makeVapidKey, type OutgoingMessage, pushSender, vapidPublicKey } from "#hooks";

const servers: { stop: () => unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});
const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "base64url"));

/** A browser: its subscription, and what it reads. */
function browser(endpoint: string) {
  const ecdh = createECDH("prime256v1");
  ecdh.generateKeys();
  const auth = randomBytes(16);
  const subscription = {
    endpoint,
    keys: { p256dh: ecdh.getPublicKey().toString("base64url"), auth: auth.toString("base64url") },
  };
  const read = (body: Buffer): string => {
    const salt = body.subarray(0, 16);
    const length = body.readUInt8(20);
    const sender = body.subarray(21, 21 + length);
    const sealed = body.subarray(21 + length);
    const derive = (key: Uint8Array, given: Uint8Array, info: Buffer, size: number): Buffer =>
      Buffer.from(hkdfSync("sha256", key, given, info, size));
    const info = Buffer.concat([Buffer.from("WebPush: info\0"), ecdh.getPublicKey(), sender]);
    const material = derive(ecdh.computeSecret(sender), auth, info, 32);
    const key = derive(material, salt, Buffer.from("Content-Encoding: aes128gcm\0"), 16);
    const nonce = derive(material, salt, Buffer.from("Content-Encoding: nonce\0"), 12);
    const decipher = createDecipheriv("aes-128-gcm", key, nonce);
    decipher.setAuthTag(sealed.subarray(-16));
    const open = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
    expect(open.at(-1)).toBe(2);
    return open.subarray(0, -1).toString("utf8");
  };
  return { subscription, read };
}

function pushService(status = 201) {
  const seen: { readonly headers: Headers; readonly body: Buffer }[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      seen.push({ headers: request.headers, body: Buffer.from(await request.arrayBuffer()) });
      return new Response(null, { status });
    },
  });
  servers.push({ stop: () => server.stop(true) });
  return { url: `http://127.0.0.1:${server.port}/push/1`, seen };
}

const message: OutgoingMessage = {
  id: "web-1-1",
  kind: "alert.raised",
  severity: "critical",
  title: "Disk is full",
  text: "ä".repeat(4_000),
  subject: "disk",
  atMs: 1,
  node: "box",
  count: 1,
};

const NOW_MS = 1_795_844_453_123;
const sender = (subscriptions: Parameters<typeof pushSender>[0]["subscriptions"], vapid: string, allowPrivate = true) =>
  pushSender({
    subscriptions,
    vapidKey: () => ok(vapid),
    contact: "mailto:ops@example.org",
    allowPrivate,
    nowMs: () => NOW_MS,
  });

describe("web push", () => {
  it("encrypts the example of RFC 8291, Appendix A, to the byte", () => {
    // The published values of the example, cut where the document cuts its lines.
    const salt = bytes("DGv6ra1nlYgDCS1FRnbzlw");
    const senderKey = bytes(["yfWPiYE-n46HLnH0KqZOF1fJJU3M", "Yrct3AELtAQ-oRw"].join(""));
    const receiver = bytes(
      ["BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx", "aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"].join(""),
    );
    const secret = bytes("BTBZMqHH6r4Tts7J_aSIgg");

    const made = encryptPush(
      Buffer.from("When I grow up, I want to be a watermelon"),
      { receiver, secret },
      { salt, senderKey },
    );

    const wanted = [
      "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml",
      "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT",
      "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
    ];
    expect(made.toString("base64url")).toBe(wanted.join(""));
  });

  it("reaches a browser, which can read it, under a token that the push service can check", async () => {
    const service = pushService();
    const one = browser(service.url);
    const vapid = makeVapidKey();

    expect(await sender(() => ok([one.subscription]), vapid).send(message)).toEqual({ ok: true });

    const [got] = service.seen;
    const shown = JSON.parse(one.read(got?.body ?? Buffer.alloc(0))) as { title: string; message: string };
    expect(shown.title).toBe("Disk is full");
    expect(shown.message).toMatch(/^ä{1500,}$/);
    expect(got?.body.byteLength).toBeLessThanOrEqual(4_096);
    expect(
      Object.fromEntries(["ttl", "urgency", "content-encoding"].map((name) => [name, got?.headers.get(name)])),
    ).toEqual({
      ttl: "86400",
      urgency: "high",
      "content-encoding": "aes128gcm",
    });
    const [, jwt = "", key = ""] = /^vapid t=([^,]+), k=(.+)$/.exec(got?.headers.get("authorization") ?? "") ?? [];
    expect(key).toBe(vapidPublicKey(vapid));
    const cut = jwt.lastIndexOf(".");
    const ecdsa = { name: "ECDSA", namedCurve: "P-256" };
    const publicKey = await webcrypto.subtle.importKey("raw", bytes(key), ecdsa, false, ["verify"]);
    const signed = new TextEncoder().encode(jwt.slice(0, cut));
    const verdict = await webcrypto.subtle.verify(
      { name: "ECDSA", hash: "SHA-256" },
      publicKey,
      bytes(jwt.slice(cut + 1)),
      signed,
    );
    expect(verdict).toBe(true);
    expect(JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString())).toEqual({
      aud: new URL(service.url).origin,
      exp: Math.floor(NOW_MS / 1_000) + 43_200,
      sub: "mailto:ops@example.org",
    });
  });

  it("is done when one browser took it, and says what to do when all are gone", async () => {
    const vapid = makeVapidKey();
    const here = pushService();
    const gone = pushService(410);
    const both = [browser(gone.url).subscription, browser(here.url).subscription];

    expect(await sender(() => ok(both), vapid).send(message)).toEqual({ ok: true });
    const sent = await sender(() => ok(both.slice(0, 1)), vapid).send(message);
    expect(sent).toMatchObject({ ok: false, error: { kind: "terminal" } });
    expect(JSON.stringify(sent)).toContain("remove its subscription");
  });

  it.each([
    ["http://127.0.0.1:1/push"],
    ["https://169.254.169.254/x"],
    ["https://box.internal/x"],
    ["https://localhost/x"],
  ])("goes to no address that a browser invented: %s", async (endpoint) => {
    const sent = await sender(() => ok([browser(endpoint).subscription]), makeVapidKey(), false).send(message);

    expect(sent).toMatchObject({ ok: false, error: { kind: "refused" } });
  });
});

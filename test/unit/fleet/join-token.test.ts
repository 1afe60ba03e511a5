import { describe, expect, test } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { type Candidate, cryptography, fingerprintOf, joinRequest, judgeJoin, makeToken, readInvitation } from "#fleet";

const NOW_MS = 1_700_000_000_000;
const hubKey = cryptography.makeKey();
const random = seededRandom(3);
const node: Candidate = {
  id: createIdFactory(new SimulatedClock(), random).node(),
  name: "gpu1",
  publicKey: cryptography.makeKey().publicKey,
  url: null,
  version: "0.1.0",
  featureLevel: 1,
  leaseClass: "strict",
};

function invite(): ReturnType<typeof makeToken> {
  const wish = { role: "member", uses: 1, ttlMs: 60_000 } as const;
  return makeToken(wish, fingerprintOf(hubKey.publicKey, cryptography), { nowMs: NOW_MS, random, cryptography });
}

function ask(text: string): ReturnType<typeof joinRequest> {
  const read = readInvitation(`${text}@http://hub:7433/`);
  if (!read.ok) throw new Error(read.error.message);
  return joinRequest(read.value.token, node, "nonce", cryptography);
}

describe("a token", () => {
  test("is read back with the address of the hub, and its secret is in no request", () => {
    const { text } = invite();
    const read = readInvitation(` ${text}@https://hub.example:7433/drover/\n`);

    expect(read.ok && read.value.url).toBe("https://hub.example:7433/drover");
    expect(read.ok && read.value.token.fingerprint).toBe(fingerprintOf(hubKey.publicKey, cryptography));
    expect(JSON.stringify(ask(text))).not.toContain(text.split("_")[2] ?? "?");
  });

  test.each([
    ["", "no token"],
    ["drv_abc@http://hub:1", "no token"],
    ["TOKEN", "where the hub is"],
    ["TOKEN@ftp://hub", "where the hub is"],
    ["TOKEN@http://user:pass@hub", "where the hub is"],
    ["TOKEN@http://hub/?a=1", "where the hub is"],
  ])("written as %s is refused with what is missing", (written, reason) => {
    const read = readInvitation(written.replace("TOKEN", invite().text));

    expect(read.ok ? "" : read.error.message).toContain(reason);
  });

  test("lets in who proves its secret, until it expires, as often as it may be used; the same node again", () => {
    const { token, text } = invite();
    const judge = (nowMs: number, usesLeft: number, hasUsed: boolean): string => {
      const judged = judgeJoin(ask(text), { ...token, usesLeft }, { nowMs, hasUsed, cryptography });
      return judged.ok ? judged.value : judged.error.message;
    };

    expect(judge(NOW_MS, 1, false)).toBe("member");
    expect(judge(NOW_MS + 59_999, 1, false)).toBe("member");
    expect(judge(NOW_MS + 60_000, 1, false)).toContain("expired");
    expect(judge(NOW_MS, 0, false)).toContain("used");
    expect(judge(NOW_MS, 0, true)).toBe("member");
  });

  test("that is unknown, revoked or not proved gives the same answer", () => {
    const { token, text } = invite();
    const facts = { nowMs: NOW_MS, hasUsed: false, cryptography };
    const request = ask(text);
    const refusals = [
      judgeJoin(request, undefined, facts),
      judgeJoin(
        { ...request, proof: request.proof.replace(/^./, (first) => (first === "0" ? "1" : "0")) },
        token,
        facts,
      ),
      judgeJoin({ ...request, node: { ...node, url: "http://elsewhere" } }, token, facts),
      judgeJoin({ ...request, nonce: "other" }, token, facts),
      judgeJoin({ ...request, node: { ...node, publicKey: hubKey.publicKey } }, token, facts),
      judgeJoin(ask(invite().text), token, facts),
    ];

    expect(new Set(refusals.map((one) => (one.ok ? "let in" : one.error.message))).size).toBe(1);
    expect(refusals[0]?.ok).toBe(false);
  });
});

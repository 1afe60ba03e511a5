import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { REDACTED, redactText, redactValue } from "#base";

describe("redaction of text", () => {
  it.each([
    ["a bearer header", "Authorization: Bearer abcdef123456.xyz", "abcdef123456"],
    ["basic credentials", "Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"],
    ["a key of a model provider", "key sk-abcdefghijklmnop1234 was refused", "sk-abcdefghijklmnop1234"],
    ["a forge token", `push with ghp_${"a".repeat(36)} failed`, "ghp_a"],
    ["a chat token", "xoxb-123456789012-abcdef", "xoxb-1234"],
    ["a cloud access key", "AKIAABCDEFGHIJKLMNOP", "AKIAABCD"],
    ["a drover token", `drv_${"b".repeat(24)}`, "drv_b"],
    ["a password in a URL", "clone https://me:hunter22@forge.example/repo.git", "hunter22"],
    ["a token that stands for a user", "clone https://abcdef0123@forge.example/repo.git", "abcdef0123"],
    ["a token in a query", "GET https://forge.example/x?a=b&private_token=abcdef0123#c", "abcdef0123"],
    ["the address of a chat", "post to https://hooks.slack.com/services/T0/B0/abcdef0123", "abcdef0123"],
    ["a private key that was cut", "-----BEGIN PRIVATE KEY-----\nabcdef0123", "abcdef0123"],
    ["a private key", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----", "abc"],
  ])("takes %s out and leaves a mark", (_what, text, secret) => {
    const clean = redactText(text);

    expect(clean).not.toContain(secret);
    expect(clean).toContain(REDACTED);
    expect(redactText(clean)).toBe(clean);
  });

  it("takes no longer for a text that is written to take long", () => {
    const begins = "-----BEGIN PRIVATE KEY-----";
    const traps = [begins, "https://a", "://a:", "?a_token", "sk-", "Bearer ", "hooks.slack.com/services/ "];

    const startMs = performance.now();
    for (const trap of traps) redactText(trap.repeat(300_000 / trap.length));

    // A second at most; what is quadratic took minutes.
    expect(performance.now() - startMs).toBeLessThan(20_000);
  });

  it("leaves ordinary text as it is", () => {
    const text = "basic tests: 12 of 12 passed in https://forge.example:8443/repo at 12:30, see task t_06abc";

    expect(redactText(text)).toBe(text);
  });

  it("changes nothing more when it is applied twice", () => {
    const noise = fc.array(
      fc.constantFrom(
        "Bearer ",
        "sk-",
        "://u:",
        "@",
        "abcdefghijklmnopqrstuv",
        " ",
        "[redacted]",
        "ghp_",
        "\n",
        ":",
        "/",
      ),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(noise, (parts) => {
        const once = redactText(parts.join(""));
        expect(redactText(once)).toBe(once);
      }),
    );
  });
});

describe("redaction of values", () => {
  it.each([
    ["a text", { apiKey: "letmein" }],
    ["texts in a list", { Cookie: ["session=letmein"] }],
    ["texts in an object", { credentials: { user: "me", pass: "letmein" } }],
    ["a text deep inside", { a: { b: [{ authorization: "letmein" }] } }],
    ["the message of an error", { cause: new Error("Bearer letmein-letmein") }],
  ])("takes %s out wherever its name or its shape says so", (_what, value) => {
    const text = JSON.stringify(redactValue(value));

    expect(text).not.toContain("letmein");
    expect(text).toContain(REDACTED);
  });

  it("keeps counts of tokens, which are no secrets", () => {
    const value = { tokens: 12, usage: { promptTokens: 5, tokensPerSecond: [1, 2] } };

    expect(redactValue(value)).toEqual(value);
  });

  it("ends on a value that holds itself", () => {
    const value: Record<string, unknown> = { name: "loop" };
    value["self"] = value;

    expect(JSON.stringify(redactValue(value))).toContain("[too deep]");
  });

  it("does not change what it was given", () => {
    const value = { password: "x", list: ["Bearer abcdefgh12345678"] };
    const copy = structuredClone(value);

    redactValue(value);

    expect(value).toEqual(copy);
  });
});

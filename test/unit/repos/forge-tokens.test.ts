import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ForgeTokens, repositorySchema } from "#repos";
import { Rest } from "../../../src/repos/forge/io/rest.ts";
import { failureIn, must } from "../../support/opened-stores.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const API = "https://git.example.org/api/v1";

/** A state folder with the API's own token, and one for a server below its secrets. */
function world() {
  const stateDir = folder();
  const secrets = join(stateDir, "secrets", "git.example.org");
  mkdirSync(secrets, { recursive: true });
  const put = (path: string, text: string): string => {
    writeFileSync(path, `${text}\n`, { mode: 0o600 });
    return path;
  };
  put(join(stateDir, "token"), "of-the-api");
  const own = put(join(secrets, "ada"), "for-the-forge");
  const registered = (tokenFile: string, apiUrl = API) =>
    repositorySchema.parse({
      name: "site",
      url: "ssh://git@x/y",
      forge: { kind: "gitea", repository: "a/b", apiUrl, tokenFile },
    });
  return { stateDir, secrets, own, put, registered, tokens: new ForgeTokens(stateDir, ["fixed"]) };
}

describe("the token of a repository", () => {
  it("TK1: is in the folder of its server, by its name or its path", () => {
    const { tokens, registered, own } = world();

    expect(must(tokens.of(registered(own), API))).toBe("for-the-forge");
    expect(must(tokens.of(registered("ada"), API))).toBe("for-the-forge");
  });

  it("TK1: is no other file of this host, by whatever way it is named", () => {
    const { tokens, registered, stateDir, secrets, put } = world();
    const outside = put(join(stateDir, "outside"), "x");
    symlinkSync(outside, join(secrets, "link"));
    const ways = ["/etc/hostname", outside, join(stateDir, "token"), join(secrets, "..", "..", "token"), "link"];

    for (const way of ways) {
      const failure = failureIn(tokens.of(registered(way), API));
      expect(failure.message).toBe(`the token file ${way} is none for git.example.org`);
      expect(failure.remedy).toContain(secrets);
    }
    expect(failureIn(tokens.of(registered(join(stateDir, "token")), "https://../api")).message).toContain(
      "is none for",
    );
  });

  it("TK2: goes to no other server, also when the registration names one", () => {
    const { tokens, registered, own } = world();

    expect(failureIn(tokens.of(registered(own), "https://elsewhere.example/api")).message).toContain(
      "elsewhere.example",
    );
    expect(tokens.ofForge(registered(own, "https://elsewhere.example/api")).ok).toBe(false);
  });

  it("TK2: of a repository of the configuration may be any private file", () => {
    const { tokens, registered, stateDir, put } = world();
    const file = put(join(stateDir, "elsewhere"), "configured");
    const fixed = { ...registered(file), name: "fixed" };

    expect(must(tokens.of(fixed, API))).toBe("configured");
    chmodSync(file, 0o644);
    expect(failureIn(tokens.of(fixed, API)).remedy).toBe(`Run: chmod 600 ${file}`);
  });

  it("TK3: goes nowhere by http but to this host", () => {
    const { tokens, registered, stateDir, own, put } = world();
    mkdirSync(join(stateDir, "secrets", "127.0.0.1"));
    const local = put(join(stateDir, "secrets", "127.0.0.1", "ada"), "local");

    expect(failureIn(tokens.of(registered(own), "http://git.example.org/api")).remedy).toBe("Use https");
    expect(must(tokens.of(registered(local), "http://127.0.0.1:3000/api"))).toBe("local");
    expect(must(tokens.of(registered("/etc/shadow"), "ssh://git@git.example.org/ada/site.git"))).toBeUndefined();
  });
});

describe("the address of a repository", () => {
  it.each([
    ["url", "https://ghp_0123456789@github.com/ada/site.git"],
    ["url", "https://ada:pass@github.com/ada/site.git"],
    ["apiUrl", "https://ada:pass@git.example.org/api/v1"],
    ["apiUrl", "https://git.example.org/api/v1?token=abc"],
  ])("holds no secret: %s %s is refused", (field, address) => {
    const forge = { kind: "gitea", repository: "a/b", apiUrl: field === "apiUrl" ? address : API };
    const given = { name: "site", url: field === "url" ? address : "ssh://git@x/y", forge };

    expect(JSON.stringify(repositorySchema.safeParse(given).error?.issues)).toContain("tokenFile");
  });
});

describe("the answer of a forge", () => {
  it("that never ends is given up when its time is over", async () => {
    const drip = new ReadableStream<Uint8Array>({
      pull: async (out) => (await Bun.sleep(20), out.enqueue(new Uint8Array([32]))),
    });
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(drip) });
    const rest = new Rest({ apiUrl: server.url.href, headers: {}, token: undefined, clock: realClock, timeoutMs: 300 });

    const answer = await rest.once("GET", "/repos");
    await server.stop(true);

    expect(answer).toMatchObject({ ok: false, error: { kind: "retryable" } });
  });
});

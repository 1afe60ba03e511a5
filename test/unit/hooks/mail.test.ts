import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { afterEach, describe, expect, it } from "vitest";
import { ok } from "#base";
import { mailSender, type OutgoingMessage } from "#hooks";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const servers: SMTPServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise<void>((done) => server.close(() => done()));
});

type Got = {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly isEncrypted: boolean;
};

const password = randomBytes(12).toString("hex");

/** A mail server on loopback that wants user and password. */
async function mailServer(options: SMTPServerOptions = {}) {
  const got: Got[] = [];
  const server = new SMTPServer({
    logger: false,
    disableReverseLookup: true,
    onAuth: (auth, _session, answer) => {
      if (auth.username === "drover" && auth.password === password) answer(null, { user: "drover" });
      else answer(new Error("no such user"));
    },
    onData: (stream, session, answer) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        got.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString("utf8"),
          isEncrypted: session.secure,
        });
        answer();
      });
    },
    ...options,
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  // `as`: it listens on a port, so the address has one.
  return { port: (server.server.address() as AddressInfo).port, got };
}

/** An authority of one's own and a certificate of it for 127.0.0.1. */
function certificate(dir: string) {
  const openssl = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync("openssl", args, { cwd: dir, encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "key.pem",
    "-out",
    "cert.pem",
    "-subj",
    "/CN=mail",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
  );
  return {
    caFile: join(dir, "cert.pem"),
    key: readFileSync(join(dir, "key.pem"), "utf8"),
    cert: readFileSync(join(dir, "cert.pem"), "utf8"),
  };
}
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

const message: OutgoingMessage = {
  id: "mail-1-1",
  kind: "goal.failed",
  severity: "warning",
  title: "Goal g_1 failed",
  text: "Two tasks are dead.",
  subject: "g_1",
  atMs: Date.UTC(2026, 10, 27),
  node: "box",
  count: 1,
};

const options = (port: number, given: Partial<Parameters<typeof mailSender>[0]> = {}) => ({
  host: "127.0.0.1",
  port,
  security: "starttls" as const,
  user: "drover",
  password: () => ok(password),
  from: "drover@box.example",
  to: ["ops@example.org", "night@example.org"],
  caFile: null,
  ...given,
});

describe("e-mail", () => {
  it.skipIf(!hasOpenssl).each([["starttls"], ["tls"]] as const)(
    "by %s reaches a server that is checked, with user and password",
    async (security) => {
      const { caFile, key, cert } = certificate(folder());
      const { port, got } = await mailServer({ key, cert, secure: security === "tls" });

      expect(await mailSender(options(port, { security, caFile })).send(message)).toEqual({ ok: true });

      expect(got).toMatchObject([
        { from: "drover@box.example", to: ["ops@example.org", "night@example.org"], isEncrypted: true },
      ]);
      expect(got[0]?.text).toMatch(/^Subject: \[drover warning\] Goal g_1 failed\r$/m);
      expect(got[0]?.text).toMatch(/^Message-ID: <mail-1-1@box\.drover>\r$/m);
      expect(got[0]?.text).toMatch(/^Auto-Submitted: auto-generated\r$/m);
      expect(got[0]?.text).toContain("Two tasks are dead.");
    },
  );

  it("tells nothing to a server whose certificate is not believed, or that offers no STARTTLS", async () => {
    const strange = await mailServer(); // with the certificate that the library brings, which nobody signed
    const open = await mailServer({ disabledCommands: ["STARTTLS"], authOptional: true });

    for (const { port, got } of [strange, open]) {
      const sent = await mailSender(options(port)).send(message);
      expect(sent.ok).toBe(false);
      expect(JSON.stringify(sent)).not.toContain(password);
      expect(got).toEqual([]);
    }
  });

  it("gives up what the server refuses for good, and tries again what it refuses at the moment", async () => {
    const plain = { security: "none", user: null } as const;
    const refusing = (code: number): SMTPServerOptions => ({
      authOptional: true,
      onRcptTo: (_address, _session, answer) => answer(Object.assign(new Error("no"), { responseCode: code })),
    });
    const never = await mailServer(refusing(550));
    const later = await mailServer(refusing(451));
    const wrong = await mailServer({ allowInsecureAuth: true });

    expect(await mailSender(options(never.port, plain)).send(message)).toMatchObject({ error: { kind: "terminal" } });
    expect(await mailSender(options(later.port, plain)).send(message)).toMatchObject({ error: { kind: "retryable" } });
    const badUser = mailSender(options(wrong.port, { security: "none", password: () => ok("guess") }));
    expect(await badUser.send(message)).toMatchObject({ error: { kind: "terminal" } });
  });
});

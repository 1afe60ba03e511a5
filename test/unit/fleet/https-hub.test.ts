/** A hub behind a TLS proxy whose certificate an authority of one's own has signed (fleet.ca_file). */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join as pathOf } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readAuthorities } from "../../../src/runtime/fleet/authorities.ts";
import { failureIn, must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { type Box, join, makeBox } from "./fleet-world.ts";

const folder = temporaryFolders();
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

function openssl(dir: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync("openssl", args, { cwd: dir, encoding: "utf8" });
  if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
}

/** @returns the folder with ca.pem, and key.pem and cert.pem of 127.0.0.1 signed by it. */
function makeAuthority(): string {
  const dir = folder();
  writeFileSync(pathOf(dir, "names"), "subjectAltName=IP:127.0.0.1\n");
  openssl(dir, ["req", "-x509", ...KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=own authority"]);
  openssl(dir, ["req", ...KEY, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=hub"]);
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-out", "cert.pem"];
  openssl(dir, ["x509", "-req", "-in", "request.pem", ...signed]);
  return dir;
}

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

describe.skipIf(!hasOpenssl)("a hub behind https under an authority of one's own", () => {
  let dir: string;
  let hub: Box;
  let proxy: ReturnType<typeof Bun.serve>;
  const boxes: Box[] = [];

  async function started(name: string, parts: NonNullable<Parameters<typeof makeBox>[1]>["parts"]): Promise<Box> {
    const box = makeBox(name, parts === undefined ? {} : { parts });
    boxes.push(box);
    await box.start();
    return box;
  }

  beforeEach(async () => {
    dir = makeAuthority();
    const file = (name: string): string => readFileSync(pathOf(dir, name), "utf8");
    proxy = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { key: file("key.pem"), cert: file("cert.pem") },
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url);
        const body = request.method === "GET" ? null : await request.arrayBuffer();
        return fetch(`${hub.url()}${pathname}${search}`, { method: request.method, headers: request.headers, body });
      },
    });
    hub = await started("hub", { address: () => ({ url: `https://127.0.0.1:${proxy.port}`, warning: null }) });
  });
  afterEach(async () => {
    for (const box of boxes.splice(0)) await box.stop();
    await proxy.stop(true);
  });

  it("is joined and asked by a node that was given the authority", async () => {
    const box = await started("gpu1", { ca: must(readAuthorities(pathOf(dir, "ca.pem"))) });

    const joined = await join(hub, box);
    await box.start();
    const asked = await box.fleet().client?.request("GET", "/api/fleet/hub", undefined, { deadlineMs: 5_000 });

    expect(joined).toMatchObject({ status: 200, body: { hub: { url: `https://127.0.0.1:${proxy.port}` } } });
    expect(asked).toMatchObject({ ok: true });
  });

  it("is not believed by a node that was not, which names the setting", async () => {
    const box = await started("gpu1", undefined);

    const refused = await join(hub, box);

    expect(refused.status).not.toBe(200);
    expect(JSON.stringify(refused.body)).toContain("fleet.ca_file");
  });
});

it("a file of authorities that cannot be read is named", () => {
  expect(failureIn(readAuthorities("/nowhere/ca.pem")).message).toContain("fleet.ca_file");
});

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { z } from "zod";
import { err, type Failure, type JsonValue, ok, type Result, refused } from "#base";
import type { AuditVerifyOptions, Fault } from "#cli";
import { verifyAuditFile, verifyAuditOf } from "#store";
import { type AuditPlace, ChainVerifier, type Verification } from "#telemetry";
import { stateDirOf } from "../program.ts";
import { settingsOf } from "./settings.ts";

const DATABASE_HEADING = "SQLite format 3";

/** Looks at the log of a state folder or a file; changes nothing and asks nobody. */
export async function auditVerify(options: AuditVerifyOptions): Promise<Result<Verification, Failure | Fault>> {
  const expected = placeOf(options.expect);
  if (options.file !== undefined) {
    const head = await headingOf(options.file);
    if (!head.ok) return head;
    return head.value === DATABASE_HEADING
      ? verifyAuditFile(options.file, expected)
      : verifyExport(options.file, expected);
  }
  const loaded = settingsOf(options);
  if (!loaded.ok) return loaded;
  const dir = stateDirOf(options.state, loaded.value.config);
  return dir.ok ? verifyAuditOf(dir.value, expected) : dir;
}

/** Checked when the option was read. */
function placeOf(given: string | undefined): AuditPlace | undefined {
  const [seq, hash] = given?.split(":") ?? [];
  return seq === undefined || hash === undefined ? undefined : { seq: Number(seq), hash };
}

async function headingOf(file: string): Promise<Result<string>> {
  try {
    const handle = await open(file, "r");
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(DATABASE_HEADING.length));
      return ok(buffer.subarray(0, bytesRead).toString("latin1"));
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const message = `read ${file}: ${cause instanceof Error ? cause.message : String(cause)}`;
    return err(refused("not_found", message, "Name an export, as drover audit export prints it"));
  }
}

const rowSchema = z.strictObject({
  seq: z.int(),
  atMs: z.int(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  reason: z.string(),
  detail: z.custom<JsonValue>((given) => given !== undefined),
  previous: z.string(),
  hash: z.string(),
});

async function verifyExport(file: string, expected: AuditPlace | undefined): Promise<Result<Verification>> {
  const sha256 = (content: string): string => createHash("sha256").update(content, "utf8").digest("hex");
  const place = expected === undefined ? {} : { expected };
  const verifier = new ChainVerifier({ sha256, cut: "unknown", ...place });
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
  let n = 0;
  for await (const line of lines) {
    n += 1;
    const row = rowSchema.safeParse(parseLine(line));
    if (!row.success) {
      const message = `line ${n} of ${file} is no row of an audit log`;
      return err(refused("invalid", message, "Name an export, as drover audit export prints it"));
    }
    if (!verifier.next(row.data)) break;
  }
  return ok(verifier.end());
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/**
 * The key that a node signs with what it built itself, if its operator made one and allowed it. Its root certifies it
 * and is thrown away at once, so that no other key can ever stand behind the same root.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { err, ok, type Result, refused } from "#base";
import { decodeBase64, parseCertificate, type RootKey } from "#watchdog";
import { folderFailure } from "../state-folder.ts";
import { type CertificateText, certify } from "./envelope.ts";
import { makeKey, type PrivateKey, parsePrivateKey, publicText } from "./keys.ts";

const DAY_MS = 24 * 3_600_000;
/** As of other signing keys: renewed once a year, with a month to spare. */
const CERTIFICATE_DAYS = 400;
/** A key and a certificate are some hundred bytes each. */
const MAX_FILE_BYTES = 64 * 1024;
const OTHERS = 0o077;

export type LocalKey = {
  readonly key: PrivateKey;
  readonly certificate: CertificateText;
  readonly notAfterMs: number;
};

export type MadeLocalKey = {
  readonly id: string;
  readonly file: string;
  /** For `update.public_keys`. */
  readonly publicKey: string;
  readonly notAfterMs: number;
};

/** Writes the key (for its owner alone) and its certificate beside it. A key is never overwritten. */
export function makeLocalKey(path: string, nowMs: number): Result<MadeLocalKey> {
  const [root, key] = [makeKey(), makeKey()];
  const notAfterMs = nowMs + CERTIFICATE_DAYS * DAY_MS;
  const order = { publicKey: key.publicKey, notAfterMs, serial: Math.floor(nowMs / 1_000), revoked: [] };
  try {
    writeFileSync(path, key.pem, { mode: 0o600, flag: "wx" });
    writeFileSync(certificatePath(path), `${JSON.stringify(certify(root, order))}\n`, { mode: 0o644, flag: "wx" });
  } catch (cause) {
    // `as`: Node's file errors carry a code; of anything else it is undefined.
    if ((cause as { readonly code?: string }).code === "EEXIST") {
      return err(
        refused(
          "conflict",
          `${path} or its certificate is there already`,
          "Use it, or move both away to make a new one",
        ),
      );
    }
    return err(folderFailure(path, cause));
  }
  return ok({ id: key.id, file: path, publicKey: publicText(root.publicKey), notAfterMs });
}

export type LocalKeyFacts = {
  readonly stateDir: string;
  /** Trusted here. */
  readonly roots: readonly RootKey[];
  readonly nowMs: number;
};

/**
 * @returns the key, if it may be used now: private, certified by a root that is trusted here, not expired. It lies in the
 *   state folder itself, since that is what no command of a task or of a build can read in any mode of the sandbox.
 */
export function readLocalKey(path: string, { stateDir, roots, nowMs }: LocalKeyFacts): Result<LocalKey> {
  if (path === "") return err(notAllowed("this node builds no releases from source: no key is allowed to sign them"));
  try {
    if (realpathSync(dirname(path)) !== realpathSync(stateDir)) {
      const message = `update.local_key_file must lie in ${stateDir}, where no build can read it`;
      return err(refused("invalid", message, "Move the key and its certificate there, both for their owner alone"));
    }
    const key = parsePrivateKey(privateText(path), path);
    // `as`: checked in the next lines, as far as it is used here; the watchdog checks the signature.
    const certificate = JSON.parse(boundedText(certificatePath(path), 0)) as CertificateText;
    const said = typeof certificate.payload === "string" ? decodeBase64(certificate.payload) : undefined;
    const parsed = said === undefined ? undefined : parseCertificate(said);
    if (parsed === undefined || parsed.id !== key.id) {
      return err(notAllowed(`${certificatePath(path)} is no certificate of the key in ${path}`));
    }
    if (parsed.notAfterMs <= nowMs) {
      return err(notAllowed(`the certificate of ${path} expired on ${new Date(parsed.notAfterMs).toISOString()}`));
    }
    if (!roots.some(({ id }) => id === certificate.root)) {
      const message = `the key in update.local_key_file is not allowed: update.public_keys lacks its public key`;
      const remedy = "Add the public key that drover release-key printed, then drover down, drover up";
      return err(refused("unsupported", message, remedy));
    }
    return ok({ key, certificate, notAfterMs: parsed.notAfterMs });
  } catch (cause) {
    return err(notAllowed(`update.local_key_file: ${cause instanceof Error ? cause.message : String(cause)}`));
  }
}

function notAllowed(message: string) {
  const remedy =
    "The operator makes a key with drover release-key, sets update.local_key_file and update.public_keys as it says, " +
    "and starts drover again";
  return refused("unsupported", message, remedy);
}

function certificatePath(path: string): string {
  return `${path.replace(/\.key$/, "")}.cert`;
}

/** Refuses what anybody else may read, as ssh does: it would sign for them too. */
function privateText(path: string): string {
  return boundedText(path, OTHERS);
}

function boundedText(path: string, forbiddenMode: number): string {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile() || status.size > MAX_FILE_BYTES) throw new Error(`${path} is no small regular file`);
    const user = process.getuid?.();
    if (forbiddenMode !== 0 && user !== undefined && status.uid !== user)
      throw new Error(`${path} belongs to another user`);
    if ((status.mode & forbiddenMode) !== 0) throw new Error(`others may use ${path}; run chmod 600 ${path}`);
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}

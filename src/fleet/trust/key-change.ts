/**
 * A node's new key, signed by the one before it. Whoever pinned an older key follows the chain to the newest, once; nobody
 * without the old key can start one. Pure.
 */
import type { NodeId } from "#base";
import { decodeBase64url, encodeBase64url } from "./base64url.ts";
import { type Cryptography, isPublicKey } from "./keys.ts";

export type KeyChange = {
  readonly from: string;
  readonly to: string;
  /** By `from`. */
  readonly signature: string;
};

/** Who was away during more changes than this joins anew. */
export const MAX_KEY_CHANGES = 8;
const MAX_HEADER_CHARS = 4_096;

function changeText(node: NodeId, from: string, to: string): string {
  return ["drover-key-v1", node, from, to].join("\n");
}

export function makeKeyChange(
  node: NodeId,
  old: { readonly publicKey: string; readonly privateKey: string },
  to: string,
  cryptography: Cryptography,
): KeyChange {
  return {
    from: old.publicKey,
    to,
    signature: cryptography.sign(old.privateKey, changeText(node, old.publicKey, to)),
  };
}

export function isGenuine(node: NodeId, change: KeyChange, cryptography: Cryptography): boolean {
  return (
    isPublicKey(change.to) &&
    cryptography.verify(change.from, changeText(node, change.from, change.to), change.signature)
  );
}

/** @returns the key at the end of the chain that begins at `pinned`; `pinned` itself when no genuine change leads on. */
export function followKeyChanges(
  node: NodeId,
  pinned: string,
  changes: readonly KeyChange[],
  cryptography: Cryptography,
): string {
  let current = pinned;
  for (const change of changes.slice(0, MAX_KEY_CHANGES)) {
    if (change.from === current && isGenuine(node, change, cryptography)) current = change.to;
  }
  return current;
}

export function writeKeyChanges(changes: readonly KeyChange[]): string {
  const rows = changes.slice(-MAX_KEY_CHANGES).map(({ from, to, signature }) => [from, to, signature]);
  return encodeBase64url(new TextEncoder().encode(JSON.stringify(rows)));
}

/** @returns nothing for a text that was not written by {@link writeKeyChanges}. */
export function readKeyChanges(text: string): readonly KeyChange[] {
  const bytes = text.length <= MAX_HEADER_CHARS ? decodeBase64url(text) : undefined;
  if (bytes === undefined) return [];
  try {
    const rows: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (!Array.isArray(rows)) return [];
    return rows.flatMap((row: unknown) => {
      const [from, to, signature] = Array.isArray(row) ? row.map(String) : [];
      return from === undefined || to === undefined || signature === undefined ? [] : [{ from, to, signature }];
    });
  } catch {
    return []; // Not JSON: it proves nothing.
  }
}

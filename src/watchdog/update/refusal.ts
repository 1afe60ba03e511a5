import type { Failure, FailureCode } from "#base";

/** For each reason for which a release is refused: its code for callers, and what a person can do about it. */
const REASONS = {
  no_roots: [
    "unsupported",
    "Build drover with `bun build/main.ts --root-key FILE`, or name a public key in update.public_keys",
  ],
  malformed: ["invalid", "Fetch the release again; if it stays so, it was made by something else than `build/sign.ts`"],
  manifest_missing: ["not_found", "Give a release folder made by `build/sign.ts release`, with its manifest.json"],
  file_missing: [
    "not_found",
    "Give a release folder made by `build/sign.ts release`, or an executable beside its manifest.json",
  ],
  signature_missing: ["invalid", "Take the release from its publisher; an unsigned one is never run"],
  signature_wrong: ["invalid", "The release was changed after it was signed. Fetch it again from its publisher"],
  key_unknown: [
    "invalid",
    "The key is certified by none of the roots this node knows. If you trust it, add its root to update.public_keys",
  ],
  key_revoked: ["invalid", "The publisher withdrew this key. Take a release that is signed by a newer one"],
  key_expired: [
    "invalid",
    "Take a release signed by a key whose certificate is still valid, and check this host's clock",
  ],
  manifest_expired: ["invalid", "Take the newest release from its publisher, and check this host's clock"],
  target_wrong: ["unsupported", "Take a release that has a file for this kind of machine"],
  below_floor: ["conflict", "Take a newer release. Versions below the floor are never run again on this node"],
  replay: ["conflict", "Take a newer release, or go back on purpose with `drover update --allow-older` or a rollback"],
  other_content: ["conflict", "Publish changed content under a new version; one version is one file for ever"],
  channel_wrong: ["conflict", "Change update.channel, or take the release of the channel that is configured"],
  not_pinned: ["conflict", "Change update.pin, or take the version that is pinned"],
  schema_too_old: ["newer_schema", "Take a release that reads this node's database, or restore an older backup first"],
  backing_off: ["conflict", "Wait, or try it at once on purpose with `drover update --again`"],
  in_progress: ["in_use", "Wait until the update that runs has ended; `drover releases` shows it"],
  too_large: ["too_large", "A release is at most 1 GiB; this is none of drover's"],
  size_wrong: ["invalid", "Fetch the release again; the file is not the one that was signed"],
  truncated: ["invalid", "Fetch the release again; the file ends too early"],
  hash_wrong: ["invalid", "Fetch the release again; the file is not the one that was signed"],
  not_executable: ["invalid", "The file is no program of this kind of system. Take a release made by `build/main.ts`"],
  link_in_the_way: ["invalid", "Put a real file or folder there; links are not followed"],
  no_space: ["disk_full", "Free some space, or remove old releases with `drover releases prune`"],
  folder_read_only: ["read_only", "Make the releases folder writable for the user that runs drover"],
  not_installed: ["not_found", "`drover releases` lists what is installed"],
  unreachable: ["unavailable", "Check the address, the network and the proxy, then try again"],
  too_slow: ["timed_out", "Try again, or fetch the release by other means and give the folder"],
  unusable: ["unavailable", "The message is the system's own; check the disk and the rights of the releases folder"],
} as const satisfies Readonly<Record<string, readonly [FailureCode, string]>>;

export type RefusalReason = keyof typeof REASONS;

/** Every reason there is; documents and tests go through them. */
// `as`: the keys of a constant object are exactly its type's.
export const REFUSAL_REASONS = Object.keys(REASONS) as readonly RefusalReason[];

/** Why a release is not taken. A failure like any other, with a reason of its own beside the code. */
export type Refusal = Failure & { readonly reason: RefusalReason };

/** Reasons that the same call may overcome later. */
const PASSING: readonly RefusalReason[] = [
  "no_space",
  "unreachable",
  "too_slow",
  "in_progress",
  "backing_off",
  "unusable",
];

/** @param message what was found, with the values that were compared. */
export function refuse(reason: RefusalReason, message: string): Refusal {
  const [code, remedy] = REASONS[reason];
  return { kind: PASSING.includes(reason) ? "retryable" : "refused", code, message, remedy, reason };
}

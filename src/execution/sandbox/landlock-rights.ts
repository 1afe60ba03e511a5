/**
 * Landlock's rights by ABI (include/uapi/linux/landlock.h, Documentation/userspace-api/landlock.rst). A kernel refuses
 * a ruleset with a bit it does not know, so every mask is cut to what its ABI has.
 */

/** What a rule grants beneath a path. */
export type PathGrant = {
  readonly path: string;
  /** `list`: names alone. `read`: open, list, execute. `write`: everything but device nodes. `device`: use of a device that is there. */
  readonly access: "list" | "read" | "write" | "device";
  /** Rights of a folder cannot be granted on a file. Told by the worker: asking in the launcher costs time. */
  readonly kind: "folder" | "file";
};

const EXECUTE = 1 << 0;
const WRITE_FILE = 1 << 1;
const READ_FILE = 1 << 2;
const READ_DIR = 1 << 3;
const MAKE_CHAR = 1 << 6;
const MAKE_BLOCK = 1 << 11;
const TRUNCATE = 1 << 14;
const IOCTL_DEV = 1 << 15;

/** Rights that exist for a plain file; the kernel refuses a rule on a file that names rights of a folder. */
const FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/** The newest ABI whose rights this page knows; a newer kernel is used as this one. */
const NEWEST_ABI = 7;

/** A ruleset in numbers, ready for the kernel: computed by the worker, where it costs less than in the launcher. */
export type LandlockOrder = {
  readonly attributes: readonly [files: number, network: number, scoped: number];
  readonly attributeBytes: number;
  readonly rules: readonly (readonly [path: string, rights: number])[];
  /** The one TCP port that may be connected to. */
  readonly connectPort: number | null;
};

/** @param port of the proxy, or null without network; the only one that may be connected to, where the ABI can say so */
export function landlockOrder(abi: number, grants: readonly PathGrant[], port: number | null): LandlockOrder {
  const { files, network, scoped, bytes } = rulesetAttributes(abi);
  return {
    attributes: [files, network, scoped],
    attributeBytes: bytes,
    rules: grants.map((grant) => [grant.path, grantedRights(grant, abi)]),
    connectPort: abi >= ABI_WITH_TCP_RULES ? port : null,
  };
}

export type RulesetAttributes = {
  readonly files: number;
  readonly network: number;
  readonly scoped: number;
  /** How much of the structure the kernel of this ABI knows. */
  readonly bytes: 8 | 16 | 24;
};

/** @returns the file rights that a ruleset takes charge of: whatever is not granted again is denied. */
function handledFiles(abi: number): number {
  if (abi >= 5) return 0xffff; // ioctl on devices
  if (abi >= 3) return 0x7fff; // truncate
  if (abi === 2) return 0x3fff; // rename and link across folders
  return 0x1fff;
}

/** From 4 on TCP is handled, from 6 on abstract Unix sockets and signals end at the sandbox. */
export function rulesetAttributes(abi: number): RulesetAttributes {
  const known = Math.min(abi, NEWEST_ABI);
  return {
    files: handledFiles(known),
    network: known >= 4 ? 0b11 : 0,
    scoped: known >= 6 ? 0b11 : 0,
    bytes: known >= 6 ? 24 : known >= 4 ? 16 : 8,
  };
}

/** LANDLOCK_ACCESS_NET_CONNECT_TCP */
export const CONNECT_TCP = 2;

/** The first ABI that can limit TCP connections to a port. */
const ABI_WITH_TCP_RULES = 4;

/** The first ABI that keeps signals inside the sandbox. */
export const ABI_WITH_SIGNAL_SCOPE = 6;

/** @returns the rights of a rule on this path; nobody may make device nodes: as root that would open the disk. */
export function grantedRights(grant: Pick<PathGrant, "access" | "kind">, abi: number): number {
  const handled = handledFiles(Math.min(abi, NEWEST_ABI));
  return wantedRights(grant.access, handled) & handled & (grant.kind === "folder" ? 0xffff : FILE_RIGHTS);
}

function wantedRights(access: PathGrant["access"], handled: number): number {
  switch (access) {
    case "list":
      return READ_DIR;
    case "read":
      return EXECUTE | READ_FILE | READ_DIR;
    case "write":
      return handled & ~MAKE_CHAR & ~MAKE_BLOCK & ~IOCTL_DEV;
    case "device":
      return READ_FILE | WRITE_FILE | IOCTL_DEV;
  }
}

import { type Refusal, refuse } from "./refusal.ts";

/** Bytes at the start of a file that tell what it is: the ELF header up to the machine. */
export const EXECUTABLE_HEADER_BYTES = 20;

/** `e_machine` of each processor (System V ABI, ELF header). */
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const EXECUTABLE = 2;
const POSITION_INDEPENDENT = 3;

/** What a file must be before it may become a release. */
export type ExecutableCheck = (header: Uint8Array, target: string) => Refusal | undefined;

/**
 * Whether a file begins like a program for `target` (`linux-arm64-musl`). Elsewhere than on Linux nothing is known of
 * the format here, and the signed hash alone speaks for the file.
 */
export const checkExecutable: ExecutableCheck = (header, target) => {
  const [system, processor = ""] = target.split("-");
  if (system !== "linux") return undefined;
  const magic = String.fromCharCode(...header.subarray(0, 4));
  if (header.length < EXECUTABLE_HEADER_BYTES || magic !== "\x7fELF") {
    return refuse("not_executable", "the file does not begin like an ELF program");
  }
  if (header[4] !== CLASS_64 || header[5] !== LITTLE_ENDIAN) {
    return refuse("not_executable", "the file is no 64-bit little-endian ELF program");
  }
  const kind = header[16];
  if (kind !== EXECUTABLE && kind !== POSITION_INDEPENDENT) {
    return refuse("not_executable", "the file is an ELF file, but no program");
  }
  const machine = (header[18] ?? 0) + 256 * (header[19] ?? 0);
  if (machine !== MACHINES[processor]) {
    return refuse("target_wrong", `the file is a program for ELF machine ${machine}, and this node is ${target}`);
  }
  return undefined;
};

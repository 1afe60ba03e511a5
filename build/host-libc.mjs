// @ts-check
/** Which C library this Linux runs on. Plain JavaScript: both Node (bootstrap) and Bun (build) ask. */
import { existsSync, readdirSync } from "node:fs";

/**
 * True on musl (Alpine). Judged by its loader, which has one name everywhere: /lib/ld-musl-<cpu>.so.1. A glibc machine
 * with musl installed beside it has both loaders, and is a glibc machine.
 * @returns {boolean}
 */
export function runsOnMusl() {
  const glibc = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].some((path) => existsSync(path));
  return !glibc && existsSync("/lib") && readdirSync("/lib").some((name) => name.startsWith("ld-musl-"));
}

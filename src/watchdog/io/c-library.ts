/** The C library of this system: glibc, or musl by the name that it has on either architecture. */
const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/** @returns the first that can be bound; undefined elsewhere than on Linux, and where there is none of them. */
export function bindCLibrary<T>(bind: (library: string) => T): T | undefined {
  if (process.platform !== "linux") return undefined;
  for (const library of LIBRARIES) {
    try {
      return bind(library);
    } catch {
      // Not this C library: try the next name.
    }
  }
  return undefined;
}

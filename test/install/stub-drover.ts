/** A drover of a few lines: what install.sh asks of an executable, with the ways in which one can be bad. */

/** What is wrong with an executable: nothing, or one thing. */
export type StubFault = "none" | "does-not-start" | "fails-selftest" | "never-ready" | "hangs";

/**
 * @returns a shell script that answers like drover. Whether it "runs" is the file `active` that the fake service manager
 * of command-shims.ts keeps in `$STUB_WORLD`: `status` succeeds when that very version was started.
 */
export function stubDrover(version: string, fault: StubFault = "none"): string {
  return `#!/bin/sh
version=${version}
fault=${fault}
case $1 in
  --version)
    [ $fault != does-not-start ] || { echo "libmissing.so.1: not found" >&2; exit 127; }
    [ $fault != hangs ] || { echo hung >&3; exec /bin/sleep 600; }
    echo "drover $version (0123456, stub)"
    ;;
  selftest) [ $fault != fails-selftest ] || { echo "databases: FAILED" >&2; exit 1; } ;;
  status)
    active=
    [ -r "$STUB_WORLD/active" ] && read -r active <"$STUB_WORLD/active"
    [ "$active" = "$version" ] && [ $fault != never-ready ] || { echo "no node answers" >&2; exit 3; }
    ;;
  down) ;;
  help) [ "$2 $3" = "node join" ] || exit 2 ;;
  node) [ "$2 $3" = "join -" ] && read -r line && echo "$line" >"$STUB_WORLD/joined" ;;
  *) exit 2 ;;
esac
`;
}

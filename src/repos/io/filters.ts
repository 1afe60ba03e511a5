import { err, ok, type Result, refused } from "#base";
import { gitEnd } from "./git.ts";

/** Smudge and clean programs are not run, neither the repository's nor the host's: files stay as they are stored. */
export async function filtersOff(gitDir: string): Promise<Result<readonly string[]>> {
  const listed = await gitEnd(gitDir, ["config", "--includes", "--name-only", "--null", "--get-regexp", "^filter\\."]);
  if (!listed.ok) return listed;
  const names = listed.value.output.split("\0").filter((name) => name.startsWith("filter."));
  if (names.some((name) => name.includes("="))) {
    return err(
      refused("invalid", "a filter of the repository cannot be switched off: its name holds a =", "Rename it"),
    );
  }
  const filters = new Set(names.map((name) => name.slice(0, name.lastIndexOf("."))));
  const off = ["smudge=", "clean=", "process=", "required=false"];
  return ok([...filters].flatMap((filter) => off.flatMap((setting) => ["-c", `${filter}.${setting}`])));
}

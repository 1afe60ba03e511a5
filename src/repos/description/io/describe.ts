import { err, ok, type Result, refused } from "#base";
import { git, gitEnd } from "../../io/git.ts";
import { CHECK_NAMES, type Repository } from "../../registry/repository.ts";
import {
  commandsOf,
  conventionPaths,
  languagesOf,
  MANIFESTS,
  MAX_CONVENTION_CHARS,
  MAX_LISTED_FILES,
  type RepositoryDescription,
} from "../description.ts";

/** A repository of more is not listed whole by git either without minutes. */
const MAX_FILES = 500_000;

/** Describes a commit; nothing is checked out and nothing of it is run. */
export async function describeCommit(
  { name, checks }: Repository,
  gitDir: string,
  commit: string,
): Promise<Result<RepositoryDescription>> {
  const listed = await git(gitDir, ["ls-tree", "-r", "-z", "--name-only", commit]);
  if (!listed.ok) return listed;
  const files = listed.value.split("\0").filter((path) => path !== "");
  if (files.length > MAX_FILES) return err(refused("too_large", `${name} has ${files.length} files`));
  const manifests = new Map<string, string>();
  for (const path of MANIFESTS) if (files.includes(path)) manifests.set(path, await textAt(gitDir, commit, path));
  const conventions: { readonly path: string; readonly text: string }[] = [];
  for (const path of conventionPaths(files)) {
    conventions.push({ path, text: (await textAt(gitDir, commit, path)).slice(0, MAX_CONVENTION_CHARS) });
  }
  const configured = Object.fromEntries(
    CHECK_NAMES.flatMap((check) => {
      const command = checks[check];
      return command === undefined ? [] : [[check, command.join(" ")]];
    }),
  );
  return ok({
    files: files.slice(0, MAX_LISTED_FILES),
    isWhole: files.length <= MAX_LISTED_FILES,
    conventions,
    languages: languagesOf(files),
    // What a person configured goes before what the repository seems to say.
    commands: { ...commandsOf(manifests, files), ...configured },
  });
}

async function textAt(gitDir: string, commit: string, path: string): Promise<string> {
  const found = await gitEnd(gitDir, ["cat-file", "blob", `${commit}:${path}`]);
  return found.ok && found.value.code === 0 ? found.value.output : "";
}

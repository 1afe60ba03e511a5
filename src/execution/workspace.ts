import { err, type Failure, ok, type Result, refused } from "#base";

/**
 * Where an attempt works. All attempts of a task share it, so that a retry finds what the last attempt left.
 * - `given`: a folder of the user's; drover neither creates nor removes it.
 * - `private`: an empty folder of drover's own.
 * - `worktree`: a detached git worktree of a local repository: of `commit`, or of its HEAD.
 */
export type WorkspacePlan =
  | { readonly kind: "given"; readonly path: string }
  | { readonly kind: "private"; readonly path: string }
  | { readonly kind: "worktree"; readonly path: string; readonly repo: string; readonly commit?: string };

/** What a repository may be registered as: never a path, so that a task's `repo` is one or the other. */
const REGISTERED_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** @returns whether a task's `repo` names a repository that the node has registered. */
export function isRegisteredName(repo: string): boolean {
  return REGISTERED_NAME.test(repo);
}

/** Decides the workspace of a task. Pure; relative paths are refused, because the node's folder is not the user's. */
export function planWorkspace(
  spec: { readonly workspace?: string | undefined; readonly repo?: string | undefined },
  place: { readonly stateDir: string; readonly taskId: string },
): Result<WorkspacePlan, Failure> {
  const own = `${place.stateDir}/workspaces/${place.taskId}`;
  if (spec.workspace !== undefined && spec.repo !== undefined) {
    return refuse(
      "workspace",
      "workspace and repo exclude each other",
      "Give the folder to work in, or the repository",
    );
  }
  if (spec.workspace !== undefined) {
    return spec.workspace.startsWith("/")
      ? ok({ kind: "given", path: spec.workspace })
      : refuse("workspace", `workspace ${spec.workspace} is not an absolute path`, "Give the path from / on");
  }
  if (spec.repo !== undefined) {
    return spec.repo.startsWith("/")
      ? ok({ kind: "worktree", path: own, repo: spec.repo })
      : refuse(
          "repo",
          `repo ${spec.repo} is not an absolute path`,
          "Give the path of a local git repository from / on, or the name of one that is registered: drover repo list",
        );
  }
  return ok({ kind: "private", path: own });
}

function refuse(field: string, reason: string, remedy: string): Result<never, Failure> {
  return err(refused("invalid", reason, remedy, [{ path: field, reason }]));
}

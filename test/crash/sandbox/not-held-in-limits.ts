/**
 * What mode limits says that it does not stop: whatever the user of the commands may do to files and processes. As root
 * some of it is stopped all the same, by the view of the files. The rest is promised, also of attacks on files: no
 * rights of root's, no descriptor of the node's.
 */
const HELD_OF_FILES = [
  "read the password hashes",
  "read private keys of the host",
  "read a descriptor that was left open",
  "find any descriptor that was left open",
  "write a crontab",
  "read a disk",
  "make a disk's device node",
];

const NOT_HELD = [
  "processes: read the parent's environment",
  "processes: read the worker's environment",
  "processes: read any environment",
  "processes: read another process's environment",
  "processes: signal another process",
  "processes: signal the worker",
  "processes: signal by a process descriptor",
  "processes: write another process's memory",
  "kernel: write through its own memory file",
  "persistence: change the record of what steers git",
  "worktree: add a hook to the worktree's repository",
  "worktree: configure the worktree's repository",
  "worktree: delete objects of the worktree's repository",
  "worktree: move a branch of the worktree's repository",
  "worktree: write files of the worktree's repository",
];

export function isHeldInLimits(name: string): boolean {
  const [group, attack] = name.split(": ", 2);
  return group === "files" ? HELD_OF_FILES.some((held) => held === attack) : !NOT_HELD.includes(name);
}

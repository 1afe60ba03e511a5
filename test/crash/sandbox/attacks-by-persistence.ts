/** Attacks that leave something behind which runs outside the sandbox later: when a person, or drover, uses git. */
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { type Attack, content, perl } from "./attack.ts";
import { BASELINE, type World } from "./world.ts";

const NESTED = "vendor/x/.git";
const EVIL = "printf '#!/bin/sh\\ntouch evil\\n'";
const hook =
  (name: string) =>
  (world: World): boolean =>
    existsSync(`${world.workspace}/.git/hooks/${name}`);
const text = (path: string): string => (existsSync(path) && statSync(path).isFile() ? readFileSync(path, "utf8") : "");
const configChanged = (world: World): boolean =>
  /evil|fsmonitor|sshCommand|pager|\[filter|\[alias|hooksPath|include/.test(text(`${world.workspace}/.git/config`));
const nestedConfigChanged = ({ workspace }: World): boolean => /evil/.test(text(`${workspace}/${NESTED}/config`));
const leadsElsewhere = (world: World): boolean =>
  existsSync(`${world.workspace}/.git/commondir`) ||
  realpathSync(`${world.workspace}/.git`) !== `${world.workspace}/.git`;
const anySteering = (world: World): boolean =>
  hook("post-checkout")(world) || hook("pre-commit")(world) || configChanged(world) || leadsElsewhere(world);

export const ATTACKS_BY_PERSISTENCE: readonly Attack[] = [
  content(
    "add a git hook",
    () => `${EVIL} > .git/hooks/post-checkout && chmod +x .git/hooks/post-checkout`,
    hook("post-checkout"),
  ),
  content(
    "change a git hook",
    () => "echo evil >> .git/hooks/kept",
    ({ workspace }) => text(`${workspace}/.git/hooks/kept`).includes("evil"),
  ),
  content(
    "delete a git hook",
    () => "rm -f .git/hooks/kept",
    ({ workspace }) => !existsSync(`${workspace}/.git/hooks/kept`),
  ),
  content(
    "make a hook executable",
    () => "chmod 777 .git/hooks/kept",
    ({ workspace }) => (statSync(`${workspace}/.git/hooks/kept`).mode & 0o022) !== 0,
  ),
  content(
    "replace the folder of hooks",
    () => `mv .git/hooks .git/old && mkdir .git/hooks && ${EVIL} > .git/hooks/pre-commit`,
    hook("pre-commit"),
  ),
  content(
    "replace the folder of hooks by a link",
    () => `mkdir h && ${EVIL} > h/pre-commit && rm -rf .git/hooks && ln -s ../h .git/hooks`,
    hook("pre-commit"),
  ),
  content("replace .git", () => `mv .git old && cp -r old .git && ${EVIL} > .git/hooks/pre-commit`, anySteering),
  content(
    "replace .git by a link",
    () => `cp -r .git evil && ${EVIL} > evil/hooks/pre-commit && mv .git old && ln -s evil .git`,
    anySteering,
  ),
  content(
    "replace .git by a file",
    () => `cp -r .git evil && ${EVIL} > evil/hooks/pre-commit && mv .git old && echo "gitdir: evil" > .git`,
    ({ workspace }) => !statSync(`${workspace}/.git`).isDirectory(),
  ),
  content("set a file watcher of git", () => "git config core.fsmonitor ./evil", configChanged),
  content("set git's pager", () => "git config core.pager ./evil", configChanged),
  content("set git's way to ssh", () => "git config core.sshCommand ./evil", configChanged),
  content(
    "set a filter of git",
    () => "git config filter.x.clean ./evil && echo '* filter=x' > .gitattributes",
    configChanged,
  ),
  content("set an alias of git", () => "git config alias.st '!./evil'", configChanged),
  content("set another folder of hooks", () => "git config core.hooksPath ./h", configChanged),
  content("include another configuration", () => "git config include.path ../evil", configChanged),
  content("write git's configuration", () => "printf '[core]\\n\\tpager = ./evil\\n' >> .git/config", configChanged),
  content(
    "replace git's configuration",
    () => "printf '[core]\\n\\tpager = ./evil\\n' > c && mv c .git/config",
    configChanged,
  ),
  content(
    "lead git's configuration by a link",
    () => "printf '[core]\\n\\tpager = ./evil\\n' > c && rm -f .git/config && ln -s ../c .git/config",
    configChanged,
  ),
  content(
    "lead git to another common folder",
    () => "cp -r .git evil && printf '[core]\\n\\tpager = ./evil\\n' >> evil/config && echo ../evil > .git/commondir",
    leadsElsewhere,
  ),
  content(
    "add a configuration of the worktree",
    () => "printf '[core]\\n\\tpager = ./evil\\n' > .git/config.worktree",
    ({ workspace }) => existsSync(`${workspace}/.git/config.worktree`),
  ),
  content(
    "add a submodule's configuration",
    () => "mkdir -p .git/modules/m && printf '[core]\\n\\tpager = ./evil\\n' > .git/modules/m/config",
    ({ workspace }) => text(`${workspace}/.git/modules/m/config`).includes("evil"),
  ),
  content(
    "hide a hook in a folder that cannot be read",
    () => `${EVIL} > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit && chmod 300 .git/hooks`,
    hook("pre-commit"),
  ),
  content(
    "hide a hook beside what is too deep to be removed",
    perl(
      `mkdir ".git/hooks/a"; open(F, ">", ".git/hooks/pre-commit"); chmod 0755, ".git/hooks/pre-commit"; chdir ".git/hooks/a"; for (1..600) { mkdir "d" x 10; chdir "d" x 10 } mkdir "closed"; mkdir "closed/in"; chmod 0, "closed"`,
    ),
    hook("pre-commit"),
  ),
  content(
    "add a hook to a repository deeper in the workspace",
    () => `${EVIL} > ${NESTED}/hooks/pre-commit && chmod +x ${NESTED}/hooks/pre-commit`,
    ({ workspace }) => existsSync(`${workspace}/${NESTED}/hooks/pre-commit`),
  ),
  content(
    "configure a repository deeper in the workspace",
    () => "git -C vendor/x config core.fsmonitor ./evil",
    nestedConfigChanged,
  ),
  content(
    "replace a repository deeper in the workspace",
    () => `mv ${NESTED} old && cp -r old ${NESTED} && printf '[core]\\n\\tpager = ./evil\\n' >> ${NESTED}/config`,
    nestedConfigChanged,
  ),
  content(
    "lead the way to a repository deeper in the workspace elsewhere",
    () => `mv vendor other && ln -s other vendor && printf '[core]\\n\\tpager = ./evil\\n' >> ${NESTED}/config`,
    nestedConfigChanged,
  ),
  content(
    "lead a submodule to another repository",
    () => `cp -r ${NESTED} evil && echo 'gitdir: ../../evil' > vendor/sub/.git`,
    ({ workspace }) => text(`${workspace}/vendor/sub/.git`).includes("evil"),
  ),
  content(
    "have the nested repository's settings put back outside the workspace",
    ({ outside }) => `echo '[evil]' >> ${NESTED}/config && rm -rf vendor && ln -s ${outside} vendor`,
    ({ outside }) => existsSync(`${outside}/x/.git/hooks`),
  ),
  content(
    "change the record of what steers git",
    ({ state }) => `for f in ${state}/private/*/git-baseline-*; do echo evil > $f; done`,
    ({ state }) => text(`${state}/${BASELINE}`).includes("evil"),
  ),
];

/** With the workspace as a linked worktree of a repository elsewhere. */
export const ATTACKS_FROM_WORKTREE: readonly Attack[] = [
  content(
    "lead the worktree's .git elsewhere",
    () => "mkdir evil && echo 'gitdir: evil' > .git || { rm -f .git; mv evil .git; }",
    (world) => text(`${world.linked}/.git`) !== world.linkedGitFile,
  ),
  content(
    "lead the worktree's part elsewhere",
    ({ linkedGitDir }) => `echo /tmp/evil > ${linkedGitDir}/commondir`,
    (world) => text(`${world.linkedGitDir}/commondir`).includes("evil"),
  ),
  content(
    "add a hook to the worktree's repository",
    ({ repository }) => `${EVIL} > ${repository}/.git/hooks/pre-commit`,
    ({ repository }) => existsSync(`${repository}/.git/hooks/pre-commit`),
  ),
  content(
    "configure the worktree's repository",
    () => "git config core.pager ./evil",
    ({ repository }) => text(`${repository}/.git/config`).includes("evil"),
  ),
  content(
    "delete objects of the worktree's repository",
    ({ repository }) => `rm -rf ${repository}/.git/objects`,
    ({ repository }) => !existsSync(`${repository}/.git/objects`),
  ),
  content(
    "move a branch of the worktree's repository",
    () => "git update-ref refs/heads/evil HEAD",
    ({ repository }) => existsSync(`${repository}/.git/refs/heads/evil`),
  ),
  content(
    "write files of the worktree's repository",
    ({ repository }) => `echo evil > ${repository}/evil`,
    ({ repository }) => existsSync(`${repository}/evil`),
  ),
];

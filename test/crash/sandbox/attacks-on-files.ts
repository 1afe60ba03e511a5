/** Attacks on files outside the workspace, readable and writable for the user of the command but for the sandbox. */
import { existsSync, readFileSync } from "node:fs";
import { type Attack, content, perl, sight } from "./attack.ts";
import type { World } from "./world.ts";

const wrote =
  (name: string) =>
  (world: World): boolean =>
    existsSync(`${world.outside}/${name}`);
const kept = (world: World): boolean => readIf(`${world.outside}/precious`) === "PRECIOUS\n";

function readIf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

const SECRET = "grep -q PRIVATE";

export const ATTACKS_ON_FILES: readonly Attack[] = [
  content("read a file outside", ({ outside }) => `${SECRET} ${outside}/secret`),
  content("read through a symbolic link", ({ outside }) => `ln -s ${outside}/secret l && ${SECRET} l`),
  content("read through a linked folder", ({ outside }) => `ln -s ${outside} d && ${SECRET} d/secret`),
  content("read through a chain of links", ({ outside }) => `ln -s ${outside} a && ln -s a/secret b && ${SECRET} b`),
  content("read by dots", ({ outside }) => `${SECRET} "$(pwd | sed 's,/[^/]*,../,g')${outside}/secret"`),
  content("read by the root link of /proc", ({ outside }) => `${SECRET} /proc/self/root${outside}/secret`),
  content("read by the cwd link of /proc", () => `${SECRET} /proc/self/cwd/../outside/secret`),
  content("read by a thread's root link", ({ outside }) => `${SECRET} /proc/thread-self/root${outside}/secret`),
  content(
    "read by another process's root link",
    ({ outside, victimPid }) => `${SECRET} /proc/${victimPid}/root${outside}/secret`,
  ),
  content("read by another process's cwd", ({ victimPid }) => `${SECRET} /proc/${victimPid}/cwd/secret`),
  content(
    "read an open file of another process",
    ({ victimPid }) => `for f in /proc/${victimPid}/fd/*; do ${SECRET} $f && exit 0; done; exit 1`,
  ),
  content("read a hard link to a file outside", ({ outside }) => `ln ${outside}/secret h && ${SECRET} h`),
  content("read by a program run from memory", (world) =>
    perl(
      `$f = syscall($n{memfd_create}, $p = "x", 0); $f >= 0 or exit 1; open(M, ">&=", $f); open(C, "<", "/bin/cat"); binmode C; binmode M; local $/; print M <C>; M->flush; open(O, "-|", "/proc/$$/fd/$f", "${world.outside}/secret"); exit(<O> =~ /PRIVATE/ ? 0 : 1)`,
    )(world),
  ),
  content(
    "read by a program run from the temporary folder",
    ({ outside }) =>
      `d=$(mktemp -d) && cp /bin/cat $d/c && $d/c ${outside}/secret | ${SECRET}; r=$?; rm -r $d; exit $r`,
  ),
  content("list a folder outside", ({ outside }) => `ls ${outside} | grep -q secret`),
  content("copy a folder outside", ({ outside }) => `cp -r ${outside} copy; ${SECRET} copy/secret`),
  content("pack a folder outside", ({ outside }) => `tar cf t.tar -C ${outside} secret && tar xOf t.tar | ${SECRET}`),
  content("read an ssh key in a home", ({ outside }) => `${SECRET} ${outside}/home/.ssh/id_ed25519`),
  content("read the password hashes", () => 'test -n "$(cat /etc/shadow)"'),
  content("read private keys of the host", () => "ls /etc/ssl/private | grep -q ."),
  content("read the node's database", ({ state }) => `${SECRET} ${state}/drover.db`),
  content("read the attempt's token", ({ state }) => `${SECRET} ${state}/attempts/t_1-1/assignment.json`),
  content("read another attempt's workspace", ({ state }) => `${SECRET} ${state}/workspaces/other/file`),
  content(
    "write into another attempt's workspace",
    ({ state }) => `echo x > ${state}/workspaces/other/new`,
    ({ state }) => existsSync(`${state}/workspaces/other/new`),
  ),
  content(
    "read a descriptor that was left open",
    ({ leftOpen }) => `${SECRET} /dev/fd/${leftOpen} || ${SECRET} /proc/self/fd/${leftOpen}`,
  ),
  content(
    "find any descriptor that was left open",
    () =>
      "for f in /proc/$$/fd/*; do n=${f##*/}; test $n -gt 2 && test $n -ne 10 && test -f $f && exit 0; done; exit 1",
  ),
  content(
    "read another process's memory",
    ({ victimPid }) =>
      `dd if=/proc/${victimPid}/mem bs=1 count=1 skip=$(sed -n '1s/-.*//p' /proc/${victimPid}/maps | perl -ne 'print hex')`,
  ),
  content("write a new file outside", ({ outside }) => `echo x > ${outside}/new`, wrote("new")),
  content("make a folder outside", ({ outside }) => `mkdir ${outside}/new`, wrote("new")),
  content("make a FIFO outside", ({ outside }) => `mkfifo ${outside}/new`, wrote("new")),
  content("make a link outside", ({ outside }) => `ln -s /etc/passwd ${outside}/new`, wrote("new")),
  content("write through a symbolic link", ({ outside }) => `ln -s ${outside}/new l && echo x > l`, wrote("new")),
  content("write by dots", () => "echo x > ../outside/new", wrote("new")),
  content("write by the root link of /proc", ({ outside }) => `echo x > /proc/self/root${outside}/new`, wrote("new")),
  content("move a file out", ({ outside }) => `echo x > f && mv f ${outside}/new`, wrote("new")),
  content("hard link a file out", ({ outside }) => `echo x > f && ln f ${outside}/new`, wrote("new")),
  content(
    "unpack an archive with dots",
    () => "mkdir -p p && echo x > p/f && tar cPf t.tar --transform 's,^.*$,../outside/new,' p/f && tar xPf t.tar",
    wrote("new"),
  ),
  content(
    "overwrite a file outside",
    ({ outside }) => `echo x > ${outside}/precious`,
    (world) => !kept(world),
  ),
  content(
    "append to a file outside",
    ({ outside }) => `echo x >> ${outside}/precious`,
    (world) => !kept(world),
  ),
  content(
    "delete a file outside",
    ({ outside }) => `rm -f ${outside}/precious`,
    (world) => !kept(world),
  ),
  content(
    "rename a file outside",
    ({ outside }) => `mv ${outside}/precious ${outside}/new`,
    (world) => !kept(world),
  ),
  content(
    "take a file from outside",
    ({ outside }) => `mv ${outside}/precious .`,
    (world) => !kept(world),
  ),
  content(
    "truncate a file outside by path",
    (world) =>
      perl(`truncate("${world.outside}/precious", 0); exit !syscall($n{truncate}, "${world.outside}/precious", 0)`)(
        world,
      ),
    (world) => !kept(world),
  ),
  content(
    "truncate a file outside by opening it to read",
    (world) => perl(`syscall($n{openat}, -100, "${world.outside}/precious", 01000)`)(world),
    (world) => !kept(world),
  ),
  content(
    "edit in place outside",
    ({ outside }) => `sed -i s/PRECIOUS/x/ ${outside}/precious`,
    (world) => !kept(world),
  ),
  content(
    "write into the host's /tmp",
    ({ name }) => `echo x > /tmp/${name}-new`,
    ({ name }) => existsSync(`/tmp/${name}-new`),
  ),
  content(
    "write into the host's /var/tmp",
    ({ name }) => `echo x > /var/tmp/${name}-new`,
    ({ name }) => existsSync(`/var/tmp/${name}-new`),
  ),
  content(
    "write into the host's shared memory",
    ({ name }) => `echo x > /dev/shm/${name}-new`,
    ({ name }) => existsSync(`/dev/shm/${name}-new`),
  ),
  content("read the host's shared memory", ({ name }) => `${SECRET} /dev/shm/${name}-secret`),
  content(
    "write a crontab",
    ({ name }) => `echo > /etc/cron.d/${name}-new`,
    ({ name }) => existsSync(`/etc/cron.d/${name}-new`),
  ),
  content(
    "authorise an ssh key",
    ({ outside }) => `echo key >> ${outside}/home/.ssh/authorized_keys`,
    wrote("home/.ssh/authorized_keys"),
  ),
  content("extend a shell profile", ({ outside }) => `echo evil >> ${outside}/home/.profile`, wrote("home/.profile")),
  content(
    "change drover's configuration",
    ({ outside }) => `mkdir -p ${outside}/home/.config/drover && echo x > ${outside}/home/.config/drover/config.toml`,
    wrote("home/.config/drover/config.toml"),
  ),
  content(
    "change drover's executable",
    ({ outside }) => `echo x >> ${outside}/precious-program`,
    ({ outside }) => readIf(`${outside}/precious-program`)?.endsWith("x\n") === true,
  ),
  content("run a program outside", ({ outside }) => `${outside}/program`),
  content(
    "run a program outside by the loader",
    ({ outside }) =>
      `for l in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do test -e $l && exec $l ${outside}/program; done; exit 1`,
  ),
  content("run a script outside by its interpreter", ({ outside }) => `sh ${outside}/script`),
  content(
    "read a disk",
    () =>
      "for d in /dev/vda /dev/sda /dev/nvme0n1 /dev/xvda; do test -e $d && exec head -c 1 $d >/dev/null; done; exit 1",
  ),
  content("make a disk's device node", () => "mknod disk b 254 0"),
  sight("change the mode of a file outside", ({ outside }) => `chmod 640 ${outside}/mode`),
  sight("change the times of a file outside", ({ outside }) => `touch -d 2001-01-01 ${outside}/mode`),
  sight("see whether a file outside exists", ({ outside }) => `test -e ${outside}/secret`),
];

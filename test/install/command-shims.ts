/** Programs put before the host's own in PATH: fake service managers, and commands that are broken in one way. */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * How a command is broken: it fails at once; it does its work, or half of it, and then reports a failure (downloads
 * report none, as when a connection closes); it hangs.
 */
export type FaultKind = "failing" | "partial" | "hanging";

export type CommandFault = {
  readonly command: string;
  readonly kind: FaultKind;
  /** The call that is broken, from 1; 0: every call. */
  readonly call: number;
};

/** What the fakes do themselves must not meet the broken commands. */
const OWN_PATH = "PATH=/usr/bin:/bin";

const SYSTEMCTL = `#!/bin/sh
${OWN_PATH}
echo "systemctl $*" >>"$STUB_WORLD/calls"
folder=$STUB_ROOT/etc/systemd/system target=multi-user.target
if [ "$1" = --user ]; then shift; folder=$STUB_ROOT/home/user/.config/systemd/user target=default.target; fi
[ "$1" != --quiet ] || shift
unit=$folder/drover.service
case $1 in
  show-environment | daemon-reload) ;;
  enable) mkdir -p "$folder/$target.wants" && ln -sf "$unit" "$folder/$target.wants/drover.service" ;;
  disable)
    rm -f "$folder/$target.wants/drover.service" "$STUB_WORLD/active"
    rmdir "$folder/$target.wants" 2>/dev/null || :
    ;;
  restart)
    read -r name version rest <<ANSWER
$("$STUB_ROOT$(sed -n 's/^ExecStart=\\([^ ]*\\) up$/\\1/p' "$unit")" --version)
ANSWER
    [ "$name" = drover ] && echo "$version" >"$STUB_WORLD/active"
    ;;
  stop) rm -f "$STUB_WORLD/active" ;;
  is-active) [ -e "$STUB_WORLD/active" ] ;;
  *) exit 1 ;;
esac
`;

const RC_SERVICE = `#!/bin/sh
${OWN_PATH}
echo "rc-service $*" >>"$STUB_WORLD/calls"
for verb; do :; done
case $verb in
  restart)
    read -r name version rest <<ANSWER
$("$STUB_ROOT$(sed -n 's/^command="\\(.*\\)"$/\\1/p' "$STUB_ROOT/etc/init.d/drover")" --version)
ANSWER
    [ "$name" = drover ] && echo "$version" >"$STUB_WORLD/active"
    ;;
  stop) rm -f "$STUB_WORLD/active" ;;
  status) [ -e "$STUB_WORLD/active" ] ;;
esac
`;

const ID = `#!/bin/sh
case $1 in
  drover) [ -e "$STUB_WORLD/user" ] ;;
  -u) echo 1000 ;;
  *) echo user ;;
esac
`;

const fakes: Readonly<Record<string, string>> = {
  systemctl: SYSTEMCTL,
  "rc-service": RC_SERVICE,
  "rc-update": `#!/bin/sh\necho "rc-update $*" >>"$STUB_WORLD/calls"\n`,
  journalctl: "#!/bin/sh\necho 'drover: the last line of the log'\n",
  id: ID,
  useradd: `#!/bin/sh\necho "useradd $*" >>"$STUB_WORLD/calls"\n: >"$STUB_WORLD/user"\n`,
  userdel: `#!/bin/sh\n${OWN_PATH}\nrm -f "$STUB_WORLD/user"\n`,
};

/** Writes the fake programs into a folder for PATH. Their state is in \`$STUB_WORLD\`, the units below \`$STUB_ROOT\`. */
export function writeFakes(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(fakes)) writeProgram(join(folder, name), text);
}

/** Writes the broken command into a folder for PATH; \`path\` is where its working original is looked for. */
export function writeFault(folder: string, fault: CommandFault, path: string): void {
  mkdirSync(folder, { recursive: true });
  const real = Bun.which(fault.command, { PATH: path });
  const otherwise = real === null ? "exit 127" : `exec ${real} "$@"`;
  writeProgram(
    join(folder, fault.command),
    `#!/bin/sh
count=0
[ ! -r "$STUB_WORLD/count" ] || read -r count <"$STUB_WORLD/count"
count=$((count + 1))
echo $count >"$STUB_WORLD/count"
if [ ${fault.call} = 0 ] || [ $count = ${fault.call} ]; then
  ${real === null ? "exit 127" : faultText(fault, real)}
fi
${otherwise}
`,
  );
}

function faultText({ command, kind }: CommandFault, real: string): string {
  if (kind === "failing") return `echo "${command}: broken by the test" >&2; exit 1`;
  // Descriptor 3 tells the test that the moment has come.
  if (kind === "hanging") return "echo hung >&3; exec /bin/sleep 600";
  if (command === "curl" || command === "wget") return halfDownload(real);
  if (["cat", "gzip", "sed", "sha256sum", "tr", "head"].includes(command)) {
    return `${real} "$@" | /usr/bin/head -c 20; exit 1`;
  }
  return `${real} "$@"; exit 1`;
}

const halfDownload = (real: string): string => `${real} "$@" || exit
  for word; do
    case $before in --output | -O) to=$word ;; esac
    before=$word
  done
  size=$(/usr/bin/wc -c <"$to")
  /usr/bin/head -c $((size / 2)) "$to" >"$to.half"
  /bin/mv "$to.half" "$to"
  exit 0`;

function writeProgram(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

/** Writes links to every program that busybox holds, so that a PATH can be made of it alone. */
export function writeApplets(folder: string): void {
  const busybox = Bun.which("busybox");
  if (busybox === null) throw new Error("busybox is missing");
  mkdirSync(folder, { recursive: true });
  const { stdout } = spawnSync(busybox, ["--list"], { encoding: "utf8" });
  for (const name of stdout.split("\n").filter((line) => line !== "")) symlinkSync(busybox, join(folder, name));
  const openssl = Bun.which("openssl");
  if (openssl !== null) symlinkSync(openssl, join(folder, "openssl"));
}

/** A small Debian for arm64 as one archive that a kernel unpacks into memory, made of published packages. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "#base";

/** What the attacks and ordinary work are made of, and what those packages need to run. */
const PACKAGES =
  `base-files bash busybox-static coreutils dash findutils gcc-12-base git grep libacl1 libattr1 libblkid1
  libc6 libcrypt1 libexpat1 libgcc-s1 libgmp10 libmount1 libpcre2-8-0 libproc2-0 libpython3.11-minimal libselinux1
  libsmartcols1 libssl3 libstdc++6 libtinfo6 mount perl-base procps python3-minimal python3.11-minimal sed tar util-linux
  zlib1g`.split(/\s+/);

export type Machine = { readonly kernel: string; readonly archive: string };

export type DiskParts = {
  /** A folder of its own; what was fetched into it is used again. */
  readonly folder: string;
  readonly source: string;
  /** For arm64: drover, and Bun to run the suite with. */
  readonly drover: string;
  readonly bun: string;
  /** What it runs once it is up, as its root. */
  readonly script: string;
};

export function makeMachine({ folder, source, drover, bun, script }: DiskParts): Result<Machine, string> {
  const archives = fetchPackages(folder);
  if (!archives.ok) return archives;
  const root = join(folder, "root");
  const kernels = join(folder, "kernel");
  for (const made of [root, kernels]) {
    rmSync(made, { recursive: true, force: true });
    mkdirSync(made, { recursive: true });
  }
  for (const name of readdirSync(archives.value).filter((each) => each.endsWith(".deb"))) {
    const into = name.startsWith("linux-image-") ? kernels : root;
    const unpacked = run("dpkg-deb", ["-x", join(archives.value, name), into], {});
    if (!unpacked.ok) return unpacked;
  }
  copyFileSync(drover, join(root, "drover"));
  copyFileSync(bun, join(root, "usr/bin/bun"));
  for (const program of ["drover", "usr/bin/bun"]) chmodSync(join(root, program), 0o755);
  const sources = join(root, "srv/drover");
  for (const part of ["src", "test", "package.json", "tsconfig.json"]) {
    cpSync(join(source, part), join(sources, part), { recursive: true });
  }
  cpSync(join(source, "node_modules/zod"), join(sources, "node_modules/zod"), { recursive: true, dereference: true });
  furnish(root, script);
  const image = readdirSync(join(kernels, "boot")).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined) return err("the kernel's package holds no kernel");
  const archive = join(folder, "initrd");
  const packed = run("sh", ["-c", `find . | cpio -o -H newc --quiet > ${archive}`], { cwd: root });
  return packed.ok ? ok({ kernel: join(kernels, "boot", image), archive }) : packed;
}

/** @returns the folder with the packages. Nothing of this host's own apt is read or changed but its sources. */
function fetchPackages(folder: string): Result<string, string> {
  const apt = join(folder, "apt");
  const archives = join(apt, "archives");
  for (const made of ["lists/partial", "archives/partial"]) mkdirSync(join(apt, made), { recursive: true });
  writeFileSync(join(apt, "status"), "");
  const settings = {
    "Dir::State": apt,
    "Dir::State::lists": join(apt, "lists"),
    "Dir::State::status": join(apt, "status"),
    "Dir::Cache": apt,
    "APT::Architecture": "arm64",
    "APT::Architectures": "arm64",
    "APT::Sandbox::User": "root",
  };
  const config = join(apt, "apt.conf");
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
  writeFileSync(config, `${lines.join("\n")}\n`);
  const env = { ...process.env, APT_CONFIG: config };
  const updated = run("apt-get", ["update"], { env });
  if (!updated.ok) return updated;
  const depends = run("apt-cache", ["depends", "linux-image-arm64"], { env });
  const kernel = depends.ok ? /linux-image-[\d.]+-\d+-arm64/.exec(depends.value)?.[0] : undefined;
  if (kernel === undefined) return err("apt knows no kernel for arm64: this needs Debian 12");
  const fetched = run("apt-get", ["download", kernel, ...PACKAGES], { env, cwd: archives });
  return fetched.ok ? ok(archives) : fetched;
}

/**
 * The first program. The root that a kernel unpacks into has no mount above it, so that no view of the files could be
 * made in it: it is bound to a folder of itself, and that is made the root.
 */
const INIT = `#!/bin/busybox sh
if [ -z "$MOVED" ]; then
  busybox=/bin/busybox
  $busybox mkdir /moved && $busybox mount -o bind / /moved
  $busybox mount -t devtmpfs dev /moved/dev
  export MOVED=1
  cd /moved && $busybox mount -o move . / && exec $busybox chroot . $busybox sh /init
fi
exec < /dev/console > /dev/console 2>&1
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
cd /
busybox mount -t proc proc /proc; busybox mount -t sysfs sys /sys
busybox mkdir -p /dev/shm; busybox mount -t tmpfs shm /dev/shm; busybox ip link set lo up
. /work.sh
busybox poweroff -f
`;

function furnish(root: string, script: string): void {
  writeFileSync(join(root, "init"), INIT, { mode: 0o755 });
  writeFileSync(join(root, "work.sh"), script);
  const users = ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"];
  writeFileSync(join(root, "etc/passwd"), `${users.join("\n")}\n`);
  writeFileSync(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  for (const folder of ["root", "proc", "sys", "dev", "run", "var/lib", "etc/cron.d"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const folder of ["tmp", "var/tmp"]) {
    mkdirSync(join(root, folder), { recursive: true });
    chmodSync(join(root, folder), 0o1777);
  }
  symlinkSync("busybox", join(root, "bin/awk"));
}

function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv },
): Result<string, string> {
  const done = spawnSync(program, args, { ...options, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  if (done.error !== undefined) return err(`${program}: ${done.error.message}`);
  return done.status === 0 ? ok(done.stdout) : err(`${program} ${args[0] ?? ""}: ${done.stderr.trim().slice(-500)}`);
}

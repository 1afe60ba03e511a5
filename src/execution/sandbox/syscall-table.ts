/**
 * Numbers of the system calls that the sandbox makes or denies, for the two machines drover runs on.
 * Sources: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux 6.18 (arm64 uses the
 * generic table). Numbers from 424 on are the same everywhere. A test compares them with the installed headers.
 */

/** Machines with a table; on any other there is no sandbox of ours. */
export type SandboxArch = "x64" | "arm64";

/** AUDIT_ARCH_* of include/uapi/linux/audit.h: what seccomp reports as the ABI of a call. */
export const AUDIT_ARCH: Readonly<Record<SandboxArch, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };

/** Set in the number when a program on x64 uses the x32 ABI, which would walk around every rule by number. */
export const X32_BIT = 0x4000_0000;

/** name → [x64, arm64]; null where the machine has no such call. */
const NUMBERS = {
  // What the launcher calls.
  execve: [59, 221],
  prctl: [157, 167],
  prlimit64: [302, 261],
  setgroups: [116, 159],
  setresgid: [119, 149],
  setresuid: [117, 147],
  capset: [126, 91],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  umask: [95, 166],
  chdir: [80, 49],
  close_range: [436, 436],
  getppid: [110, 173],
  seccomp: [317, 277],
  landlock_create_ruleset: [444, 444],
  landlock_add_rule: [445, 445],
  landlock_restrict_self: [446, 446],
  // What the filter looks at the arguments of.
  clone: [56, 220],
  clone3: [435, 435],
  ioctl: [16, 29],
  setrlimit: [160, 164],
  socket: [41, 198],
  socketpair: [53, 199],
  connect: [42, 203],
  bind: [49, 200],
  listen: [50, 201],
  sendto: [44, 206],
  sendmsg: [46, 211],
  sendmmsg: [307, 269],
  recvmsg: [47, 212],
  open: [2, null],
  openat: [257, 56],
  openat2: [437, 437],
  truncate: [76, 45],
  // Memory and queues that all processes of a user share, unless they have an IPC namespace of their own.
  shmget: [29, 194],
  shmat: [30, 196],
  shmctl: [31, 195],
  msgget: [68, 186],
  msgctl: [71, 187],
  msgrcv: [70, 188],
  msgsnd: [69, 189],
  semget: [64, 190],
  semctl: [66, 191],
  semop: [65, 193],
  semtimedop: [220, 192],
  mq_open: [240, 180],
  mq_unlink: [241, 181],
  // Looks into other processes, or acts on them.
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  process_mrelease: [448, 448],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  migrate_pages: [256, 238],
  move_pages: [279, 239],
  // Changes what the process sees.
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  statmount: [457, 457],
  listmount: [458, 458],
  open_tree_attr: [467, 467],
  unshare: [272, 97],
  setns: [308, 268],
  // Large and often broken parts of the kernel.
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  open_by_handle_at: [304, 265],
  name_to_handle_at: [303, 264],
  fanotify_init: [300, 262],
  fanotify_mark: [301, 263],
  lookup_dcookie: [212, 18],
  nfsservctl: [180, 42],
  uselib: [134, null],
  _sysctl: [156, null],
  modify_ldt: [154, null],
  lsm_set_self_attr: [460, 460],
  // Of the machine as a whole.
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  syslog: [103, 116],
  iopl: [172, null],
  ioperm: [173, null],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  vhangup: [153, 58],
} as const satisfies Readonly<Record<string, readonly [number, number | null]>>;

export type SyscallName = keyof typeof NUMBERS;

export const SYSCALL_NAMES: readonly SyscallName[] =
  // `as`: Object.keys widens the keys of an object that is constant.
  Object.keys(NUMBERS) as SyscallName[];

/** @returns the number of a call, or null where the machine has none. */
export function syscallNumber(arch: SandboxArch, name: SyscallName): number | null {
  return NUMBERS[name][arch === "x64" ? 0 : 1];
}

/** System V and POSIX IPC. */
export const IPC_CALLS: readonly SyscallName[] = SYSCALL_NAMES.slice(
  SYSCALL_NAMES.indexOf("shmget"),
  SYSCALL_NAMES.indexOf("mq_unlink") + 1,
);

/** @returns the machine when it has a table. */
export function sandboxArch(arch: string): SandboxArch | undefined {
  return arch === "x64" || arch === "arm64" ? arch : undefined;
}

/** Nothing that a build, a test or a shell needs; each is a known step of an escape, or acts on the whole machine. */
export const DENIED_CALLS: readonly SyscallName[] = SYSCALL_NAMES.slice(SYSCALL_NAMES.indexOf("ptrace"));

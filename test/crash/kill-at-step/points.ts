/** Reads what strace wrote: the calls on files between two marks, each with the number under which strace counts it. */

/** strace counts calls by name and by thread, from the start of the program. */
export type Point = {
  readonly name: string;
  readonly nth: number;
  /** What it is done to: its paths, in the order of its arguments. */
  readonly paths: readonly string[];
};

/** Files that do not exist: looking for them is how the program marks beginning and end of what is traced. */
export const BEGIN_MARK = "/drover-mark-begin";
export const END_MARK = "/drover-mark-end";

/** Every call that names a file, and those on an open one. */
export const TRACED =
  "%file,read,pread64,readv,write,pwrite64,writev,fsync,fdatasync,sync_file_range,ftruncate,fchmod,fchown,fstat,close,getdents64,copy_file_range,sendfile,ioctl,fallocate";

const LINE = /^(\d+) +(?:<\.\.\. )?([a-z0-9_]+)(?:\((.*)| resumed.*)$/;

/** @param folder only calls that touch something below it are points. */
export function pointsIn(trace: string, folder: string): readonly Point[] {
  const counts = new Map<string, number>();
  const points: Point[] = [];
  let isMarked = false;
  for (const line of trace.split("\n")) {
    const call = callIn(line);
    if (call === undefined) continue;
    const nth = (counts.get(`${call.thread} ${call.name}`) ?? 0) + 1;
    counts.set(`${call.thread} ${call.name}`, nth);
    if (line.includes(BEGIN_MARK)) isMarked = true;
    if (line.includes(END_MARK)) isMarked = false;
    if (isMarked && call.paths.some((path) => path.startsWith(folder)))
      points.push({ name: call.name, nth, paths: call.paths });
  }
  return points;
}

/**
 * The calls that a kill kept from returning: the one at whose entry the program was killed, and those in which its
 * other threads were. Empty when it was not killed.
 */
export function interruptedCalls(trace: string): readonly Omit<Point, "nth">[] {
  if (!trace.includes("killed by SIGKILL")) return [];
  const lines = trace.split("\n");
  return lines.flatMap((line, index) => {
    if (!line.endsWith("= ?")) return [];
    const [, thread, name] = /^(\d+) +<\.\.\. ([a-z0-9_]+) resumed>/.exec(line) ?? [];
    // strace writes a call in two halves when another thread has something to say in between.
    const first =
      thread === undefined
        ? line
        : lines.slice(0, index).findLast((each) => each.startsWith(`${thread} `) && each.includes(` ${name}(`));
    const call = first === undefined ? undefined : callIn(first);
    return call === undefined ? [] : [call];
  });
}

type Call = { readonly thread: string; readonly name: string; readonly paths: readonly string[] };

function callIn(line: string): Call | undefined {
  const [, thread, name, rest] = LINE.exec(line) ?? [];
  if (thread === undefined || name === undefined || rest === undefined) return undefined;
  // Without the folder that relative paths start from, and without what came back.
  const named = rest.replace(/AT_FDCWD<[^<>]*>/g, "").replace(/\)\s+= [^=]*$/, "");
  const paths = [...named.matchAll(/"((?:[^"\\]|\\.)*)"|<([^<>]*)>/g)].map((match) => match[1] ?? match[2] ?? "");
  return { thread, name, paths: paths.filter((path) => path.startsWith("/")) };
}

export function describePoint({ name, nth, paths }: Point): string {
  return `${name}#${nth} ${paths.map((path) => path.split("/").slice(-2).join("/")).join(" → ")}`;
}

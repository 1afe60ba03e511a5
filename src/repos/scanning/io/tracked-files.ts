/** Reads one committed state of a repository; nothing of it is checked out or run. */
import { err, ok, type Result, refused, retryable } from "#base";
import { git } from "../../io/git.ts";
import { ALLOW_LIST_FILE, type Allowed, parseAllowList } from "../../publication/allow-list.ts";
import type { TrackedContents, TrackedFile } from "../scan-repository.ts";

export type TrackedState = {
  /** The commit. */
  readonly revision: string;
  readonly files: readonly TrackedFile[];
  readonly contents: TrackedContents;
};

const ROW = /^(?<mode>\d+) (?<type>\w+) (?<blob>[0-9a-f]+) +(?<bytes>\d+|-)\t(?<path>[\s\S]+)$/;
const MAX_CHANGED = 500;
/** Names of one request to git; more do not fit a command line everywhere. */
const BATCH_BYTES = 8 * 1024 * 1024;

/** Links and submodules are left out: what they lead to is looked at where it is. */
export async function trackedState(root: string, revision: string): Promise<Result<TrackedState>> {
  const commit = await git(root, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${revision}^{commit}`]);
  if (!commit.ok) return commit;
  const id = commit.value.trim();
  const listed = await git(root, ["ls-tree", "-r", "-l", "-z", "--full-tree", id]);
  if (!listed.ok) return listed;
  const files = listed.value.split("\0").flatMap((row): readonly TrackedFile[] => {
    const found = ROW.exec(row)?.groups;
    if (found?.["type"] !== "blob" || found["mode"] === "120000") return [];
    return [{ path: found["path"] ?? "", blob: found["blob"] ?? "", bytes: Number(found["bytes"]) }];
  });
  return ok({ revision: id, files, contents: new BatchedContents(root, files) });
}

/** Asks git for many contents at once: a process for each of a thousand files takes seconds. */
class BatchedContents implements TrackedContents {
  readonly #root: string;
  readonly #files: readonly TrackedFile[];
  #texts = new Map<string, string | undefined>();

  constructor(root: string, files: readonly TrackedFile[]) {
    this.#root = root;
    this.#files = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  async text(file: TrackedFile): Promise<Result<string | undefined>> {
    if (!this.#texts.has(file.blob)) {
      const read = await this.#readFrom(file);
      if (!read.ok) return read;
    }
    return ok(this.#texts.get(file.blob));
  }

  /** Reads `file` and those that come after it, and forgets what was read before. */
  async #readFrom(file: TrackedFile): Promise<Result<void>> {
    this.#texts = new Map();
    const start = this.#files.findIndex(({ path }) => path === file.path);
    const wanted: string[] = [];
    let bytes = 0;
    for (const next of this.#files.slice(Math.max(0, start))) {
      if (next.bytes > BATCH_BYTES) continue;
      bytes += next.bytes;
      if (bytes > BATCH_BYTES && wanted.length > 0) break;
      wanted.push(next.blob);
    }
    const read = await catFiles(this.#root, [...new Set([file.blob, ...wanted])]);
    if (read.ok) this.#texts = read.value;
    return read.ok ? ok(undefined) : read;
  }
}

const READ_MS = 60_000;

async function catFiles(root: string, blobs: readonly string[]): Promise<Result<Map<string, string | undefined>>> {
  const program = Bun.which("git");
  if (program === null) return err(refused("unsupported", "git is not installed", "Install git"));
  const child = Bun.spawn([program, "--no-optional-locks", "cat-file", "--batch"], {
    cwd: root,
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", LC_ALL: "C" },
    stdin: new Blob([`${blobs.join("\n")}\n`]),
    stdout: "pipe",
    stderr: "ignore",
    timeout: READ_MS,
  });
  const output = Buffer.from(await new Response(child.stdout).arrayBuffer());
  if ((await child.exited) !== 0)
    return err(retryable("timed_out", "git cat-file ended before it had said everything"));
  return ok(textsOf(output));
}

/** For each object a line with its name, kind and size, then its content and a line's end. */
function textsOf(output: Buffer): Map<string, string | undefined> {
  const texts = new Map<string, string | undefined>();
  let at = 0;
  while (at < output.length) {
    const end = output.indexOf(10, at);
    if (end === -1) break;
    const [blob = "", type, size = "0"] = output.subarray(at, end).toString("latin1").split(" ");
    at = end + 1;
    if (type === undefined || type === "missing") continue;
    const content = output.subarray(at, at + Number(size));
    texts.set(blob, content.includes(0) ? undefined : content.toString("utf8"));
    at += Number(size) + 1;
  }
  return texts;
}

/** What a state of a repository lets through, by its own list; none is an empty one. */
export async function allowListOf({
  files,
  contents,
}: Pick<TrackedState, "files" | "contents">): Promise<Result<readonly Allowed[]>> {
  const file = files.find(({ path }) => path === ALLOW_LIST_FILE);
  const text = file === undefined ? ok(undefined) : await contents.text(file);
  if (!text.ok || text.value === undefined) return text.ok ? ok([]) : text;
  try {
    return parseAllowList(Bun.TOML.parse(text.value), ALLOW_LIST_FILE);
  } catch (cause) {
    return err(refused("invalid", `cannot read ${ALLOW_LIST_FILE}: ${String(cause)}`));
  }
}

/** Paths that differ between two commits; more than a person would read are cut. */
export async function changedPaths(root: string, base: string, head: string): Promise<Result<readonly string[]>> {
  const said = await git(root, ["diff", "--name-only", "-z", "--no-renames", "--end-of-options", base, head, "--"]);
  return said.ok
    ? ok(
        said.value
          .split("\0")
          .filter((path) => path !== "")
          .slice(0, MAX_CHANGED),
      )
    : said;
}

import { type Clock, err, ok, type Result } from "#base";
import type { ToolCall, ToolDefinition } from "#inference";
import type { FileLedger } from "../file-ledger.ts";
import { NOTE_CHARS } from "../observation-text.ts";
import { isToolName, type Observation, TOOL_NAMES, type ToolFault, type ToolName, toolFault } from "../tool.ts";
import {
  DEFAULT_DEPTH,
  DEFAULT_PAGE_LINES,
  DEFAULT_RESULTS,
  readToolRequest,
  type ToolArguments,
  toolDefinitions,
} from "../tool-arguments.ts";
import { showPath } from "../workspace-path.ts";
import { type RunToolCommand, runTool } from "./command-tool.ts";
import { listDirectory } from "./list-directory.ts";
import { readPage } from "./read-page.ts";
import { searchFiles } from "./search-files.ts";
import type { WorkspaceFiles } from "./workspace-files.ts";
import { editFile, writeFile } from "./writing-tools.ts";

/** What a model with a context of some 16,000 tokens can read several times; for others the caller knows better. */
const DEFAULT_OBSERVATION_CHARS = 16_000;

export type ToolBoxOptions = {
  readonly files: WorkspaceFiles;
  readonly ledger: FileLedger;
  readonly clock: Clock;
  /** Without it there is no run_command. */
  readonly runCommand?: RunToolCommand | undefined;
  /** The tools that may be called; all when left out. */
  readonly allowed?: readonly ToolName[] | undefined;
  /**
   * Characters that renderObservation will be given for an observation of this box. A page of read_file is no longer,
   * so that the ledger counts no line as seen that was then cut off.
   */
  readonly observationChars?: number | undefined;
  /** The longest time a model may give a command. */
  readonly commandSeconds?: number | undefined;
};

/** The tools of one session in one workspace. Calls come one after another. */
export class ToolBox {
  readonly #options: ToolBoxOptions;
  readonly #allowed: readonly ToolName[];

  constructor(options: ToolBoxOptions) {
    this.#options = options;
    const wanted = options.allowed ?? TOOL_NAMES;
    this.#allowed = TOOL_NAMES.filter(
      (name) => wanted.includes(name) && (name !== "run_command" || options.runCommand !== undefined),
    );
  }

  get allowed(): readonly ToolName[] {
    return this.#allowed;
  }

  get definitions(): readonly ToolDefinition[] {
    return toolDefinitions(this.#allowed);
  }

  get ledger(): FileLedger {
    return this.#options.ledger;
  }

  /**
   * Carries out one call. Never throws: what goes wrong, a bug included, is an observation of kind `fault`. Searches and
   * commands end within their time limit, and soon after `signal` is aborted. The tools for one file or folder look at
   * `signal` only before they begin. They are bounded by size instead (8 MiB of a file that is changed, 64 MiB of one that
   * is read, 500 listed entries), which takes about a second at the most (measured with an edit of 8 MiB of equal lines);
   * so a change of a file is never broken off half-way.
   */
  async call(call: ToolCall, signal: AbortSignal): Promise<Observation> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    let result: Result<Observation, ToolFault>;
    try {
      result = await this.#carryOut(call, signal);
    } catch (error) {
      // The boundary of the loop: a bug in one tool must end that call and not the attempt.
      const what = error instanceof Error ? error.message : String(error);
      result = err(toolFault("failed", `${showPath(call.name)} failed inside drover: ${what}`));
    }
    const durationMs = Math.round(clock.monotonicMs() - startedMs);
    if (result.ok) return { ...result.value, durationMs };
    return { kind: "fault", tool: showPath(call.name), ...result.error, isTruncated: false, durationMs };
  }

  async #carryOut(call: ToolCall, signal: AbortSignal): Promise<Result<Observation, ToolFault>> {
    if (signal.aborted) return err(toolFault("cancelled", "the attempt is being stopped"));
    const { name } = call;
    if (!isToolName(name) || !this.#allowed.includes(name)) {
      return err(
        toolFault("unknownTool", `there is no tool ${showPath(name)}`, `The tools are ${this.#allowed.join(", ")}`),
      );
    }
    const request = readToolRequest(name, call.arguments);
    if (!request.ok) return request;
    switch (request.value.tool) {
      case "read_file":
        return this.#read(request.value.args);
      case "write_file":
        return writeFile(this.#options, request.value.args);
      case "edit_file":
        return editFile(this.#options, request.value.args);
      case "list_directory":
        return this.#list(request.value.args);
      case "search_files":
        return this.#search(request.value.args, signal);
      case "run_command":
        return runTool(this.#options, request.value.args, signal);
    }
  }

  #read(args: ToolArguments["read_file"]): Result<Observation, ToolFault> {
    const { files, ledger, observationChars } = this.#options;
    const path = files.readPath(args.path);
    if (!path.ok) return path;
    const firstLine = args.start_line ?? 1;
    return files.withFile(path.value, (fd, stat) => {
      const page = readPage(fd, stat.size, {
        path: path.value,
        firstLine,
        maxLines: args.max_lines ?? DEFAULT_PAGE_LINES,
        maxChars: (observationChars ?? DEFAULT_OBSERVATION_CHARS) - NOTE_CHARS,
      });
      if (!page.ok) return page;
      const { lines, totalLines, hash, lastWholeLine, isTruncated } = page.value;
      if (hash !== null && totalLines !== null)
        ledger.sawLines(path.value, hash, firstLine, totalLines === 0 ? 0 : lastWholeLine, totalLines);
      return ok({
        kind: "fileRead",
        path: path.value,
        firstLine: lines.length === 0 ? 0 : firstLine,
        lines,
        totalLines,
        totalBytes: stat.size,
        isTruncated,
        durationMs: 0,
      });
    });
  }

  #list(args: ToolArguments["list_directory"]): Result<Observation, ToolFault> {
    const { files } = this.#options;
    const path = files.readPath(args.path ?? ".");
    if (!path.ok) return path;
    const listed = listDirectory(files, path.value, args.depth ?? DEFAULT_DEPTH);
    return listed.ok ? ok({ kind: "directoryListed", path: path.value, ...listed.value, durationMs: 0 }) : listed;
  }

  async #search(args: ToolArguments["search_files"], signal: AbortSignal): Promise<Result<Observation, ToolFault>> {
    const { files, clock } = this.#options;
    const path = files.readPath(args.path ?? ".");
    if (!path.ok) return path;
    const isRegex = args.is_regex ?? false;
    const request = {
      pattern: args.pattern,
      isRegex,
      path: path.value,
      glob: args.glob,
      maxResults: args.max_results ?? DEFAULT_RESULTS,
    };
    const found = await searchFiles(files, request, clock, signal);
    if (!found.ok) return found;
    const { pattern } = args;
    const isTruncated = found.value.limit !== null;
    return ok({ kind: "searchFound", pattern, isRegex, ...found.value, isTruncated, durationMs: 0 });
  }
}

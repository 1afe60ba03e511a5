/**
 * Tells two processes that use the key of one node apart from one that was started again. After a restart the former process
 * is never heard of again; when it is, somebody runs a copy of the state folder.
 */

/** Processes of one node that are remembered as former ones; a node that restarts more often in one session has other worries. */
const MAX_RETIRED = 32;

type Instances = { current: string; readonly retired: string[] };

export class TwinWatch {
  readonly #nodes = new Map<string, Instances>();

  /** Notes which process asks. @returns whether it is one that another had taken the place of. */
  isRetired(node: string, instance: string): boolean {
    const known = this.#nodes.get(node);
    if (known === undefined) {
      this.#nodes.set(node, { current: instance, retired: [] });
      return false;
    }
    if (known.current === instance) return false;
    if (known.retired.includes(instance)) return true;
    known.retired.push(known.current);
    if (known.retired.length > MAX_RETIRED) known.retired.shift();
    known.current = instance;
    return false;
  }

  drop(node: string): void {
    this.#nodes.delete(node);
  }
}

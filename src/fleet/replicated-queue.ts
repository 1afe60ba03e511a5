import { err, type Result } from "#base";
import type { Queue } from "#queue";
import type { ReplicaWatch } from "./replica-watch.ts";

/**
 * The queue of a hub for callers elsewhere, with store.durability = replicated: a change is answered only when so many other
 * nodes have it. A claim is answered at once: to lose one costs another attempt, as the death of its holder does.
 * Progress is not waited for either.
 *
 * R1: a change that is answered as done is on the disks of the hub and of so many other nodes.
 * R2: while too few are there, nothing is changed.
 */
export function replicatedQueue(queue: Queue, watch: ReplicaWatch): Queue {
  const safely = <T>(change: () => Promise<Result<T>>): Promise<Result<T>> => onReplicas(watch, change);
  return {
    store: queue.store,
    get turns() {
      return queue.turns;
    },
    start: () => queue.start(),
    stop: () => queue.stop(),
    onReady: (listener) => queue.onReady(listener),
    onStop: (listener) => queue.onStop(listener),
    claim: (request, once) => queue.claim(request, once),
    renew: (id, fence) => queue.renew(id, fence),
    progress: (id, fence, progress) => queue.progress(id, fence, progress),
    submit: (tasks, once) => safely(() => queue.submit(tasks, once)),
    finish: (id, fence, report, once) => safely(() => queue.finish(id, fence, report, once)),
    release: (id, fence, why, once) => safely(() => queue.release(id, fence, why, once)),
    cancel: (id, why, once) => safely(() => queue.cancel(id, why, once)),
    retry: (id, once) => safely(() => queue.retry(id, once)),
    drop: (id, once) => safely(() => queue.drop(id, once)),
    setPaused: (paused, once) => safely(() => queue.setPaused(paused, once)),
    announce: (kind, data, once) => safely(() => queue.announce(kind, data, once)),
    setKeyPolicy: (key, policy, once) => safely(() => queue.setKeyPolicy(key, policy, once)),
    addSchedule: (request, once) => safely(() => queue.addSchedule(request, once)),
    removeSchedule: (id, once) => safely(() => queue.removeSchedule(id, once)),
  };
}

/** Makes a change, and answers when so many other nodes have it (R1, R2). */
export async function onReplicas<T>(watch: ReplicaWatch, change: () => Promise<Result<T>>): Promise<Result<T>> {
  const shortage = watch.shortage();
  if (shortage !== undefined) return err(shortage);
  const changed = await change();
  if (!changed.ok) return changed;
  const replicated = await watch.replicated();
  return replicated.ok ? changed : replicated;
}

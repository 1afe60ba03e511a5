/** What a scraper sees of queue, attempts and process. */
import { LANES, type QueueEvent, TASK_STATES } from "#queue";
import { SPAN_BUCKETS_SECONDS } from "#telemetry";
import type { ApiPorts } from "./ports.ts";
import { readQueue } from "./routes/queue.ts";

/** Attempts taken into the histograms by one scrape. Counters are exact; these are samples beyond this number. */
const MAX_SCRAPED_ATTEMPTS = 20_000;

/** Registers everything and follows the queue's events. @returns a function that ends it. */
export function publishQueueMetrics(ports: ApiPorts, streamCount: () => number): () => void {
  const { metrics, queue } = ports;
  publishGauges(ports, streamCount);
  const events = metrics.counter("drover_events_total", "Events of the queue, by kind");
  const attempts = metrics.counter("drover_attempts_total", "Attempts that ended, by outcome");
  observeDurations(ports);
  return queue.store.subscribe((happened: readonly QueueEvent[]) => {
    for (const { kind, data } of happened) {
      events.add({ kind });
      const outcome = data["outcome"];
      if (typeof outcome === "string" && kind !== "attempt.orphaned") attempts.add({ outcome });
    }
  });
}

function publishGauges(ports: ApiPorts, streamCount: () => number): void {
  const { metrics, node, clock } = ports;
  const tasks = metrics.gauge("drover_tasks", "Tasks in the queue, by lane and state");
  const paused = metrics.gauge("drover_queue_paused", "1 while no task is started");
  const oldest = metrics.gauge("drover_oldest_ready_seconds", "How long the next task that waited longest is ready");
  const running = metrics.gauge("drover_running_attempts", "Attempts that run on this node");
  const isReady = metrics.gauge("drover_ready", "1 while the node takes and carries out tasks");
  const up = metrics.gauge("drover_uptime_seconds", "Since the node started");
  const streams = metrics.gauge("drover_event_streams", "Open event streams");
  const memory = metrics.gauge("process_resident_memory_bytes", "Resident memory");
  metrics.gauge("drover_build_info", "What runs here; always 1").set(1, { version: node.version, commit: node.commit });
  metrics.onScrape(async () => {
    running.set(ports.workers().length);
    isReady.set(ports.readiness().every((check) => check.ok) ? 1 : 0);
    up.set(Math.max(0, clock.nowMs() - node.startedAtMs) / 1_000);
    streams.set(streamCount());
    memory.set(process.memoryUsage.rss());
    const view = await readQueue(ports);
    // A storage that cannot be read shows as missing series, which is what an alert on absence looks for.
    tasks.clear();
    if (!view.ok) return;
    paused.set(view.value.paused ? 1 : 0);
    oldest.set((view.value.oldestReadyAgeMs ?? 0) / 1_000);
    for (const [index, lane] of LANES.entries()) {
      for (const state of TASK_STATES) tasks.set(view.value.lanes[index]?.counts[state] ?? 0, { lane, state });
    }
  });
}

/** Events carry no durations, so a scrape reads the attempts that ended since the one before. */
function observeDurations({ metrics, queue, clock }: ApiPorts): void {
  const durations = metrics.histogram("drover_attempt_duration_seconds", "Time attempts took", SPAN_BUCKETS_SECONDS);
  const waits = metrics.histogram("drover_attempt_wait_seconds", "Time from ready to started", SPAN_BUCKETS_SECONDS);
  let sinceMs = clock.nowMs();
  let seen = new Set<string>();
  metrics.onScrape(async () => {
    const samples = await queue.store.recentAttempts(sinceMs, MAX_SCRAPED_ATTEMPTS);
    if (!samples.ok) return;
    const latestMs = Math.max(sinceMs, ...samples.value.slice(0, 1).map((sample) => sample.endedAtMs));
    const next = new Set<string>();
    for (const { taskId, n, executor, outcome, endedAtMs, durationMs, waitMs } of samples.value) {
      const name = `${taskId}/${n}`;
      // Several may end within one millisecond; those of the last one come again at the next scrape.
      if (endedAtMs === latestMs) next.add(name);
      if (endedAtMs === sinceMs && seen.has(name)) continue;
      if (outcome !== "lost") durations.observe(durationMs / 1_000, { executor, outcome });
      waits.observe(waitMs / 1_000, { executor });
    }
    seen = next;
    sinceMs = latestMs;
  });
}

/** Sends spans and figures to whoever collects them, by OTLP over HTTP. Never in the way of what is told of. */
import { type Clock, describeFailure, isInTheOpen, type Logger, type Random, type Timer } from "#base";
import {
  encodeMetrics,
  encodeSpans,
  type MetricFamily,
  Outlet,
  type OutletFigures,
  type Sent,
  type Span,
  type Teller,
} from "#telemetry";
import { readHeadersFile } from "./headers-file.ts";

/** A batch waits this long for others to go with it. */
const SEND_EVERY_MS = 2_000;
const REQUEST_MS = 10_000;
/** When the node stops, what waits gets this long. */
const LAST_MS = 2_000;
const MAX_ANSWER_CHARS = 16_384;
/** What the protocol says may be sent again ("OTLP/HTTP Response", "Retryable Response Codes"). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export type OtlpParts = {
  /** Without the path of a signal; "/v1/traces" and "/v1/metrics" are added. */
  readonly url: string;
  readonly headersFile: string;
  /** 0: no figures. */
  readonly metricsEveryMs: number;
  readonly teller: Teller;
  readonly families: () => Promise<readonly MetricFamily[]>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
};

export class OtlpExporter {
  readonly #parts: OtlpParts;
  readonly #outlet = new Outlet<Span>();
  readonly #startMs: number;
  #timer: Timer | undefined;
  #metricsAtMs = 0;
  #isSending: Promise<void> | undefined;
  #isStopped = false;
  #toldOf = "";

  constructor(parts: OtlpParts) {
    this.#parts = parts;
    this.#startMs = parts.clock.nowMs();
  }

  get figures(): OutletFigures {
    return this.#outlet.figures;
  }

  add(span: Span): void {
    if (!this.#isStopped) this.#outlet.add(span);
  }

  start(): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.clock.after(SEND_EVERY_MS, () => {
      this.#isSending = this.#turn().finally(() => {
        this.#isSending = undefined;
        this.start();
      });
    });
  }

  /** Sends what waits once more, for a moment. What is not taken then is lost, as it would be in a crash. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#isSending;
    const { figures } = this.#outlet;
    if (figures.waiting > 0) await this.#sendSpans(LAST_MS);
  }

  async #turn(): Promise<void> {
    const { clock, metricsEveryMs } = this.#parts;
    // All that waits, a batch after the other; a failure ends it until its time.
    for (let more = true; more && !this.#isStopped; ) more = await this.#sendSpans(REQUEST_MS);
    const nowMs = clock.monotonicMs();
    if (metricsEveryMs === 0 || nowMs < this.#metricsAtMs || this.#isStopped) return;
    this.#metricsAtMs = nowMs + metricsEveryMs;
    await this.#sendMetrics();
  }

  /** @returns whether a batch was sent and more may follow. */
  async #sendSpans(limitMs: number): Promise<boolean> {
    const { clock, random, teller } = this.#parts;
    const batch = this.#outlet.next(clock.monotonicMs());
    if (batch === undefined) return false;
    const sent = await this.#post("/v1/traces", encodeSpans(batch, teller), limitMs);
    this.#outlet.settle(sent, clock.monotonicMs(), random.next());
    return sent.kind === "taken" && this.#outlet.figures.waiting > 0;
  }

  /** Figures count since the start, so one that is lost is made good by the next. */
  async #sendMetrics(): Promise<void> {
    const { clock, teller, families } = this.#parts;
    const times = { startMs: this.#startMs, nowMs: clock.nowMs() };
    await this.#post("/v1/metrics", encodeMetrics(await families(), teller, times), REQUEST_MS);
  }

  async #post(path: string, body: object, limitMs: number): Promise<Sent> {
    const headers = readHeadersFile(this.#parts.headersFile);
    if (!headers.ok) return this.#failed(describeFailure(headers.error), { kind: "later", afterMs: null });
    if (Object.keys(headers.value).length > 0 && isInTheOpen(this.#parts.url)) {
      const why = "telemetry.otlp.headers_file is sent by https alone, or to this host: change telemetry.otlp.url";
      return this.#failed(why, { kind: "later", afterMs: null });
    }
    const late = new AbortController();
    const timer = this.#parts.clock.after(limitMs, () => late.abort());
    try {
      const response = await this.#parts.fetch(`${this.#parts.url.replace(/\/+$/, "")}${path}`, {
        method: "POST",
        headers: { ...headers.value, "content-type": "application/json" },
        body: JSON.stringify(body),
        // A key must not follow to another place.
        redirect: "manual",
        signal: late.signal,
      });
      const answer = await headOf(response);
      if (response.ok) {
        this.#toldOf = "";
        return { kind: "taken", rejected: rejectedIn(answer) };
      }
      const isLater = RETRYABLE.has(response.status);
      const sent: Sent = isLater ? { kind: "later", afterMs: retryAfterMs(response.headers) } : { kind: "refused" };
      return this.#failed(`the collector answered ${response.status}`, sent);
    } catch {
      return this.#failed("the collector does not answer", { kind: "later", afterMs: null });
    } finally {
      timer.cancel();
    }
  }

  /** Said once until it works again: it is tried all the time. */
  #failed(why: string, sent: Sent): Sent {
    if (why !== this.#toldOf) {
      const { waiting, dropped } = this.#outlet.figures;
      this.#parts.logger.warn("traces or figures could not be sent", { why, waiting, dropped });
    }
    this.#toldOf = why;
    return sent;
  }
}

/** The timer of the request ends it, however slowly it comes. */
async function headOf({ body }: Response): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let head = "";
  // `as`: what a response streams are bytes. Leaving the loop gives the rest up.
  for await (const bytes of body as ReadableStream<Uint8Array>) {
    head += decoder.decode(bytes, { stream: true });
    if (head.length >= MAX_ANSWER_CHARS) break;
  }
  return head.slice(0, MAX_ANSWER_CHARS);
}

/** Of the answer's `partialSuccess`; a text, as 64-bit numbers are. */
function rejectedIn(answer: string): number {
  try {
    // `as`: read field by field, and checked.
    const { partialSuccess } = JSON.parse(answer) as { partialSuccess?: { rejectedSpans?: unknown } };
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0);
    return Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0;
  } catch {
    return 0;
  }
}

function retryAfterMs(headers: Headers): number | null {
  const given = headers.get("retry-after");
  return given !== null && /^\d{1,6}$/.test(given) ? Number(given) * 1_000 : null;
}

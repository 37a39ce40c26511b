import { AsyncLocalStorage } from "node:async_hooks";
import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
} from "@opentelemetry/sdk-trace-base";
import type { Logger } from "pino";
import type { OpenSpan, SpanStart, TracePlace, Tracing } from "../../metrics/tracing.ts";

export interface OtlpOptions {
  /** Of the collector. */
  readonly endpoint: string;
  readonly appName: string;
  readonly version: string;
  readonly log: Pick<Logger, "warn" | "info">;
  /** How long a collector may take to answer, in ms. @default 5000 */
  readonly timeoutMs?: number;
  /** How long spans wait for others to be sent with, in ms. @default 2000 */
  readonly delayMs?: number;
}

const CLOSE_MS = 2000;
/** A collector that is away costs no more memory than these. */
const MAX_QUEUE = 4096;
const KINDS = {
  server: SpanKind.SERVER,
  internal: SpanKind.INTERNAL,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

/** Sends spans to a collector, by OTLP over HTTP. One that hangs or is away loses spans, and holds nobody up. */
export function createOtlpTracing(options: OtlpOptions): Tracing {
  const { appName, version, timeoutMs = 5000, delayMs = 2000 } = options;
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": appName, "service.version": version }),
    sampler: new AlwaysOnSampler(),
    spanProcessors: [
      new BatchSpanProcessor(createExporter(options, timeoutMs), {
        maxQueueSize: MAX_QUEUE,
        scheduledDelayMillis: delayMs,
        exportTimeoutMillis: timeoutMs,
      }),
    ],
  });
  const tracer = provider.getTracer("xcore", version);
  const storage = new AsyncLocalStorage<Span>();
  return {
    run(start, work) {
      const span = tracer.startSpan(start.name, toSpanOptions(start), toContext(start, storage.getStore()));
      try {
        const result = storage.run(span, work, toOpenSpan(span));
        // What is returned stays the promise that it was: whoever waits may look at it.
        if (result instanceof Promise) void result.then(...toEnd(span));
        else span.end();
        return result;
      } catch (error) {
        fail(span, error);
        span.end();
        throw error;
      }
    },
    traceparent() {
      const span = storage.getStore();
      if (span === undefined) return null;
      const { traceId, spanId } = span.spanContext();
      return `00-${traceId}-${spanId}-01`;
    },
    async close() {
      await Promise.race([provider.shutdown().catch(() => {}), Bun.sleep(CLOSE_MS)]);
    },
  };
}

function toSpanOptions({ kind, attributes, links = [] }: SpanStart) {
  return {
    kind: KINDS[kind],
    attributes: { ...attributes },
    links: links.map((place) => ({ context: toSpanContext(place) })),
  };
}

function toContext({ parent }: SpanStart, current: Span | undefined) {
  if (parent) return trace.setSpanContext(ROOT_CONTEXT, { ...toSpanContext(parent), isRemote: true });
  return current === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, current);
}

function toSpanContext({ traceId, spanId }: TracePlace) {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED };
}

function toOpenSpan(span: Span): OpenSpan {
  return {
    set: (name, value) => void span.setAttribute(name, value),
    fail: (type) => fail(span, type),
  };
}

function toEnd(span: Span): [onDone: () => void, onError: (error: unknown) => void] {
  const end = (): void => span.end();
  return [
    end,
    (error) => {
      fail(span, error);
      end();
    },
  ];
}

/** Messages may hold what a client has sent: the kind of an error is all that leaves the machine. */
function fail(span: Span, error: unknown): void {
  const type = typeof error === "string" ? error : error instanceof Error ? error.name : typeof error;
  span.setAttribute("error.type", type).setStatus({ code: SpanStatusCode.ERROR });
}

/** The log hears once that the collector is away, and once that it is there again. */
function createExporter({ endpoint, log }: OtlpOptions, timeoutMs: number): SpanExporter {
  const url = new URL(endpoint);
  if (url.pathname === "/") url.pathname = "/v1/traces";
  const exporter = new OTLPTraceExporter({ url: url.href, timeoutMillis: timeoutMs });
  let isAway = false;
  const note = (isLost: boolean): void => {
    if (isLost && !isAway)
      log.warn({ url: url.href }, "the collector of traces can't be reached: spans are lost");
    if (!isLost && isAway) log.info({ url: url.href }, "the collector of traces is there again");
    isAway = isLost;
  };
  return {
    // Each of both packages has an enum of its own for what comes of it: 0 is success.
    export: (spans: ReadableSpan[], onDone: (result: { code: number; error?: Error }) => void) =>
      exporter.export(spans, ({ code, error }) => {
        const outcome: number = code;
        note(outcome !== 0);
        onDone({ code: outcome, ...(error && { error }) });
      }),
    shutdown: () => exporter.shutdown(),
  };
}

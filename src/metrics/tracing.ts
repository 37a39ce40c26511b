/** Where a span is, as W3C Trace Context names it. */
export interface TracePlace {
  /** 32 digits, in hex. */
  readonly traceId: string;
  /** 16 digits, in hex. */
  readonly spanId: string;
}

/** What a span is begun with. */
export interface SpanStart {
  readonly name: string;
  readonly kind: "server" | "internal" | "client" | "producer" | "consumer";
  /** Nothing that a client or the database may have sent: they leave the machine. */
  readonly attributes: Readonly<Record<string, string | number>>;
  /** Where it belongs. @default to what runs, or to nothing */
  readonly parent?: TracePlace | null;
  /** Other traces that it has to do with. */
  readonly links?: readonly TracePlace[];
}

/** A span under way. */
export interface OpenSpan {
  /** Says more about it. */
  set(name: string, value: string | number): void;
  /** Notes that it has failed. @param type what kind of failure, never its message */
  fail(type: string): void;
}

/** Tells a collector what was done, and for what. */
export interface Tracing {
  /** Runs `work` as a span; where it returns a promise, until that is settled. */
  run<T>(start: SpanStart, work: (span: OpenSpan) => T): T;
  /** Of the span that the caller runs in, for the header of that name; null outside of any. */
  traceparent(): string | null;
  /** Sends what is left, for a moment at most. */
  close(): Promise<void>;
}

// Other versions may have more behind it; 00 has not.
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.{0,256})?$/;

/** Reads a `traceparent` header (W3C Trace Context); null for none, and for whatever else somebody has sent. */
export function readTraceparent(header: string | null): TracePlace | null {
  if (header === null) return null;
  const [, version, traceId = "", spanId = "", more] = TRACEPARENT.exec(header) ?? [];
  if (version === undefined || (version === "00" && more !== undefined)) return null;
  return { traceId, spanId };
}

/** The trace of a job, in which all of its tries are: it is known to whoever enqueues it, and to whoever runs it. */
export function toJobPlace(id: string): TracePlace | null {
  const traceId = id.replaceAll("-", "").toLowerCase();
  return /^[0-9a-f]{32}$/.test(traceId) ? { traceId, spanId: traceId.slice(16) } : null;
}

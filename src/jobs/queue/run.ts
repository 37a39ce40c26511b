import { inspect } from "node:util";
import type { InputProblem } from "../../errors/errors.ts";
import { type JobContext, type JobDefinition, splitName } from "../definition/options.ts";
import { describeProblems, readPayload } from "../definition/payloads.ts";
import type { ClaimedJob, Outcome } from "../contract/records.ts";
import type { Steps, StepWork } from "./steps.ts";

/** How far a job is. */
export interface Progress {
  readonly fraction: number;
  readonly text: string | null;
}

export interface RunOptions {
  readonly job: ClaimedJob;
  readonly definition: JobDefinition;
  readonly steps: Steps;
  readonly readBatch: (id: string) => Promise<JobContext["batch"]>;
  readonly onProgress: (run: Run) => void;
  /** Whether another process runs the version that it was enqueued for. */
  readonly isOfOthers: (job: ClaimedJob) => Promise<boolean>;
}

/** Why a handler isn't waited for any more. */
export type EndReason = "timeout" | "cancelled" | "lost" | "stopped";

const MAX_ERROR = 2000; // characters
const MAX_TEXT = 255;
/** What others are to run isn't had again before they have looked for it. */
const OTHERS_MS = 1000;

/** One try of a job: its handler, what it is given, and what ends it. */
export class Run {
  readonly job: ClaimedJob;
  readonly definition: JobDefinition;
  readonly startedAt = performance.now();
  /** What it has last told, until that is noted. */
  progress: Progress | null = null;
  /** What its handler has thrown. */
  error: unknown = null;
  readonly #options: RunOptions;
  readonly #controller = new AbortController();
  readonly #end = Promise.withResolvers<never>();
  #endedBy: EndReason | null = null;
  #isOver = false;

  constructor(options: RunOptions) {
    this.#options = options;
    this.job = options.job;
    this.definition = options.definition;
    this.#end.promise.catch(() => {}); // it is raced, and may come too late
  }

  /** Whether its handler isn't waited for any more, or has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Stops waiting for the handler, and tells it why by its signal. */
  end(reason: EndReason, message: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#endedBy = reason;
    const error = new Error(message);
    this.#controller.abort(error);
    this.#end.reject(error);
  }

  /** Runs the handler; resolves with what has come of it, null where that is nothing to be noted. */
  async run(): Promise<Outcome | null> {
    const { job, definition } = this;
    if (job.version !== definition.version && (await this.#options.isOfOthers(job))) {
      this.#isOver = true;
      return { job, as: "returned", inMs: OTHERS_MS };
    }
    if (this.#isOver) return this.#toFailure(null);
    const read = readJob(definition, job);
    if ("problems" in read) {
      this.#isOver = true;
      return { job, as: "incompatible", error: describeProblems(read.problems).slice(0, MAX_ERROR) };
    }
    const { timeoutMs } = definition;
    const timer = setTimeout(
      () => this.end("timeout", `It took longer than ${timeoutMs / 1000} s`),
      timeoutMs,
    );
    timer.unref();
    try {
      const work = this.#handle(read.payload);
      await Promise.race([work, this.#end.promise]);
      return { job, as: "completed", keepMs: definition.keepMs };
    } catch (error) {
      this.error = error;
      return this.#toFailure(error);
    } finally {
      this.#isOver = true;
      clearTimeout(timer);
    }
  }

  async #handle(payload: unknown): Promise<void> {
    const { awaitsId } = this.job;
    const batch = awaitsId === null ? null : await this.#options.readBatch(awaitsId);
    await this.definition.handler(this.#toContext(payload, batch));
  }

  #toFailure(error: unknown): Outcome | null {
    const { job, definition } = this;
    if (this.#endedBy === "stopped") return { job, as: "returned", inMs: 0 };
    if (this.#endedBy === "lost" || this.#endedBy === "cancelled") return null;
    const text = toErrorText(error).slice(0, MAX_ERROR);
    if (job.attempt >= definition.attempts) return { job, as: "dead", error: text };
    return { job, as: "retried", inMs: toBackoff(definition, job.attempt), error: text };
  }

  #toContext(payload: unknown, batch: JobContext["batch"]): JobContext {
    const { job, definition } = this;
    const { steps, onProgress } = this.#options;
    const { owner } = definition;
    const assertRunning = (doing: string): void => {
      if (this.#isOver)
        throw new Error(`${doing}: the job isn't run here any more; stop when its signal is aborted`);
    };
    return {
      id: job.id,
      name: splitName(job.name).name,
      payload,
      attempt: job.attempt,
      isLast: job.attempt >= definition.attempts,
      signal: this.#controller.signal,
      log: owner.log.child({ job: job.name, job_id: job.id }),
      batch,
      step: (name, work) =>
        steps.run(name, { work: work as StepWork["work"], db: owner.db, assertRunning }) as Promise<never>,
      progress: (fraction, text) => {
        assertRunning("Cannot tell the progress");
        this.progress = toProgress(fraction, text);
        onProgress(this);
      },
    };
  }
}

/** A mistake in the schema itself is found only where it is used. */
function readJob(
  definition: JobDefinition,
  job: ClaimedJob,
): { payload: unknown } | { problems: readonly InputProblem[] } {
  try {
    return readPayload(definition, job.payload);
  } catch (error) {
    return { problems: [{ path: "", code: "invalid", message: toErrorText(error) }] };
  }
}

function toProgress(fraction: unknown, text: unknown): Progress {
  if (typeof fraction !== "number" || !(fraction >= 0 && fraction <= 1)) {
    throw new RangeError(`Cannot tell the progress ${String(fraction)}: it must be a number from 0 to 1`);
  }
  return { fraction, text: typeof text === "string" ? text.slice(0, MAX_TEXT) : null };
}

/** Twice as long each time, and up to a half less at random: what failed together isn't tried again together. */
function toBackoff({ backoffMs, maxBackoffMs }: JobDefinition, attempt: number): number {
  const whole = Math.min(backoffMs * 2 ** Math.min(attempt - 1, 40), maxBackoffMs);
  return Math.round(whole * (1 - Math.random() / 2));
}

function toErrorText(error: unknown): string {
  return error instanceof Error ? error.message : inspect(error);
}

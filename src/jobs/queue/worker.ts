import type { Logger } from "pino";
import type { JobDefinition } from "../definition/options.ts";
import type { JobBackend, JobLookout } from "../contract/backend.ts";
import type { ClaimedJob, Outcome, Wanted } from "../contract/records.ts";
import { outside } from "../../db/transactions/ambient.ts";
import { Ahead } from "./ahead.ts";
import { Leases } from "./leases.ts";
import { type EndReason, Run } from "./run.ts";
import { Steps } from "./steps.ts";
import { Versions } from "./versions.ts";

/** A try that has ended, and been noted so. */
export interface EndedRun {
  readonly run: Run;
  readonly outcome: Outcome;
}

/** What tries of jobs go through. */
export type AroundJob = (job: ClaimedJob, run: () => Promise<Outcome | null>) => Promise<Outcome | null>;

export interface WorkerOptions {
  readonly backend: JobBackend;
  readonly log: Logger;
  /** How many jobs run at once in this process. */
  readonly concurrency: () => number;
  /** The jobs that may run here, by qualified name. */
  readonly definitions: ReadonlyMap<string, JobDefinition>;
  readonly onEnded: (ended: readonly EndedRun[]) => void;
  readonly onProgress: (run: Run) => void;
  /** Has a try be run by `run`, and passes on what comes of it. @default it runs as it is */
  readonly around?: AroundJob | undefined;
  /** Whether other processes may have another version of a plugin. */
  readonly isShared: boolean;
}

const RETRY_MS = 1000;
/** How long jobs wait here for a place before others may have them. */
const AHEAD_MS = 100;
/** How long it takes at most until it is noted that a job has ended. */
const SOON_MS = 5;
/** For how long handlers that end at once are begun one behind the other, before the event loop goes on. */
const TURN_MS = 2;

/**
 * Runs jobs in this process: claims as many as there are places for, and a few more where they take no time, together with
 * the notes of how those before have ended, whenever it is woken.
 */
export class Worker {
  readonly id = Bun.randomUUIDv7();
  readonly #options: WorkerOptions;
  readonly #running = new Map<string, Run>();
  readonly #ahead = new Ahead();
  /** Ended, and yet to be noted. */
  #ended: EndedRun[] = [];
  /** Ended, and being noted. */
  #noting: readonly EndedRun[] = [];
  /** Names of which jobs may be waiting. */
  readonly #awake = new Set<string>();
  readonly #leases: Leases;
  readonly #lookout: JobLookout;
  readonly #versions: Versions | null;
  #isScheduled = false;
  /** When the first jobs of this turn of the event loop were begun. */
  #begunAt = 0;
  #patience: NodeJS.Timeout | null = null;
  /** Until when it may wait to note what has ended. */
  #noteAt = 0;
  #soon: NodeJS.Timeout | null = null;
  #turn: Promise<void> = Promise.resolve();
  #isStopping = false;
  #stopped: Promise<void> | null = null;
  #isFailing = false;
  #idle: (() => void) | null = null;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { backend, log } = options;
    const held = (): string[] => [
      ...this.#running.keys(),
      ...this.#ahead.ids,
      ...[...this.#ended, ...this.#noting].map(({ run }) => run.job.id),
    ];
    this.#leases = new Leases({ backend, worker: this.id, log, held, lose: (id) => this.end(id, "lost") });
    this.#versions = options.isShared ? new Versions({ ...options, worker: this.id }) : null;
    this.#lookout = backend.createLookout({ worker: this.id, log, held, wake: () => this.wakeAll() });
  }

  /** Begins to look for jobs. */
  start(): void {
    outside(() => this.#lookout.start());
    this.wakeAll();
  }

  /** What runs here has changed. */
  noteVersions(): void {
    this.#versions?.note();
  }

  /** Jobs of this name may be waiting. */
  wake(name: string): void {
    if (!this.#options.definitions.has(name)) return;
    this.#awake.add(name);
    this.#schedule();
  }

  wakeAll(): void {
    for (const name of this.#options.definitions.keys()) this.#awake.add(name);
    this.#schedule();
  }

  /** A job is due at a moment of its own. */
  expect(inMs: number): void {
    outside(() => this.#lookout.expect(inMs));
  }

  /** The try of a job that runs here. */
  find(id: string): Run | undefined {
    return this.#running.get(id);
  }

  /** Ends the try of a job that runs here, whatever its handler still does. */
  end(id: string, reason: Exclude<EndReason, "timeout">): void {
    const messages = {
      cancelled: "The job was cancelled",
      lost: "The job doesn't belong to this process any more",
      stopped: "The server stops",
    };
    this.#ahead.drop(id);
    this.#running.get(id)?.end(reason, messages[reason]);
  }

  /** Takes no more jobs, waits for those that run until `signal` is aborted, and gives back the others. */
  stop(signal: AbortSignal): Promise<void> {
    return (this.#stopped ??= this.#stop(signal));
  }

  async #stop(signal: AbortSignal): Promise<void> {
    this.#isStopping = true;
    this.#lookout.stop();
    this.#giveBackAhead();
    if (this.#running.size > 0) {
      const idle = Promise.withResolvers<void>();
      this.#idle = idle.resolve;
      const giveBack = (): void => {
        for (const id of this.#running.keys()) this.end(id, "stopped");
      };
      if (signal.aborted) giveBack();
      else signal.addEventListener("abort", giveBack, { once: true });
      await idle.promise;
      signal.removeEventListener("abort", giveBack);
    }
    this.#leases.stop();
    await this.#turn;
    await this.#versions?.stop();
    await this.#exchange().catch((error: unknown) => {
      this.#options.log.error({ err: error }, "it can't be noted how jobs have ended: they are run again");
    });
  }

  /** All that happens in one turn of the event loop is done together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    outside(() => setImmediate(() => this.#next()));
  }

  #next(): void {
    this.#turn = this.#turn.then(async () => {
      this.#isScheduled = false;
      if (this.#isEarly()) return;
      try {
        await this.#exchange();
        this.#isFailing = false;
      } catch (error) {
        const { backend, log } = this.#options;
        if (!this.#isFailing && !backend.isAbsence(error)) {
          log.error({ err: error }, "the queue of jobs can't be worked on; tried again");
          this.#isFailing = true;
        }
        setTimeout(() => this.wakeAll(), RETRY_MS).unref();
      }
    });
  }

  /** Whether what is claimed ahead will be done soon, so that all of it can be noted together. */
  #isEarly(): boolean {
    const isEarly = this.#ahead.size > this.#options.concurrency() && performance.now() < this.#noteAt;
    if (isEarly) this.#soon ??= setTimeout(() => this.#schedule(), SOON_MS);
    return isEarly;
  }

  /** Notes what has ended, and starts what there are places for. */
  async #exchange(): Promise<void> {
    const ended = this.#ended;
    const places = this.#countPlaces();
    const wanted = places > 0 ? this.#takeAwake() : [];
    clearTimeout(this.#soon ?? undefined);
    this.#soon = null;
    if (ended.length === 0 && wanted.length === 0) return;
    this.#ended = [];
    this.#noting = ended;
    const outcomes = ended.map(({ outcome }) => outcome);
    try {
      const claimed = await this.#options.backend.exchange({ worker: this.id, outcomes, wanted, places });
      this.#follow(ended);
      const names = new Set(claimed.jobs.map(({ name }) => name));
      const isFull = claimed.jobs.length >= places;
      for (const { name } of wanted) if (isFull || names.has(name)) this.#awake.add(name);
      for (const [name, ms] of claimed.waits) setTimeout(() => this.wake(name), ms).unref();
      if (claimed.jobs.length > 0) this.#leases.start();
      this.#ahead.add(claimed.jobs);
      this.#begunAt = performance.now();
      this.#noteAt = this.#begunAt + SOON_MS;
      this.#fill();
      if (!isFull && names.size > 0) this.#schedule();
    } catch (error) {
      this.#ended = [...ended, ...this.#ended];
      for (const { name } of wanted) this.#awake.add(name);
      throw error;
    } finally {
      this.#noting = [];
    }
  }

  #countPlaces(): number {
    if (this.#isStopping) return 0;
    const concurrency = this.#options.concurrency();
    const free = concurrency - this.#running.size - this.#ahead.size;
    // What is claimed of these counts as running, for all instances.
    const isAnyLimited = [...this.#awake].some((name) => {
      const definition = this.#options.definitions.get(name);
      return definition !== undefined && (isLimited(definition) || definition.rate !== null);
    });
    return isAnyLimited ? free : free + this.#ahead.most(concurrency);
  }

  #takeAwake(): Wanted[] {
    const wanted = [...this.#awake].flatMap((name) => {
      const definition = this.#options.definitions.get(name);
      if (definition === undefined) return [];
      const { concurrency, rate, keyOf } = definition;
      const others = this.#versions?.othersOf(definition) ?? [];
      return [{ name, concurrency, rate, hasLanes: keyOf !== null, others }];
    });
    this.#awake.clear();
    return wanted;
  }

  /** Begins jobs that are claimed, as far as there are places for them. */
  #fill(): void {
    const concurrency = this.#options.concurrency();
    while (this.#running.size < concurrency) {
      const job = this.#ahead.next();
      if (job === undefined) return;
      this.#start(job);
    }
    if (this.#isStopping) this.#giveBackAhead();
    else if (this.#ahead.size > 0) this.#patience ??= setTimeout(() => this.#lookAhead(), AHEAD_MS).unref();
  }

  /** Goes on with what is claimed ahead: in this turn of the event loop, unless that has lasted for long. */
  #fillSoon(): void {
    if (this.#ahead.size === 0) return;
    if (performance.now() - this.#begunAt < TURN_MS) this.#fill();
    else {
      setImmediate(() => {
        this.#begunAt = performance.now();
        this.#fill();
      });
    }
  }

  /** Lets others have what has waited here for long. */
  #lookAhead(): void {
    this.#patience = null;
    if (this.#ahead.waitedMs > AHEAD_MS / 2) this.#giveBackAhead();
    else this.#fill();
  }

  #giveBackAhead(): void {
    clearTimeout(this.#patience ?? undefined);
    this.#patience = null;
    for (const job of this.#ahead.takeAll()) {
      this.#awake.add(job.name);
      this.#giveBack(this.#toRun(job));
    }
  }

  #giveBack(run: Run): void {
    this.#ended.push({ run, outcome: { job: run.job, as: "returned", inMs: 0 } });
    this.#schedule();
  }

  #toRun(job: ClaimedJob): Run {
    const { backend, definitions, onProgress } = this.#options;
    return new Run({
      job,
      definition: definitions.get(job.name) as JobDefinition,
      steps: new Steps(backend, { id: job.id, worker: this.id }),
      readBatch: (id) => backend.readBatch(id),
      isOfOthers: async (one) => (await this.#versions?.isOfOthers(one)) ?? false,
      onProgress: (one) => {
        this.#leases.noteProgress(one);
        onProgress(one);
      },
    });
  }

  #start(job: ClaimedJob): void {
    const definition = this.#options.definitions.get(job.name);
    const run = this.#toRun(job);
    // Its plugin has gone while it was claimed.
    if (definition === undefined || this.#isStopping) {
      this.#giveBack(run);
      return;
    }
    this.#running.set(job.id, run);
    const { around } = this.#options;
    const trying = around === undefined ? run.run() : around(job, () => run.run());
    const work = trying.then((outcome) => {
      this.#running.delete(job.id);
      this.#ahead.learn(performance.now() - run.startedAt);
      if (outcome !== null) this.#ended.push({ run, outcome });
      // Others of its name, or of its key, may have waited for this one.
      if (isLimited(definition)) this.wake(job.name);
      this.#schedule();
      this.#fillSoon();
      if (this.#running.size === 0) this.#idle?.();
    });
    definition.owner.hold(work);
  }

  #follow(ended: readonly EndedRun[]): void {
    if (ended.length === 0) return;
    for (const { outcome } of ended) if (outcome.as === "retried") this.#lookout.expect(outcome.inMs);
    // Others may have waited for them.
    if (ended.some(({ run: { job } }) => job.batchId !== null || job.nextId !== null)) this.wakeAll();
    this.#options.onEnded(ended);
  }
}

/** Whether one that has ended makes room for others of its name. */
function isLimited({ concurrency, keyOf }: JobDefinition): boolean {
  return concurrency !== null || keyOf !== null;
}

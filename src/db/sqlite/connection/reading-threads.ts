import type { OnQuery } from "../../contract/statements.ts";
import { DatabaseError } from "../../contract/database-error.ts";
import type { StatementRunner } from "./connection.ts";
import { toSqliteFault } from "./faults.ts";
import { assertBindable } from "./parameters.ts";
import type { StatementLimit, StatementLimits } from "./statement-limits.ts";

export interface ReadingThreadsOptions {
  readonly file: string;
  /** What each connection is set up with. */
  readonly pragmas: readonly string[];
  readonly limits: StatementLimits;
  /** How long a read may wait and take together, in ms. */
  readonly timeoutMs: number;
  /** Reads that are quicker needn't come here, in ms. */
  readonly briefMs: number;
  readonly onQuery: OnQuery | null;
}

/** A statement that a task asks for. */
interface Question {
  readonly way: "values" | "all";
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

interface WaitingQuestion extends Question {
  readonly askedAt: number;
  readonly resolve: (rows: unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Answer {
  readonly rows: unknown[];
  readonly ms: number;
}

type Reply = Answer | { readonly message: string; readonly code: string | undefined };

const MOST_THREADS = 2;
const IDLE_MS = 60_000;

/** In a worker: it has nothing of xcore, and so costs 4 MB. */
const THREAD = `
import { Database } from "bun:sqlite";
let database;
const answer = (work) => {
  const startedAt = performance.now();
  try {
    const rows = work();
    postMessage({ rows, ms: performance.now() - startedAt });
  } catch (error) {
    postMessage({ message: String(error?.message), code: error?.code });
  }
};
self.onmessage = ({ data }) => answer(() => {
  if (data === null) return database.close(), [];
  if (data.file !== undefined) {
    database = new Database(data.file, { readwrite: true });
    database.loadExtension(data.extension);
    for (const pragma of data.pragmas) database.run(pragma);
    return [];
  }
  const statement = database.prepare(data.sql);
  try {
    return statement[data.way](data.parameters);
  } finally {
    statement.finalize();
  }
});
`;

/** Threads for reads that take long, each with a connection of its own: the event loop goes on meanwhile. */
export class ReadingThreads {
  readonly #options: ReadingThreadsOptions;
  readonly #threads = new Set<ReadingThread>();
  /** Settles when the thread that was made last has opened the file. */
  #opened: Promise<unknown> = Promise.resolve();
  readonly #waiting = new Set<WaitingQuestion>();
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: ReadingThreadsOptions) {
    this.#options = options;
  }

  /** Runs a task that only reads: again from its start, with the rows that it has asked for until then. */
  async run<T>(task: (connection: StatementRunner) => T): Promise<T> {
    const answers: unknown[][] = [];
    for (;;) {
      try {
        return task(new AnsweredConnection(answers));
      } catch (error) {
        if (!(error instanceof Asked)) throw error;
        // oxlint-disable-next-line no-await-in-loop -- one question after another
        answers.push(await this.#ask(error.question));
      }
    }
  }

  /** Ends what is under way, and its connections. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiting of this.#waiting) waiting.reject(closed());
    this.#waiting.clear();
    await Promise.all([...this.#threads].map((thread) => thread.close()));
  }

  #ask(question: Question): Promise<unknown[]> {
    if (this.#isClosed) return Promise.reject(closed());
    const { promise, resolve, reject } = Promise.withResolvers<unknown[]>();
    this.#waiting.add({ ...question, askedAt: performance.now(), resolve, reject });
    this.#serve();
    return promise;
  }

  /** Has each thread that is free take the question that has waited longest. */
  #serve(): void {
    for (const waiting of this.#waiting) {
      const thread = this.#findFree();
      if (thread === null) break;
      this.#waiting.delete(waiting);
      void this.#answer(thread, waiting);
    }
    this.#watch();
  }

  #findFree(): ReadingThread | null {
    const free = [...this.#threads].find(({ isFree }) => isFree);
    if (free !== undefined || this.#threads.size >= MOST_THREADS) return free ?? null;
    const thread = new ReadingThread(this.#options, {
      // One at a time: each loads the extension for a limit of its own.
      turn: this.#opened,
      onEnd: () => this.#threads.delete(thread),
    });
    this.#opened = thread.opened.catch(() => {});
    this.#threads.add(thread);
    return thread;
  }

  async #answer(thread: ReadingThread, waiting: WaitingQuestion): Promise<void> {
    const { briefMs, limits, onQuery, timeoutMs } = this.#options;
    const { sql, askedAt, resolve, reject } = waiting;
    try {
      const { rows, ms } = await thread.ask(waiting, timeoutMs - (performance.now() - askedAt));
      if (ms < briefMs / 2) limits.forget(sql);
      onQuery?.(sql, ms);
      resolve(rows);
    } catch (error) {
      reject(toSqliteFault(error, { sql }));
    }
    this.#serve();
  }

  /** Refuses in time whoever waits for a thread. */
  #watch(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#timer !== null) return;
    const { timeoutMs } = this.#options;
    const leftMs = first.askedAt + timeoutMs - performance.now();
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        for (const waiting of this.#waiting) {
          if (performance.now() - waiting.askedAt < timeoutMs) break;
          this.#waiting.delete(waiting);
          waiting.reject(waitedTooLong(waiting.sql));
        }
        this.#watch();
      },
      Math.max(1, leftMs),
    );
    this.#timer.unref();
  }
}

/** One thread, and what it is asked: one statement at a time. */
class ReadingThread {
  readonly #worker: Worker;
  #limit: StatementLimit | null = null;
  /** Settles when it has opened the file. */
  readonly opened: Promise<unknown>;
  readonly #onEnd: () => void;
  #reply: PromiseWithResolvers<Reply> | null = null;
  /** Settles with what it was asked last. */
  #asked: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #idle: NodeJS.Timeout | null = null;
  isFree = true;

  constructor(
    { file, pragmas, limits }: ReadingThreadsOptions,
    { turn, onEnd }: { readonly turn: Promise<unknown>; readonly onEnd: () => void },
  ) {
    const url = URL.createObjectURL(new Blob([THREAD], { type: "text/javascript" }));
    const options = { ref: false, smol: true }; // Bun's own: it keeps no process running, and little memory
    this.#worker = new Worker(url, options);
    this.#worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => this.#reply?.resolve(data));
    this.#worker.addEventListener("error", ({ message }) => {
      this.#end();
      this.#reply?.resolve({ message, code: undefined });
    });
    this.#onEnd = onEnd;
    this.opened = turn.then(async () => {
      this.#limit = limits.prepare();
      await this.#send({ file, pragmas, extension: limits.extension });
      URL.revokeObjectURL(url);
    });
    this.opened.catch(() => this.#end());
  }

  /** @throws Error as bun:sqlite throws it */
  ask(question: Question, leftMs: number): Promise<Answer> {
    this.isFree = false;
    clearTimeout(this.#idle ?? undefined);
    const asked = this.#ask(question, leftMs);
    this.#asked = asked;
    return asked;
  }

  /** Cuts what it is asked, and ends it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.isFree = false;
    this.#limit?.set(1);
    await Promise.allSettled([this.opened, this.#asked]);
    await this.#send(null).catch(() => {});
    this.#end();
  }

  async #ask({ way, sql, parameters }: Question, leftMs: number): Promise<Answer> {
    await this.opened;
    if (this.#isClosed) throw closed();
    this.#limit?.set(leftMs);
    this.#limit?.begin(sql);
    try {
      return await this.#send({ way, sql, parameters });
    } finally {
      this.isFree = !this.#isClosed;
      this.#idle = setTimeout(() => void this.close(), IDLE_MS);
      this.#idle.unref();
    }
  }

  #end(): void {
    this.#isClosed = true;
    this.isFree = false;
    clearTimeout(this.#idle ?? undefined);
    this.#worker.terminate();
    this.#onEnd();
  }

  async #send(message: unknown): Promise<Answer> {
    const reply = Promise.withResolvers<Reply>();
    this.#reply = reply;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
    this.#worker.postMessage(message);
    const answer = await reply.promise;
    this.#reply = null;
    if ("rows" in answer) return answer;
    throw Object.assign(new Error(answer.message), { code: answer.code });
  }
}

/** Thrown by the first statement of a task that isn't answered yet. */
class Asked extends Error {
  readonly question: Question;

  constructor(question: Question) {
    super("The rows aren't there yet");
    this.question = question;
  }
}

/** Gives a task the rows that are known. */
class AnsweredConnection implements StatementRunner {
  readonly #answers: readonly unknown[][];
  #next = 0;

  constructor(answers: readonly unknown[][]) {
    this.#answers = answers;
  }

  values(sql: string, parameters: unknown[]): unknown[][] {
    return this.#answer({ way: "values", sql, parameters }) as unknown[][];
  }

  all(sql: string, parameters: unknown[]): Record<string, unknown>[] {
    return this.#answer({ way: "all", sql, parameters }) as Record<string, unknown>[];
  }

  write(): never {
    throw new TypeError("Cannot write in a read");
  }

  execute(): never {
    throw new TypeError("Cannot run a script in a read");
  }

  #answer(question: Question): unknown[] {
    const answer = this.#answers[this.#next];
    this.#next += 1;
    if (answer !== undefined) return answer;
    assertBindable([...question.parameters], question.sql);
    throw new Asked(question);
  }
}

function closed(): DatabaseError {
  return new DatabaseError("unavailable", "Cannot query the database: it is closed");
}

function waitedTooLong(sql: string): DatabaseError {
  return new DatabaseError(
    "timeout",
    'Cannot run the query: others that take long kept it waiting for "database.statement_timeout"; add indexes for what they sort and search by',
    { sql },
  );
}

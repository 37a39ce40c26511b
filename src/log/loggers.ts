import { join } from "node:path";
import type { Logger } from "pino";
import { ConsoleSink } from "./console-sink.ts";
import type { ConsoleStream } from "./console-sink.ts";
import { LineBuffer } from "./line-buffer.ts";
import type { LineSink } from "./line-buffer.ts";
import { createLogger } from "./logger.ts";
import type { LogLevel } from "./logger.ts";
import type { PrettyConsole } from "./pretty-console.ts";
import { Repeats } from "./repeats.ts";
import { createRedactor, type Redactor, redactText } from "./redact.ts";
import { createRequestLine, writeRequestLine } from "./request-line.ts";
import type { RequestEntry } from "./request-line.ts";
import { RotatingFile } from "./rotating-file.ts";

export interface LoggersOptions {
  level: LogLevel;
  /** Number of the process among those that answer together: each line carries it. @default null, and none does */
  worker?: number | null;
  /** Absolute folder of `app.log`, `access.log` and `manager.log`; null writes no files. */
  directory: string | null;
  /** Whether lines go to `stdout` too. What goes wrong with the files is shown there in any case. */
  console: boolean;
  /** Bytes that a file may hold before it is rotated; 0 never rotates. */
  max_bytes: number;
  /** Rotated files kept beside each file; with 0 a full file is emptied. */
  backup_count: number;
  /** @default process.stdout */
  stdout?: ConsoleStream;
  /** Lines for people instead of JSON. @default whether `stdout` is a terminal */
  pretty?: boolean;
  /** Shows a stack in terms of the sources, such as a plugin's own file and line. */
  mapStack?: (stack: string) => string;
}

export interface Loggers {
  /** Writes to `app.log`: the server and what plugins log. */
  readonly app: Logger;
  /** Writes to `access.log`: what clients can have logged as often as they like, which rotates nothing else away. */
  readonly access: Logger;
  /** Writes to `manager.log`: the life of plugins. */
  readonly manager: Logger;
  /** Whether the line of a request that is answered with this status is written. */
  takesRequest(status: number): boolean;
  /** Writes the line of an answered request to `access.log`, at level info, or warn when the status is 500 or more. */
  logRequest(entry: RequestEntry): void;
  /** Changes the level of all loggers and of the children that have none of their own. */
  setLevel(level: LogLevel): void;
  /** Resolves when every line is with the operating system, or the console's reader stalled for a second. */
  flush(): Promise<void>;
  /** Flushes, closes the files and lets go of the process; later lines are dropped. */
  close(): Promise<void>;
}

/**
 * Opens the logs. Lines are gathered in memory for at most 100 ms; errors are written at once, and the rest when
 * the process exits, even by a crash. Secrets are redacted from everything that is logged. A file that can't
 * be written is reported once on the console and tried again: logging never throws and never stops the server.
 */
export async function createLoggers(options: LoggersOptions): Promise<Loggers> {
  const stdout: ConsoleStream = options.stdout ?? process.stdout;
  const isTerminal = stdout.isTTY === true;
  if (!(options.pretty ?? isTerminal)) return new OpenLogs(options, stdout, null);
  const { createPrettyConsole } = await import("./pretty-console.ts");
  const pretty = createPrettyConsole({ colors: isTerminal && !process.env["NO_COLOR"] });
  return new OpenLogs(options, stdout, pretty);
}

class OpenLogs implements Loggers {
  readonly app: Logger;
  readonly access: Logger;
  readonly manager: Logger;
  readonly #options: LoggersOptions;
  readonly #redact: Redactor;
  readonly #files: RotatingFile[] = [];
  readonly #screen: ConsoleSink;
  readonly #screenLines: LineBuffer;
  /** Null where the console takes JSON. */
  readonly #pretty: PrettyConsole | null;
  /** What the logs have to say about themselves goes to the console alone, whatever the level. */
  readonly #status: Logger;
  readonly #appLines: LineBuffer;
  readonly #accessLines: LineBuffer<RequestEntry>;
  readonly #managerLines: LineBuffer;
  readonly #repeats = new Repeats();
  #isClosed = false;

  constructor(options: LoggersOptions, stdout: ConsoleStream, pretty: PrettyConsole | null) {
    this.#options = options;
    this.#pretty = pretty;
    this.#redact = createRedactor(options);
    this.#screen = new ConsoleSink(stdout, {
      onCatchUp: (lostLines) =>
        this.#status.warn(`The console was stalled: ${lostLines} lines are not shown`),
    });
    this.#screenLines = new LineBuffer([this.#screen]);
    const write = (line: string): void => this.#screenLines.write(this.#pretty?.format(line) ?? line, true);
    this.#status = createLogger({ level: "info", redact: this.#redact, write });
    const { worker = null } = options;
    const writeLine = worker === null ? writeRequestLine : createRequestLine(worker);
    this.#appLines = new LineBuffer(this.#openSinks("app.log"));
    this.#accessLines = new LineBuffer(this.#openSinks("access.log"), { writeLine });
    this.#managerLines = new LineBuffer(this.#openSinks("manager.log"));
    this.app = this.#createLogger((line, isUrgent) => {
      // After the requests before it, on a console of JSON.
      if (isUrgent) this.#accessLines.flush();
      this.#appLines.write(line, isUrgent);
      this.#show(line, isUrgent);
    });
    this.access = this.#createLogger((line, isUrgent) => {
      this.#accessLines.write(line, isUrgent);
      this.#show(line, isUrgent);
    });
    this.manager = this.#createLogger((line) => {
      // Rare lines, written at once after those of the others: that keeps their order on the console.
      this.#appLines.flush();
      this.#accessLines.flush();
      this.#managerLines.write(line, true);
      this.#show(line, true);
    });
    process.on("exit", this.#flushLast);
  }

  takesRequest(status: number): boolean {
    return !this.#isClosed && this.access.levelVal <= (status >= 500 ? 40 : 30);
  }

  logRequest(entry: RequestEntry): void {
    if (!this.takesRequest(entry.status)) return;
    this.#accessLines.defer(entry);
    if (this.#options.console && this.#pretty !== null) {
      this.#screenLines.write(this.#pretty.formatRequest(entry), false);
    }
  }

  setLevel(level: LogLevel): void {
    this.app.level = level;
    this.access.level = level;
    this.manager.level = level;
  }

  async flush(): Promise<void> {
    this.#flushNow();
    await this.#screen.drained();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#flushLast();
    this.#isClosed = true;
    process.off("exit", this.#flushLast);
    for (const file of this.#files) file.close();
    await this.#screen.drained();
    this.#screen.close();
  }

  readonly #flushNow = (): void => {
    this.#appLines.flush();
    this.#accessLines.flush();
    this.#screenLines.flush();
  };

  readonly #flushLast = (): void => {
    this.#repeats.flush();
    this.#flushNow();
  };

  #openSinks(name: string): LineSink[] {
    const { console, directory } = this.#options;
    const sinks: LineSink[] = console && this.#pretty === null ? [this.#screen] : [];
    if (directory !== null) {
      const file = openFile(join(directory, name), this.#options, this.#status);
      this.#files.push(file);
      sinks.push(file);
    }
    return sinks;
  }

  #createLogger(write: (line: string, isUrgent: boolean) => void): Logger {
    return createLogger({
      level: this.#options.level,
      worker: this.#options.worker ?? null,
      redact: this.#redact,
      repeats: this.#repeats,
      write: (line, isUrgent) => {
        if (!this.#isClosed) write(line, isUrgent);
      },
    });
  }

  /** Shows a line to a person; a console of JSON is one of the sinks. */
  #show(line: string, isUrgent: boolean): void {
    if (!this.#options.console || this.#pretty === null) return;
    this.#screenLines.write(this.#pretty.format(line), isUrgent);
  }
}

function openFile(path: string, options: LoggersOptions, status: Logger): RotatingFile {
  return new RotatingFile(path, {
    max_bytes: options.max_bytes,
    backup_count: options.backup_count,
    onFail: (error, action) => {
      const state = action === "write" ? "its lines are lost until it can be written" : "it goes on growing";
      status.error(`Cannot ${action} log file "${path}": ${toReason(error)}; ${state}, next try in 5 s`);
    },
    onRecover: (lostLines) =>
      status.info(`Log file "${path}" is written again; ${lostLines} lines were lost`),
  });
}

function toReason(error: unknown): string {
  return redactText(error instanceof Error ? error.message : String(error));
}

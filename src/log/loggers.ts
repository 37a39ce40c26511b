import { join } from "node:path";
import type { Logger } from "pino";
import { ConsoleSink } from "./console-sink.ts";
import type { ConsoleStream } from "./console-sink.ts";
import { LineBuffer } from "./line-buffer.ts";
import type { LineSink } from "./line-buffer.ts";
import { createLogger } from "./logger.ts";
import type { LogLevel } from "./logger.ts";
import { createPrettyConsole } from "./pretty-console.ts";
import { createRedactor, redactText } from "./redact.ts";
import { pushRequestLine } from "./request-line.ts";
import type { RequestEntry } from "./request-line.ts";
import { RotatingFile } from "./rotating-file.ts";

export interface LoggersOptions {
  level: LogLevel;
  /** Absolute folder of `app.log` and `manager.log`; null writes no files. */
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
  /** Writes to `manager.log`: the life of plugins. */
  readonly manager: Logger;
  /** Writes the line of an answered request to `app.log`, at level info, or warn when the status is 500 or more. */
  logRequest(entry: RequestEntry): void;
  /** Changes the level of both loggers and of the children that have none of their own. */
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
export function createLoggers(options: LoggersOptions): Loggers {
  const stdout: ConsoleStream = options.stdout ?? process.stdout;
  const isTerminal = stdout.isTTY === true;
  const pretty =
    (options.pretty ?? isTerminal)
      ? createPrettyConsole({ colors: isTerminal && !process.env["NO_COLOR"] })
      : null;

  const redact = createRedactor(options);

  const screen = new ConsoleSink(stdout, {
    onCatchUp: (lostLines) => status.warn(`The console was stalled: ${lostLines} lines are not shown`),
  });
  const screenLines = new LineBuffer([screen]);
  const show = (line: string): void => screenLines.write(pretty === null ? line : pretty.format(line), true);
  // What the logs have to say about themselves goes to the console alone, whatever the level.
  const status = createLogger({ level: "info", redact, write: show });

  const files: RotatingFile[] = [];
  const openSinks = (name: string): LineSink[] => {
    const sinks: LineSink[] = options.console && pretty === null ? [screen] : [];
    if (options.directory !== null) {
      const file = openFile(join(options.directory, name), options, status);
      files.push(file);
      sinks.push(file);
    }
    return sinks;
  };

  let isClosed = false;
  const appLines = new LineBuffer<RequestEntry>(openSinks("app.log"), { toPieces: pushRequestLine });
  const app = createLogger({
    level: options.level,
    redact,
    write(line, isUrgent) {
      if (isClosed) return;
      appLines.write(line, isUrgent);
      if (options.console && pretty !== null) screenLines.write(pretty.format(line), isUrgent);
    },
  });
  const managerLines = new LineBuffer(openSinks("manager.log"));
  const manager = createLogger({
    level: options.level,
    redact,
    write(line) {
      if (isClosed) return;
      // Rare lines, written at once after those of `app`: that keeps the order of the two on the console.
      appLines.flush();
      managerLines.write(line, true);
      if (options.console && pretty !== null) screenLines.write(pretty.format(line), true);
    },
  });

  const flushNow = (): void => {
    appLines.flush();
    screenLines.flush();
  };
  process.on("exit", flushNow);

  return {
    app,
    manager,
    logRequest(entry) {
      if (isClosed || app.levelVal > (entry.status >= 500 ? 40 : 30)) return;
      appLines.defer(entry);
      if (options.console && pretty !== null) screenLines.write(pretty.formatRequest(entry), false);
    },
    setLevel(level) {
      app.level = level;
      manager.level = level;
    },
    async flush() {
      flushNow();
      await screen.drained();
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      flushNow();
      process.off("exit", flushNow);
      for (const file of files) file.close();
      await screen.drained();
      screen.close();
    },
  };
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

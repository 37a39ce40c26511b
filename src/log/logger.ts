import pino from "pino";
import type { Logger } from "pino";
import { escapeRaw, isoNow } from "./request-line.ts";
import type { Redactor } from "./redact.ts";
import type { Repeats } from "./repeats.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

export interface LoggerOptions {
  level: LogLevel;
  /** Number of the process among those that answer together: each line carries it. @default null, and none does */
  worker?: number | null;
  /** Applied to every object, message and argument, and to the fields of children. */
  redact: Redactor;
  /** Takes each JSON line, newline included; urgent are levels error and fatal. */
  write: (line: string, isUrgent: boolean) => void;
  /** Folds equal warnings and errors. @default all of them are written */
  repeats?: Repeats;
}

const WARN = 40;
/** What strangers can have logged as often as they like. */
const REFUSAL = "access refused";
/** From how many at once on, refusals are no longer told apart by address. */
const MANY = 100;
const MAX_KEY = 500; // characters of each text

/**
 * Makes a pino logger whose lines hold no secret and whose calls never throw, whatever they are given: the log is
 * where things end up that went wrong elsewhere. A child without a level of its own follows the logger's.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { redact, write, repeats, worker = null } = options;
  const logger = pino(
    {
      level: options.level,
      // Without pid and hostname: systemd and containers know them.
      base: worker === null ? null : { worker },
      timestamp: () => `,"time":"${isoNow()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // The redactor has made plain data of errors.
      serializers: { err: (error: unknown) => error },
      hooks: {
        // Before pino sees them: it reads fields of what it is given, and a getter may throw.
        logMethod(args, method, level) {
          if (repeats !== undefined && !isWritten(repeats, this, args, level)) return;
          const [first, ...rest] = toSafeArguments(args, redact);
          Reflect.apply(method, this, [first, ...rest]);
        },
      },
    },
    {
      write(line) {
        write(escapeRaw(line), line.startsWith('{"level":"error"') || line.startsWith('{"level":"fatal"'));
      },
    },
  );
  return guardBindings(logger, redact);
}

/** Whether a line is one of the first that are equal but for the request that they are about. */
function isWritten(repeats: Repeats, logger: Logger, args: readonly unknown[], level: number): boolean {
  const [first, text] = args;
  if (level < WARN && text !== REFUSAL) return true;
  try {
    const fields = typeof first === "object" && first !== null ? (first as Record<string, unknown>) : {};
    if ("repeated" in fields) return true;
    const { err, request_id: _, method: __, path: ___, ...others } = fields;
    const error = Error.isError(first) ? first : err;
    const reason = Error.isError(error) ? `${error.name}: ${error.message}`.slice(0, MAX_KEY) : undefined;
    const known = { ...(text === REFUSAL ? toRefused(others, repeats) : others), reason };
    const [message = reason ?? ""] = [first, text].filter((one) => typeof one === "string");
    const key = [level, logger[pino.symbols.chindingsSym as never], message, known, args.slice(2)];
    return repeats.admits(JSON.stringify(key).slice(0, 2 * MAX_KEY), (repeated, seconds) => {
      const tell = pino.levels.labels[level] as "warn";
      logger[tell]({ ...known, repeated }, `${message} ×${repeated} in ${seconds} s`);
    });
  } catch {
    return true; // a getter may throw
  }
}

/** A flood of refusals may come from anywhere, and of anybody. */
function toRefused({ plugin, code, ip_address }: Record<string, unknown>, { size }: Repeats): object {
  return size < MANY ? { plugin, code, ip_address } : { plugin, code };
}

function toSafeArguments(args: readonly unknown[], redact: Redactor): unknown[] {
  const [first, ...rest] = args.map((argument) => {
    return typeof argument === "function" ? `[function ${argument.name}]` : redact(argument);
  });
  const original = args[0];
  if (typeof original !== "object" || original === null) return [first, ...rest];
  if (Error.isError(original)) {
    return [{ err: first }, ...(rest.length === 0 && isFields(first) ? [first["message"]] : rest)];
  }
  return [isFields(first) ? renameReserved(first) : { value: first }, ...rest];
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A logged object must not pass for another level or time: readers of JSON take the last of two equal keys. */
function renameReserved(fields: Record<string, unknown>): Record<string, unknown> {
  if (!("level" in fields) && !("time" in fields)) return fields;
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key === "level" || key === "time" ? `${key}_` : key,
      value,
    ]),
  );
}

/** pino has no hook for the fields of `child()` and `setBindings()`; children inherit these through it. */
function guardBindings(logger: Logger, redact: Redactor): Logger {
  // oxlint-disable-next-line typescript/unbound-method -- called on the child that they are asked of
  const { child, setBindings } = logger;
  const toSafeFields = (bindings: unknown): object => {
    const copy = redact(bindings);
    return isFields(copy) ? renameReserved(copy) : {};
  };
  return Object.assign(logger, {
    child(this: Logger, bindings: unknown, options?: unknown) {
      return Reflect.apply(child, this, [toSafeFields(bindings), options]);
    },
    setBindings(this: Logger, bindings: unknown) {
      Reflect.apply(setBindings, this, [toSafeFields(bindings)]);
    },
  });
}

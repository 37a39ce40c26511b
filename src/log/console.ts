import { Console as NodeConsole } from "node:console";
import { format, inspect } from "node:util";
import type { Logger } from "pino";
import { createRedactor, redactShown } from "./redact.ts";

type Level = "debug" | "info" | "warn" | "error";
type Method = (...args: unknown[]) => void;
type Methods = Record<string, Method>;

export interface LogConsoleOptions {
  /** Shows the stacks in a text in terms of the sources. @default as they are */
  readonly mapStack?: (text: string) => string;
}

/** Levels of what isn't level info. */
const LEVELS: Readonly<Record<string, Level>> = { debug: "debug", warn: "warn", error: "error" };
/** What prints any values. */
const PRINTING = ["log", "info", "debug", "warn", "error", "group", "groupCollapsed", "dirxml"];
const SHOWN = { depth: 4, maxArrayLength: 100, maxStringLength: 8192, breakLength: 120 } as const;
const redact = createRedactor();

/**
 * Creates a `console` that writes to a log: each call is one line, at level info, or warn, error or debug by the name
 * of the method. Values are shown as Node.js shows them; what stands under the name of a secret isn't.
 */
export function createLogConsole(log: Logger, options: LogConsoleOptions = {}): Console {
  let made: Methods | null = null;
  // Most plugins never print.
  const ready = (): Methods => (made ??= buildConsole(log, options));
  return new Proxy({} as Console, {
    get: (_, key) => Reflect.get(ready(), key) as unknown,
    set: (_, key, value) => Reflect.set(ready(), key, value),
    has: (_, key) => Reflect.has(ready(), key),
    // For `import { log } from "node:console"`, which copies what it finds.
    ownKeys: () => Reflect.ownKeys(ready()),
    getOwnPropertyDescriptor: (_, key) => Reflect.getOwnPropertyDescriptor(ready(), key),
  });
}

function buildConsole(log: Logger, { mapStack = String }: LogConsoleOptions): Methods {
  let level: Level = "info";
  const sink = {
    write: (text: string) => log[level](mapStack(text.replace(/\n$/, ""))),
    on() {},
    once() {},
    removeListener() {},
    listenerCount: () => 0,
  } as unknown as NodeJS.WritableStream;
  const made = new NodeConsole({ stdout: sink, stderr: sink, colorMode: false }) as unknown as Methods;
  for (const [name, method] of Object.entries(made)) {
    made[name] = (...args) => {
      level = LEVELS[name] ?? "info";
      method(...args);
    };
  }
  for (const name of PRINTING) {
    const print = made[name];
    made[name] = (...args) => (args.length === 0 ? print?.() : print?.("%s", toText(args)));
  }
  const { log: show, error: complain, table } = made;
  return Object.assign(made, {
    Console: NodeConsole,
    dir: (value: unknown, options?: object) => show?.(toShown(value, options)),
    table: (rows: unknown, ...columns: unknown[]) => table?.(redact(rows), ...columns),
    trace: (...args: unknown[]) => show?.(toTrace(args)),
    write: (...data: unknown[]) => show?.(data.join("").replace(/\n$/, "")),
    assert(condition: unknown, ...args: unknown[]) {
      if (!condition) complain?.(`Assertion failed${args.length === 0 ? "" : `: ${toText(args)}`}`);
    },
  });
}

/** What `console.log` prints of its arguments. */
function toText(args: readonly unknown[]): string {
  const [first] = args;
  if (typeof first === "string" && first.includes("%")) return redactShown(attempt(() => format(...args)));
  return args.map((value) => (typeof value === "string" ? value : toShown(value))).join(" ");
}

function toShown(value: unknown, options?: object): string {
  return redactShown(attempt(() => inspect(value, { ...SHOWN, ...options })));
}

function toTrace(args: readonly unknown[]): string {
  const { stack = "" } = new Error(toText(args));
  const frames = stack.split("\n").filter((line) => !line.includes(import.meta.url.slice("file://".length)));
  return [`Trace: ${toText(args)}`, ...frames.slice(1)].join("\n");
}

/** A getter or a proxy may throw. */
function attempt(show: () => string): string {
  try {
    return show();
  } catch {
    return "[unreadable]";
  }
}

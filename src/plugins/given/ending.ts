import { readFileSync } from "node:fs";

/** Told how a plugin tries to end the process, such as "process.exit(1)". */
export type OnEnding = (call: string) => void;

type Method = (...args: unknown[]) => unknown;

/** Of Node.js's own too, which packages call to be sure. */
const ENDING = ["exit", "reallyExit", "abort", "execve"] as const;
const KILLING = ["kill", "_kill"] as const;

/**
 * Makes what a plugin's own `process` has in place of what would end the server.
 *
 * @param onEnding null where it may end the process, as a command may
 */
export function createEnding(onEnding: OnEnding | null): Record<string, unknown> {
  if (onEnding === null) return {};
  return {
    ...createRefusals(onEnding),
    exitCode: undefined, // the server's says how the server ended
    // What anybody threw would be seen by this plugin alone.
    setUncaughtExceptionCaptureCallback: (...args: unknown[]) =>
      refuse(onEnding, "setUncaughtExceptionCaptureCallback", args),
  };
}

/**
 * Makes the methods of `process` by which a plugin would end the server: they throw instead, for nothing may go on behind
 * `process.exit()`. Other processes it may end, and ask whether its own is there.
 */
export function createRefusals(onEnding: OnEnding): Record<string, Method> {
  const ending = ENDING.map((name) => [name, (...args: unknown[]) => refuse(onEnding, name, args)] as const);
  const killing = KILLING.map((name) => {
    const native = (process as unknown as Record<string, Method>)[name];
    const method: Method = (pid, signal, ...rest) => {
      if (isOwn(Number(pid)) && signal !== 0)
        return refuse(onEnding, name, signal === undefined ? [pid] : [pid, signal]);
      return native?.call(process, pid, signal, ...rest);
    };
    return [name, method] as const;
  });
  return Object.fromEntries<Method>([...ending, ...killing]);
}

function refuse(onEnding: OnEnding, name: string, args: readonly unknown[]): never {
  const call = `process.${name}(${args.map(toText).join(", ")})`;
  onEnding(call);
  throw new Error(`Cannot run ${call} in a plugin: it would end the server for everybody; throw an error`);
}

/** Whether a signal to it reaches this process: also as one of its group, or of all there are (POSIX, kill). */
function isOwn(pid: number): boolean {
  return pid === process.pid || pid === 0 || pid === -1 || (pid < 0 && -pid === ownGroup());
}

/** Its own id where nobody tells another one, as Linux does. */
function ownGroup(): number {
  try {
    const [, fields = ""] = readFileSync("/proc/self/stat", "utf8").split(") ");
    return Number(fields.split(" ")[2]);
  } catch {
    return process.pid;
  }
}

function toText(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  return typeof value === "function" ? "…" : String(value).slice(0, 100);
}

/** Told how a plugin tries to end the process, such as "process.exit(1)". */
export type OnEnding = (call: string) => void;

type Method = (...args: unknown[]) => unknown;

/** Of Node.js's own too, which packages call to be sure. */
const ENDING = ["exit", "reallyExit", "abort", "execve"] as const;
const KILLING = ["kill", "_kill"] as const;

/**
 * Makes the methods of `process` by which a plugin would end the server: they throw instead, for nothing may go on behind
 * `process.exit()`. Other processes it may end, and ask whether its own is there.
 *
 * @param onEnding null where it may end the process, as a command may
 */
export function createEnding(onEnding: OnEnding | null): Record<string, unknown> {
  if (onEnding === null) return {};
  const refuse = (name: string, args: readonly unknown[]): never => {
    const call = `process.${name}(${args.map(toText).join(", ")})`;
    onEnding(call);
    throw new Error(`Cannot run ${call} in a plugin: it would end the server for everybody; throw an error`);
  };
  const ending = ENDING.map((name) => [name, (...args: unknown[]) => refuse(name, args)] as const);
  const killing = KILLING.map((name) => {
    const native = (process as unknown as Record<string, Method>)[name];
    const method: Method = (pid, signal, ...rest) => {
      if (isOwn(Number(pid)) && signal !== 0)
        return refuse(name, signal === undefined ? [pid] : [pid, signal]);
      return native?.call(process, pid, signal, ...rest);
    };
    return [name, method] as const;
  });
  return {
    ...Object.fromEntries([...ending, ...killing]),
    exitCode: undefined, // the server's says how the server ended
    // What anybody threw would be seen by this plugin alone.
    setUncaughtExceptionCaptureCallback: (...args: unknown[]) =>
      refuse("setUncaughtExceptionCaptureCallback", args),
  };
}

/** Whether a signal to it reaches this process: also as one of its group, or of all there are (POSIX, kill). */
function isOwn(pid: number): boolean {
  return pid === process.pid || pid === -process.pid || pid === 0 || pid === -1;
}

function toText(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  return typeof value === "function" ? "…" : String(value).slice(0, 100);
}

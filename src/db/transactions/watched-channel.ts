import type { QueryWatch, StatementKind } from "../contract/statements.ts";

type Run = (task: unknown, sql: string) => Promise<unknown>;

/** What the statements of a session run on, on any database. */
interface Watchable {
  readonly read: Run;
  readonly write: Run;
  readonly execute: Run;
  readonly transact: (work: (channel: Watchable) => unknown, options?: object) => Promise<unknown>;
  readonly afterCommit: (listener: () => void) => void;
  readonly changeToken?: () => number | null;
}

/** Returns a channel that runs on another one, with all its statements, and those of its transactions, watched. */
export function watchChannel<Channel>(channel: Channel, watch: QueryWatch): Channel {
  const inner = channel as Watchable;
  const run =
    (kind: StatementKind): Run =>
    (task, sql) =>
      watch(kind, sql, () => inner[kind](task, sql));
  const watched: Watchable = {
    read: run("read"),
    write: run("write"),
    execute: run("execute"),
    transact: (work, options) => inner.transact((begun) => work(watchChannel(begun, watch)), options),
    afterCommit: (listener) => inner.afterCommit(listener),
    changeToken: () => inner.changeToken?.() ?? null,
  };
  return watched as Channel;
}

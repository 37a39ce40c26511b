import type { SQL } from "drizzle-orm";
import type { Row } from "../reading/expand.ts";
import { ChangeLog, readPosition } from "./log.ts";
import type { Key, Notice } from "./notices.ts";
import { type Looked, lookedAt, readFormerSight, readSight, type Source } from "./sight.ts";
import { Subscriber } from "./subscriber.ts";

/** What somebody sees of the rows. */
export interface View {
  readonly source: Source;
  /** Which rows; undefined for all. */
  readonly condition: SQL | undefined;
  /** The condition as the database is asked, by which those who see the same are found. */
  readonly conditionText: string;
  /** Names of the columns. */
  readonly visible: readonly string[];
}

export interface Subscription {
  /** Makes what they see anew: rules may have come to say something else. */
  readonly toView: () => View;
  /** What a view is made of besides, such as permissions: another value says that it is to be made anew. */
  readonly stamp: () => unknown;
  /** The id of the last event that they have read; null for those that begin. */
  readonly lastEventId: string | null;
  /** Is told once that it is over. */
  readonly onEnd: () => void;
}

export interface HubOptions {
  /** This process. */
  readonly self: string;
  /** Number of its last change before now. */
  readonly last: number;
  /** Is told what keeps somebody from being told of changes: then they come back. */
  readonly onError: (error: unknown) => void;
}

/** Those who see the same. */
interface Group {
  readonly view: View;
  readonly looked: Looked;
  readonly members: Set<Member>;
}

interface Member {
  readonly subscriber: Subscriber;
  readonly subscription: Subscription;
  stamp: unknown;
  group: Group;
}

/** What has become of a row since it was last told of. */
interface Merged {
  readonly key: Key;
  /** Null for one that wasn't there. */
  readonly before: Row | null;
  /** Names of the columns that have changed; null where that isn't known. */
  readonly changed: ReadonlySet<string> | null;
}

const RETRY_MS = 1000;
const MAX_MORE_MS = 500;
const QUIET_MS = 15_000; // a proxy may cut what says nothing for long
const MAX_AT_ONCE = 500; // rows that are told of one by one
const MAX_CONDITIONS = 100; // of a query
const MAX_ROWS = 40; // of a query of rows that are given
const IDLE_MS = 5 * 60_000;

const encoder = new TextEncoder();

/**
 * Tells those who follow a table of what changes in it, as far as they see it. Changes are told together, a few at a time, and read from
 * the database once for all who see the same: what is told is what the row is then, so that the last one told is always the true one.
 */
export class TableHub {
  readonly #log: ChangeLog;
  readonly #onError: (error: unknown) => void;
  readonly #groups = new Map<string, Group>();
  readonly #members = new Set<Member>();
  readonly #sources = new Map<Source["resource"], number>();
  #pending: Notice[] = [];
  /** Whether changes wait, or are read, to be told. */
  #isFlushing = false;
  #heartbeat: ReturnType<typeof setInterval> | null = null;
  #idleSince = performance.now();

  constructor({ self, last, onError }: HubOptions) {
    this.#log = new ChangeLog(self, last);
    this.#onError = onError;
  }

  /** Whether nobody has followed it for a while: those who come back later load everything anew. */
  get isIdle(): boolean {
    return this.#members.size === 0 && performance.now() - this.#idleSince > IDLE_MS;
  }

  /** Notes changes of a process, numbered on from `number`; all must load everything anew where there were others before. */
  note(from: string, number: number, notices: readonly Notice[]): void {
    if (!this.#log.add(from, number, notices)) this.reset(from, number + notices.length - 1);
    else if (this.#pending.length + notices.length > MAX_AT_ONCE) this.reset();
    else {
      this.#pending.push(...notices);
      this.#schedule();
    }
  }

  /** Takes note of how far a process is. */
  meet(from: string, last: number): void {
    if (!this.#log.meet(from, last)) this.reset(from, last);
  }

  /** Has all load everything anew. @param last number of a process of which something before isn't known */
  reset(from?: string, last?: number): void {
    this.#pending = [];
    if (from !== undefined && last !== undefined) this.#log.jump(from, last);
    this.#log.clear();
    const chunk = toEvent("reset", {}, this.#log.end);
    for (const { subscriber } of this.#members) subscriber.tell(chunk);
  }

  /** Follows it from now on, or from where somebody has read to. */
  subscribe(subscription: Subscription): ReadableStream<Uint8Array> {
    const view = subscription.toView();
    const subscriber = new Subscriber(() => {
      this.#leave(member);
      subscription.onEnd();
    });
    const member: Member = { subscriber, subscription, stamp: subscription.stamp(), group: this.#join(view) };
    member.group.members.add(member);
    this.#members.add(member);
    this.#heartbeat ??= setInterval(() => this.#beat(), QUIET_MS);
    void this.#begin(member, view);
    return subscriber.stream;
  }

  async #begin({ subscriber, subscription }: Member, view: View): Promise<void> {
    const { lastEventId } = subscription;
    const end = this.#log.end;
    const hello = `retry: ${RETRY_MS}\n`;
    if (lastEventId === null) return subscriber.open(toEvent("ready", {}, end, hello));
    const position = readPosition(lastEventId);
    const missed = position === null ? null : this.#log.since(position);
    if (missed === null || missed.length > MAX_AT_ONCE)
      return subscriber.open(toEvent("reset", {}, end, hello));
    try {
      const changes = [...merge(missed).values()];
      const looked = view.condition === undefined ? null : lookedAt(view.condition, view.source.resource);
      const [text = ""] = await tellChanges(changes, [{ view, looked }]);
      subscriber.open(encoder.encode(`${hello}\n${text}${toText("ready", {}, end)}`));
    } catch (error) {
      this.#onError(error);
      subscriber.end();
    }
  }

  #join(view: View): Group {
    const { source, condition, conditionText, visible } = view;
    const number = this.#sources.get(source.resource) ?? this.#sources.size;
    this.#sources.set(source.resource, number);
    const key = JSON.stringify([number, conditionText, visible]);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const looked = condition === undefined ? null : lookedAt(condition, source.resource);
    const group = { view, looked, members: new Set<Member>() };
    this.#groups.set(key, group);
    return group;
  }

  #leave(member: Member): void {
    member.group.members.delete(member);
    this.#members.delete(member);
    if (this.#members.size > 0 || this.#heartbeat === null) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = null;
    this.#idleSince = performance.now();
    this.#sources.clear();
    this.#groups.clear();
  }

  /** Rules may look at the time. */
  #beat(): void {
    for (const member of this.#members) this.#renew(member);
    const chunk = encoder.encode(`: \nid: ${this.#log.end}\n\n`);
    // What waits to be told isn't passed over.
    if (!this.#isFlushing) for (const { subscriber } of this.#members) subscriber.tell(chunk);
  }

  /** Puts somebody where they see what they see now. */
  #renew(member: Member): void {
    member.stamp = member.subscription.stamp();
    try {
      const group = this.#join(member.subscription.toView());
      if (group === member.group) return;
      member.group.members.delete(member);
      member.group = group;
      group.members.add(member);
    } catch (error) {
      this.#onError(error);
      member.subscriber.end();
    }
  }

  #schedule(): void {
    if (this.#members.size === 0) this.#pending = [];
    else if (!this.#isFlushing) {
      this.#isFlushing = true;
      setTimeout(() => void this.#flushNow(), toPauseMs(this.#members.size, this.#groups.size));
    }
  }

  async #flushNow(): Promise<void> {
    await this.#flush();
    this.#isFlushing = false;
    if (this.#pending.length > 0) this.#schedule();
  }

  async #flush(): Promise<void> {
    const notices = this.#pending;
    const end = this.#log.end;
    this.#pending = [];
    const changes = [...merge(notices).values()];
    for (const member of this.#members) if (member.subscription.stamp() !== member.stamp) this.#renew(member);
    for (const [key, group] of this.#groups) if (group.members.size === 0) this.#groups.delete(key);
    const bySource = Map.groupBy(this.#groups.values(), ({ view }) => view.source.resource);
    for (const groups of bySource.values()) {
      for (let at = 0; at < groups.length; at += MAX_CONDITIONS)
        // oxlint-disable-next-line no-await-in-loop -- in order
        await this.#tell(changes, groups.slice(at, at + MAX_CONDITIONS), end);
    }
  }

  async #tell(changes: readonly Merged[], groups: readonly Group[], end: string): Promise<void> {
    // Those who come while it is read begin behind it.
    const members = groups.map((group) => [...group.members]);
    try {
      const texts = await tellChanges(changes, groups);
      for (const [at, text] of texts.entries()) {
        if (text === "") continue;
        const chunk = encoder.encode(`${text.slice(0, -1)}id: ${end}\n\n`);
        for (const { subscriber } of members[at] ?? []) subscriber.tell(chunk);
      }
    } catch (error) {
      this.#onError(error);
      // They come back, and are told what they have missed.
      for (const { subscriber } of members.flat()) subscriber.end();
    }
  }
}

/**
 * How long changes are gathered: longer for many who follow, as each piece costs a write for each of them, and for many who see
 * different rows, as the database is asked for each of their conditions. It isn't measured how long that takes: on a busy machine waiting
 * would make it wait.
 */
export function toPauseMs(followers: number, conditions: number): number {
  return Math.min(50, 5 + followers / 20) + Math.min(MAX_MORE_MS, (conditions - 1) / 20);
}

/** What has become of each row, by the first that is told of it. */
function merge(notices: readonly Notice[]): Map<string, Merged> {
  const merged = new Map<string, Merged>();
  for (const notice of notices) {
    const key = String(notice.key);
    const first = merged.get(key);
    const { changed } = notice;
    const names =
      changed === undefined || first?.changed === null ? null : [...(first?.changed ?? []), ...changed];
    merged.set(key, { ...(first ?? notice), changed: names && new Set(names) });
  }
  return merged;
}

/** The events of these changes for each of the views, as text. */
async function tellChanges(
  changes: readonly Merged[],
  groups: readonly Pick<Group, "view" | "looked">[],
): Promise<string[]> {
  const [first] = groups;
  if (first === undefined || changes.length === 0) return groups.map(() => "");
  const { source } = first.view;
  const conditions = groups.map(({ view }) => view.condition);
  const seen = await readSight(
    source,
    changes.map(({ key }) => key),
    conditions,
  );
  const hasSeen = await findFormer(changes, groups, seen);
  return groups.map(({ view: { visible } }, at) => {
    let text = "";
    for (const change of changes) {
      const { key, before } = change;
      const found = seen.get(String(key));
      if (found?.isSeen[at] === true) {
        if (isHidden(change, visible) && hasSeen(key, at)) continue;
        const row = Object.fromEntries(visible.map((name) => [name, found.row[name]]));
        text += toText(before === null ? "created" : "updated", row);
      } else if (hasSeen(key, at)) text += toText("deleted", { [source.resource.key.name]: key });
    }
    return text;
  });
}

type HasSeen = (key: Key, at: number) => boolean;

/** Whether nothing has changed that may be seen. */
function isHidden({ before, changed }: Merged, visible: readonly string[]): boolean {
  return before !== null && changed !== null && !visible.some((name) => changed.has(name));
}

/** Finds who saw the rows that they don't see any more, or of which they see nothing that has changed. */
async function findFormer(
  changes: readonly Merged[],
  groups: readonly Pick<Group, "view" | "looked">[],
  seen: Awaited<ReturnType<typeof readSight>>,
): Promise<HasSeen> {
  const [first] = groups;
  const told = new Set<string>();
  const asked = new Map<number, Merged[]>();
  for (const [at, { view, looked }] of groups.entries()) {
    for (const change of changes) {
      const found = seen.get(String(change.key));
      const isSeen = found?.isSeen[at] === true;
      if (change.before === null || (isSeen && !isHidden(change, view.visible))) continue;
      const isOther = isSeen
        ? looked === null || [...looked].some((name) => change.changed?.has(name))
        : found === undefined || hasChanged(change.before, found.row, looked);
      if (view.condition === undefined || (isSeen && !isOther)) told.add(`${at} ${change.key}`);
      else if (isOther) asked.set(at, [...(asked.get(at) ?? []), change]);
    }
  }
  const rows = [...new Set([...asked.values()].flat())];
  const ats = [...asked.keys()];
  const sources = ats.map((at) => groups[at]?.view.condition as SQL);
  for (let from = 0; from < rows.length && first !== undefined; from += MAX_ROWS) {
    const some = rows.slice(from, from + MAX_ROWS);
    // oxlint-disable-next-line no-await-in-loop -- one query after another
    const sights = await readFormerSight(
      first.view.source,
      some.map(({ before }) => before as Row),
      sources,
    );
    for (const [row, { key }] of some.entries())
      for (const [index, at] of ats.entries()) if (sights[row]?.[index] === true) told.add(`${at} ${key}`);
  }
  return (key, at) => told.has(`${at} ${key}`);
}

/** Whether a row may have been another one to a condition. */
function hasChanged(before: Row, now: Row, looked: Looked): boolean {
  if (looked === null) return true;
  return [...looked].some(
    (name) => JSON.stringify(before[name] ?? null) !== JSON.stringify(now[name] ?? null),
  );
}

function toText(event: string, data: object, id?: string): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n${id === undefined ? "" : `id: ${id}\n`}\n`;
}

function toEvent(event: string, data: object, id: string, head = ""): Uint8Array {
  return encoder.encode(`${head}${toText(event, data, id)}`);
}

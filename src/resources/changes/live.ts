import type { Logger } from "pino";
import type { ChangeFeed } from "../../cluster/change-feed.ts";
import type { Resource } from "../definition/definition.ts";
import type { TableHub } from "./hub.ts";
import { Places } from "./places.ts";
import { type Notice, readNotice, toLists } from "./notices.ts";

const TOPIC = "rows";
const HELLO = "?"; // asks others how far they are
const ANSWER = "!";
const NAME = /^[\da-f]{1,40}$/;
const MAX_TOLD = 500; // rows of one table that other instances are told of one by one, at once

interface Outgoing {
  readonly number: number;
  readonly notices: Notice[];
}

/** What changes in the tables of resources, for those who follow it: nothing is kept of tables that nobody follows. */
export class LiveChanges {
  readonly #self = crypto.randomUUID().slice(0, 8);
  readonly #hubs = new Map<string, TableHub>();
  /** How many changes of each table there have been here. */
  readonly #counts = new Map<string, number>();
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #resources = new Map<string, Resource>();
  /** Of all who follow. */
  readonly places = new Places();
  readonly #feed: ChangeFeed | null;
  readonly #log: Logger;

  /** @param feed by which instances tell each other; null for one alone */
  constructor(feed: ChangeFeed | null, log: Logger) {
    this.#feed = feed;
    this.#log = log;
    feed?.follow(TOPIC, {
      onChange: (data) => this.#receive(data),
      onReset: () => {
        for (const hub of this.#hubs.values()) hub.reset();
      },
    });
  }

  /** Notes that rows have changed, once that is committed. */
  note({ tableName }: Resource, notices: readonly Notice[]): void {
    for (const notice of notices) {
      const hub = this.#hubs.get(tableName);
      if (hub === undefined && this.#feed === null) return;
      const number = this.#count(tableName);
      if (this.#feed !== null) this.#send(tableName, number, notice);
      if (hub?.isIdle === true) this.#hubs.delete(tableName);
      else hub?.note(this.#self, number, [notice]);
    }
  }

  /** The one that tells of a table. */
  async hubOf(resource: Resource): Promise<TableHub> {
    const { TableHub } = await import("./hub.ts");
    const { tableName } = resource;
    this.#resources.set(tableName, resource);
    const known = this.#hubs.get(tableName);
    if (known !== undefined) return known;
    this.#publish(tableName); // what is counted is then told
    const hub = new TableHub({
      self: this.#self,
      // What has changed while nobody followed wasn't counted, where there are no others to be told.
      last: this.#feed === null ? this.#count(tableName) : (this.#counts.get(tableName) ?? 0),
      onError: (error) =>
        this.#log.error(
          { err: error, table: tableName },
          "changes can't be told: those who follow come back",
        ),
    });
    this.#hubs.set(tableName, hub);
    this.#say(tableName, HELLO);
    return hub;
  }

  /** Tells others how far this process is. */
  #say(tableName: string, what: typeof HELLO | typeof ANSWER): void {
    this.#publish(tableName);
    this.#feed?.publish(TOPIC, [tableName, this.#self, this.#counts.get(tableName) ?? 0, what]);
  }

  #count(tableName: string): number {
    const number = (this.#counts.get(tableName) ?? 0) + 1;
    this.#counts.set(tableName, number);
    return number;
  }

  /** Those of a commit together. */
  #send(tableName: string, number: number, notice: Notice): void {
    const outgoing = this.#outgoing.get(tableName);
    if (outgoing !== undefined) {
      outgoing.notices.push(notice);
      return;
    }
    this.#outgoing.set(tableName, { number, notices: [notice] });
    setImmediate(() => this.#publish(tableName));
  }

  #publish(tableName: string): void {
    const outgoing = this.#outgoing.get(tableName);
    this.#outgoing.delete(tableName);
    if (outgoing === undefined || this.#feed === null) return;
    let { number } = outgoing;
    if (outgoing.notices.length > MAX_TOLD) {
      this.#feed.publish(TOPIC, [tableName, this.#self, number + outgoing.notices.length - 1, null]);
      return;
    }
    for (const list of toLists(outgoing.notices)) {
      this.#feed.publish(TOPIC, [tableName, this.#self, number, list]);
      number += list.length;
    }
  }

  /** What stands in Redis may be anybody's. */
  #receive(data: unknown): void {
    if (!Array.isArray(data)) return;
    const [tableName, from, number, list] = data as unknown[];
    if (typeof tableName !== "string" || typeof from !== "string" || !NAME.test(from)) return;
    if (!Number.isSafeInteger(number) || from === this.#self) return;
    if (list === HELLO && this.#counts.has(tableName)) this.#say(tableName, ANSWER);
    const hub = this.#hubs.get(tableName);
    const resource = this.#resources.get(tableName);
    if (hub === undefined || resource === undefined) return;
    if (hub.isIdle) this.#hubs.delete(tableName);
    else if (list === HELLO || list === ANSWER) hub.meet(from, number as number);
    else this.#pass(hub, resource, { from, number: number as number, list });
  }

  #pass(
    hub: TableHub,
    resource: Resource,
    { from, number, list }: { readonly from: string; readonly number: number; readonly list: unknown },
  ): void {
    const notices = Array.isArray(list) ? list.map((one) => readNotice(resource, one)) : [];
    if (!Array.isArray(list)) hub.reset(from, number);
    else if (notices.includes(null)) hub.reset(from, number + notices.length - 1);
    else hub.note(from, number, notices as Notice[]);
  }
}

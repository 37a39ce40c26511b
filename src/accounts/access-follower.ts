import { and, count, desc, gt, lte, lt, max, sql } from "drizzle-orm";
import type { ChangeFeed } from "../cluster/change-feed.ts";
import type { Driver, TableWrite } from "../db/contract/driver.ts";
import type { CoreStore } from "./people/store.ts";

/** Whose access has changed; null for everybody's, as far as is known. */
export type ChangedUsers = ReadonlySet<number> | null;

export interface AccessFollowerOptions {
  readonly store: CoreStore;
  readonly driver: Pick<Driver, "dialect" | "changeToken" | "onTablesWritten">;
  /** By which instances tell each other that there are changes; null where each only asks the database. */
  readonly feed: ChangeFeed | null;
  /** Is told that there may be changes, without a request that asks for them: `follow()` says which. */
  readonly onNews: () => void;
  /** Is told of changes before any request is answered that came after their commit. */
  readonly onChange: (users: ChangedUsers) => void;
  /** In ms since the epoch. @default Date.now */
  readonly now?: () => number;
}

/** Changes that a server's transactions may commit in another order than that of their ids. */
const OVERLAP = 1000;
/** More news than this are taken for "everybody". */
const MAX_NEWS = 1000;
const TOPIC = "access";
const TABLE = "access_changes";
const DAY_MS = 24 * 60 * 60 * 1000;
const PRUNE_EVERY_MS = 60 * 60 * 1000;
/** A database that takes longer to say whether there are news is taken for away. */
const LATE_MS = 500;

/**
 * Follows the table `access_changes`, which every instance writes to: a request sees every change of access that
 * was committed before it.
 *
 * On SQLite `changeToken()` says whether there can be news at all. On a server it takes one query, shared by all
 * requests that came before the query began. A server gives out ids before their transactions commit, in any order:
 * so the latest changes are counted each time, and a change that commits late is told apart by its id.
 *
 * The database alone is believed. The feed, where there is one, only says when to ask it although no request comes: what is
 * open ends at once then, and while the feed is silent as it does without.
 */
export class AccessFollower {
  readonly #options: AccessFollowerOptions;
  readonly #now: () => number;
  readonly #isOrdered: boolean;
  #queries: ReturnType<typeof prepareQueries> | null = null;
  #token: number | null = null;
  /** The latest id that was seen; null until it has first looked. */
  #last: number | null = null;
  /** The ids after `#floor` that were seen. */
  #ids: ReadonlySet<number> = new Set();
  #floor = 0;
  #lookedAt = 0;
  #prunedAt = 0;
  #running: Promise<void> | null = null;
  /** Resolves when the running query has failed or is late. */
  #away = Promise.withResolvers<void>();
  #isAway = false;
  #waiting: Promise<void> | null = null;
  #pruning: Promise<unknown> = Promise.resolve();
  readonly #undo: readonly (() => void)[];

  constructor(options: AccessFollowerOptions) {
    const { driver, feed, onNews, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.#isOrdered = driver.dialect === "sqlite"; // one transaction writes at a time
    this.#undo = feed === null ? [] : followNews(feed, driver, onNews);
  }

  /**
   * Makes sure that `onChange` has been told of everything that was committed before now: returns null when it has
   * been, and otherwise a promise.
   *
   * @param now in ms since the epoch
   * @throws DatabaseError
   */
  follow(now = this.#now()): Promise<void> | null {
    const token = this.#options.driver.changeToken();
    if (token !== null && token === this.#token) {
      this.#lookedAt = now;
      return null;
    }
    if (this.#running === null) return this.#start(token);
    // The running query may have read before the latest commit: all who come until the next begins share that one.
    return (this.#waiting ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#waiting = null;
        return this.#start(this.#options.driver.changeToken());
      }));
  }

  /** When it was last known that nothing had changed that `onChange` hasn't been told of, in ms since the epoch. */
  get currentAt(): number {
    return this.#lookedAt;
  }

  /**
   * Resolves when `following`, which `follow()` has returned, is over, or the database doesn't say for half a second. While
   * it is away nobody waits.
   */
  async followOrAway(following: Promise<void>): Promise<void> {
    const over = following.catch(() => {});
    if (!this.#isAway) await Promise.race([over, this.#away.promise]);
  }

  /** Resolves when no query is under way: before the database is closed. */
  async settle(): Promise<void> {
    for (const undo of this.#undo) undo();
    await this.#running?.catch(() => {});
    await this.#pruning;
  }

  #prepared(): ReturnType<typeof prepareQueries> {
    return (this.#queries ??= prepareQueries(this.#options.store));
  }

  #start(token: number | null): Promise<void> {
    const away = Promise.withResolvers<void>();
    this.#away = away;
    const leave = (): void => {
      this.#isAway = true;
      away.resolve();
    };
    const timer = setTimeout(leave, LATE_MS);
    timer.unref();
    const running = this.#look().then(
      () => {
        this.#token = token;
        this.#isAway = false;
      },
      (error: unknown) => {
        leave();
        throw error;
      },
    );
    this.#running = running.finally(() => {
      clearTimeout(timer);
      this.#running = null;
    });
    return this.#running;
  }

  async #look(): Promise<void> {
    const now = this.#now();
    // Changes may have been pruned before this instance has seen them.
    if (Math.abs(now - this.#lookedAt) > DAY_MS / 2) this.#forget();
    if (!this.#isOrdered && this.#last !== null) {
      const [state] = await this.#prepared().readState.execute({ floor: this.#floor });
      const last = state?.last ?? 0;
      // The database was restored from a backup.
      if (last < this.#last) this.#forget();
      else if (last === this.#last && state?.rows === this.#ids.size) {
        this.#lookedAt = now;
        return;
      }
    }
    const rows = await this.#prepared().readRows.execute({ floor: this.#floor });
    this.#tell(rows);
    this.#keep(rows.map(({ id }) => id));
    this.#lookedAt = now;
    this.#prune(now);
  }

  #tell(rows: readonly { readonly id: number; readonly user_id: number | null }[]): void {
    const news = rows.filter(({ id }) => !this.#ids.has(id));
    if (this.#last === null || rows.length === OVERLAP + MAX_NEWS) this.#options.onChange(null);
    else if (news.some(({ user_id: userId }) => userId === null)) this.#options.onChange(null);
    else if (news.length > 0) {
      this.#options.onChange(new Set(news.flatMap(({ user_id: userId }) => userId ?? [])));
    }
  }

  /** @param ids after `#floor`, the latest first */
  #keep(ids: readonly number[]): void {
    this.#last = Math.max(this.#last ?? 0, ids[0] ?? 0);
    this.#floor = this.#isOrdered ? this.#last : Math.max(this.#floor, this.#last - OVERLAP);
    this.#ids = new Set(ids.filter((id) => id > this.#floor));
  }

  #forget(): void {
    this.#last = null;
    this.#floor = 0;
    this.#ids = new Set();
  }

  /** Deletes what every instance has seen long ago. */
  #prune(now: number): void {
    if (Math.abs(now - this.#prunedAt) < PRUNE_EVERY_MS) return;
    this.#prunedAt = now;
    const { db, tables } = this.#options.store;
    const { accessChanges } = tables;
    const isOld = and(
      lt(accessChanges.at, new Date(now - DAY_MS)),
      lte(accessChanges.id, (this.#last ?? 0) - OVERLAP),
    );
    // The next hour tries again.
    this.#pruning = db
      .delete(accessChanges)
      .where(isOld)
      .catch(() => {});
  }
}

/** Tells the others of what this instance commits, and `onNews` of that and of theirs; returns what undoes it. */
function followNews(
  feed: ChangeFeed,
  driver: Pick<Driver, "onTablesWritten">,
  onNews: () => void,
): readonly (() => void)[] {
  return [
    driver.onTablesWritten((writes) => {
      if (writes !== null && !writes.some(isChange)) return;
      feed.publish(TOPIC, null);
      onNews();
    }),
    feed.follow(TOPIC, { onChange: onNews, onReset: onNews }),
  ];
}

/** Old ones are deleted now and then. */
function isChange({ table, verb }: TableWrite): boolean {
  return table === TABLE && verb === "insert";
}

function prepareQueries({ db, tables: { accessChanges } }: CoreStore) {
  const isLater = gt(accessChanges.id, sql.placeholder("floor"));
  const readState = db
    .select({ last: max(accessChanges.id), rows: count() })
    .from(accessChanges)
    .where(isLater)
    .prepare("xcore_access_state");
  const readRows = db
    .select({ id: accessChanges.id, user_id: accessChanges.user_id })
    .from(accessChanges)
    .where(isLater)
    .orderBy(desc(accessChanges.id))
    .limit(OVERLAP + MAX_NEWS)
    .prepare("xcore_access_changes");
  return { readState, readRows };
}

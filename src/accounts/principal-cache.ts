import type { ChangedUsers } from "./access-follower.ts";
import type { Principal } from "./identity/principal.ts";

interface Entry {
  readonly principal: Principal;
  /** In ms since the epoch. */
  readonly since: number;
  readonly until: number;
}

/** How far clocks are corrected all the time. */
const SLACK_MS = 1000;

/**
 * Remembers who presented which header, for at most `maxEntries` headers: those unused for longest go first. The
 * keys are the headers, which a lookup compares by hash: the time that it takes tells nothing of them.
 */
export class PrincipalCache {
  readonly #maxYoung: number;
  // Two halves instead of an order: an entry that is asked for is young again, which hardly ever costs anything.
  #young = new Map<string, Entry>();
  #old = new Map<string, Entry>();
  #drops = 0;

  constructor(maxEntries: number) {
    this.#maxYoung = Math.max(1, Math.floor(maxEntries / 2));
  }

  /** How often entries were dropped: another count after a lookup means that the answer may be outdated. */
  get drops(): number {
    return this.#drops;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** @param now in ms since the epoch */
  find(presented: string, now: number): Principal | null {
    const entry = this.#young.get(presented) ?? this.#findOld(presented);
    if (entry === undefined) return null;
    // Known before it was: the clock was set back, and nothing says for how long it counts.
    if (entry.until > now && entry.since <= now + SLACK_MS) return entry.principal;
    this.#young.delete(presented);
    return null;
  }

  /** @param since now, and `until` when it is to be forgotten, in ms since the epoch */
  add(presented: string, principal: Principal, { since, until }: Omit<Entry, "principal">): void {
    if (this.#young.size >= this.#maxYoung) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(presented, { principal, since, until });
    this.#old.delete(presented);
  }

  /** Forgets these users, or everybody. */
  drop(users: ChangedUsers): void {
    this.#drops += 1;
    for (const entries of [this.#young, this.#old]) {
      if (users === null) {
        entries.clear();
        continue;
      }
      for (const [presented, { principal }] of entries) {
        const { user, viewer } = principal;
        // What is seen as somebody else hangs on the rights of who looks as well.
        if (users.has(user.id) || (viewer && users.has(viewer.id))) entries.delete(presented);
      }
    }
  }

  #findOld(presented: string): Entry | undefined {
    const entry = this.#old.get(presented);
    if (entry !== undefined) this.add(presented, entry.principal, entry);
    return entry;
  }
}

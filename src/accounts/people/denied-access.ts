import type { Logger } from "pino";
import { toAddressKey } from "../../web/clients/site.ts";
import type { Origin } from "../identity/principal.ts";
import { type AuditEntry, writeAudit } from "./audit.ts";
import type { CoreStore } from "./store.ts";

/** A request that a guard has refused. */
export interface Denial {
  /** Of the error: "authorization_error". */
  readonly code: string;
  /** What the client was told: which permission it lacks. */
  readonly reason: string;
  readonly request: { readonly id: string; readonly method: string; readonly path: string };
  /** Whose route it is; null for the core's. */
  readonly plugin: string | null;
  /** Null for nobody known. */
  readonly actor: NonNullable<AuditEntry["actor"]> | null;
  readonly origin: Origin;
}

export interface DeniedAccessOptions {
  readonly store: CoreStore;
  readonly log: Logger;
  /** After how long it is told how many there were, in ms. @default 600_000 */
  readonly windowMs?: number;
}

/** Denials that are as good as equal. */
interface Kind {
  /** Of the first; of strangers and users that are too many to be told apart, nobody. */
  readonly entry: AuditEntry;
  readonly since: Date;
  /** How many came after the first. */
  leftOut: number;
}

const WINDOW_MS = 600_000;
/** Of one user at a time, by what they were told. */
const MAX_KINDS = 20;
const MAX_USERS = 1000;
/** A flood may come from any number of addresses. */
const MAX_ADDRESSES = 100;
const MAX_TEXT = 500; // characters
const NOWHERE: Origin = { ipAddress: "", userAgent: "" };

/**
 * Writes to the audit log who was denied what: the first denial of a kind at once, and of the others, ten minutes after
 * it, how many there were. Denials of a user are of one kind when they lacked the same, those of nobody known when they
 * come from one address. So nobody fills the audit log, nor hides in it what another one has tried.
 */
export class DeniedAccess {
  readonly #options: DeniedAccessOptions;
  readonly #kinds = new Map<string, Kind>();
  /** How many kinds there are of each user, and of each address. */
  readonly #users = new Map<string, number>();
  readonly #addresses = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: DeniedAccessOptions) {
    this.#options = options;
  }

  /** Counts a denial, and writes the first of its kind. */
  note(denial: Denial): void {
    const { key, isNobodys } = this.#kindOf(denial);
    const kind = this.#kinds.get(key);
    if (kind !== undefined) {
      kind.leftOut += 1;
      return;
    }
    const entry = toEntry(denial);
    const { id, method, path } = denial.request;
    const first = { ...entry.after, method, path: toSafe(path), plugin: denial.plugin };
    this.#write({ ...entry, target: { type: "request", id }, after: first });
    this.#kinds.set(key, { entry: isNobodys ? toNobodys(denial) : entry, since: new Date(), leftOut: 0 });
    this.#timer ??= setTimeout(() => this.#tell(), this.#options.windowMs ?? WINDOW_MS).unref();
  }

  /** Tells how many there were so far, and resolves once all is written. */
  async close(): Promise<void> {
    this.#tell();
    await this.#writing;
  }

  #kindOf({ actor, origin, code, reason }: Denial): { readonly key: string; readonly isNobodys: boolean } {
    const others = { key: `others ${actor === null ? "" : "known "}${code}`, isNobodys: true };
    if (actor === null) {
      const address = toAddressKey(origin.ipAddress);
      const isCounted = count(this.#addresses, address, MAX_ADDRESSES) !== null;
      return isCounted ? { key: `address ${address} ${code}`, isNobodys: false } : others;
    }
    const who = `user ${actor.id} by ${actor.viewer?.id ?? actor.id}`;
    const exact = `${who} ${code} ${reason}`;
    if (this.#kinds.has(exact)) return { key: exact, isNobodys: false };
    const kinds = count(this.#users, who, MAX_USERS);
    if (kinds === null) return others;
    return { key: kinds <= MAX_KINDS ? exact : `${who} ${code}`, isNobodys: false };
  }

  #tell(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    const until = new Date();
    for (const { entry, since, leftOut } of this.#kinds.values()) {
      if (leftOut > 0) this.#write({ ...entry, after: { ...entry.after, repeated: leftOut, since, until } });
    }
    for (const counted of [this.#kinds, this.#users, this.#addresses]) counted.clear();
  }

  #write(entry: AuditEntry): void {
    const { store, log } = this.#options;
    this.#writing = this.#writing
      .then(() => writeAudit(store.db, store.tables, entry))
      .catch((error: unknown) => log.warn({ err: error }, "denied access can't be written to the audit log"));
  }
}

/** Counts one more of a key; null for a key that there is no room for. */
function count(counts: Map<string, number>, key: string, most: number): number | null {
  const counted = counts.get(key) ?? 0;
  if (counted === 0 && counts.size >= most) return null;
  counts.set(key, counted + 1);
  return counted + 1;
}

function toEntry({ actor, origin, code, reason }: Denial): AuditEntry {
  const after = { code, reason: toSafe(reason) };
  return { action: "access.denied", actor, result: "refused", origin, after };
}

function toNobodys({ code }: Denial): AuditEntry {
  return { action: "access.denied", result: "refused", origin: NOWHERE, after: { code, others: true } };
}

/** What a client may have a hand in, as any database takes it. */
function toSafe(text: string): string {
  return text
    .slice(0, MAX_TEXT)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, "");
}

import type { Database } from "bun:sqlite";
import { writeFileSync } from "node:fs";
import { DatabaseError } from "../../contract/database-error.ts";
import { loadNative, type Native } from "../../../native/native.ts";
import { toSharedObject } from "../../../native/shared-object.ts";

// A slot of the memory that is shared with it, in numbers of 32 bits.
const SLOT = 8;
const STATEMENT = 0;
const LIMIT = 1;
const BYTES = 4096;
const MOST_KNOWN = 500;

/** What cuts statements of SQLite that take too long, in this process. */
export class StatementLimits {
  readonly #memory = new ArrayBuffer(BYTES);
  readonly #native: Native;
  #slots = 0;
  /** What a connection that is to be limited loads. */
  readonly extension: string;
  /** Statements that have been cut when they had to be brief, the longest ago first. */
  readonly #long = new Set<string>();

  private constructor(native: Native, extension: string) {
    this.#native = native;
    this.extension = extension;
  }

  /** @throws Error where there is no such thing: on other systems than Linux, or where code may not be made */
  static async create(): Promise<StatementLimits> {
    const native = await loadNative();
    const { limit_entry: entry, create_file: createFile } = native.functions;
    const file = createFile();
    if (file < 0) throw new Error("memfd_create fails");
    writeFileSync(file, toSharedObject("sqlite3_extension_init", Number(entry())));
    return new StatementLimits(native, `/proc/self/fd/${file}`);
  }

  /** Limits the statements of a connection. */
  limit(database: Pick<Database, "loadExtension">): StatementLimit {
    const limit = this.prepare();
    database.loadExtension(this.extension);
    return limit;
  }

  /** Makes the limit of the connection that next loads the extension, in any thread. */
  prepare(): StatementLimit {
    const slot = new Int32Array(this.#memory, this.#slots * SLOT * 4, SLOT);
    this.#slots = (this.#slots + 1) % (BYTES / SLOT / 4);
    slot.fill(0);
    const { functions, addressOf } = this.#native;
    functions.limit_next(addressOf(slot));
    return new StatementLimit(slot, this.#long, this);
  }

  /** Notes that a statement isn't long any more. */
  forget(sql: string): void {
    this.#long.delete(sql);
  }
}

/** What limits the statements of one connection. */
export class StatementLimit {
  readonly #slot: Int32Array;
  readonly #long: Set<string>;
  /** Keeps what its connection calls. */
  readonly owner: StatementLimits;
  #isBrief = false;

  constructor(slot: Int32Array, long: Set<string>, owner: StatementLimits) {
    this.#slot = slot;
    this.#long = long;
    this.owner = owner;
  }

  /** Notes that a statement begins. @throws DatabaseError "timeout" for one that must be brief and is known not to be */
  begin(sql: string): void {
    if (this.#isBrief && this.#long.size > 0 && this.#long.has(sql)) throw tooLong(sql);
    this.#slot[STATEMENT] = (this.#slot[STATEMENT] ?? 0) + 1;
  }

  /** Notes that a statement was cut. */
  note(sql: string): void {
    if (!this.#isBrief) return;
    this.#long.add(sql);
    if (this.#long.size <= MOST_KNOWN) return;
    const [oldest = ""] = this.#long;
    this.#long.delete(oldest);
  }

  /**
   * How long a statement may take from now on, in ms; null for as long as it does.
   *
   * @param isBrief whether what is cut can be run elsewhere: it is known from then on
   */
  set(ms: number | null, isBrief = false): void {
    this.#slot[LIMIT] = ms === null ? 0 : Math.max(1, Math.min(Math.round(ms), 2 ** 31 - 1));
    this.#isBrief = isBrief;
  }

  /** Runs `work` with statements that are brief, or cut. */
  during<T>(ms: number, work: () => T): T {
    const [limit, isBrief] = [this.#slot[LIMIT] ?? 0, this.#isBrief];
    this.set(ms, true);
    try {
      return work();
    } finally {
      this.#slot[LIMIT] = limit;
      this.#isBrief = isBrief;
    }
  }
}

function tooLong(sql: string): DatabaseError {
  return new DatabaseError("timeout", "Cannot run the query here: it takes long", { sql });
}

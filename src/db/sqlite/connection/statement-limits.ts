import type { Database } from "bun:sqlite";
import { writeFileSync } from "node:fs";
import { DatabaseError } from "../../contract/database-error.ts";
import { compileC, type NativeCode } from "../../../native/compile.ts";
import { toSharedObject } from "../../../native/shared-object.ts";

/**
 * SQLite asks a function of ours, every some thousand steps of a statement, whether it may go on; but bun:sqlite has no
 * way to say which. It is said by an extension of SQLite, which gets the connection that loads it, and SQLite's functions.
 */
const SOURCE = `
typedef long long i64;
extern int clock_gettime(int clock, i64 *time);
extern int memfd_create(const char *name, unsigned int flags);

static int *next;

static i64 now(void) {
  i64 time[2];
  clock_gettime(1, time);
  return time[0] * 1000 + time[1] / 1000000;
}

static int is_over(int *slot) {
  i64 *began = (i64 *)(slot + 4);
  if (slot[0] != slot[2]) {
    slot[2] = slot[0];
    *began = now();
    return 0;
  }
  return slot[1] != 0 && now() - *began >= slot[1];
}

static int load(void *connection, char **message, void **sqlite) {
  void (*progress_handler)(void *, int, int (*)(int *), void *) = sqlite[75];
  if (!next) return 1;
  progress_handler(connection, 5000, is_over, next);
  next = 0;
  return 0;
}

void *entry(void) { return load; }
void limit_next(int *slot) { next = slot; }
int create_file(void) { return memfd_create("xcore", 1); }
`;
const FUNCTIONS = {
  entry: { args: [], returns: "ptr" },
  limit_next: { args: ["ptr"], returns: "void" },
  create_file: { args: [], returns: "int" },
} as const;

// A slot of the memory that is shared with it, in numbers of 32 bits.
const SLOT = 8;
const STATEMENT = 0;
const LIMIT = 1;
const BYTES = 4096;
const MOST_KNOWN = 500;

/** What cuts statements of SQLite that take too long, in this process. */
export class StatementLimits {
  readonly #memory = new ArrayBuffer(BYTES);
  readonly #native: NativeCode<typeof FUNCTIONS>;
  #slots = 0;
  /** What a connection that is to be limited loads. */
  readonly extension: string;
  /** Statements that have been cut when they had to be brief, the longest ago first. */
  readonly #long = new Set<string>();

  private constructor(native: NativeCode<typeof FUNCTIONS>, extension: string) {
    this.#native = native;
    this.extension = extension;
  }

  /** @throws Error where there is no such thing: on other systems than Linux, or where code may not be made */
  static async create(): Promise<StatementLimits> {
    const native = await compileC(SOURCE, FUNCTIONS);
    const { entry, create_file: createFile } = native.functions;
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

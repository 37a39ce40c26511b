import type { Database } from "../../db/contract/database.ts";
import type { JobSteps, Tx } from "../contract/backend.ts";
import type { Stepping } from "../contract/records.ts";

/** What a step is run with. */
export interface StepWork {
  readonly work: (tx?: Tx) => unknown;
  /** What its transaction is begun with. */
  readonly db: Database;
  /** @throws Error once the job isn't run here any more */
  readonly assertRunning: (doing: string) => void;
}

const MAX_NAME = 128;
const MAX_RESULT = 1024 * 1024; // characters

/** The steps of one try of a job: each is done once, whatever the tries. */
export class Steps {
  readonly #kept: JobSteps;
  readonly #job: Stepping;
  /** Those that this try has run or passed over. */
  readonly #used = new Set<string>();
  #done: Promise<Map<string, string | null>> | null = null;

  constructor(kept: JobSteps, job: Stepping) {
    this.#kept = kept;
    this.#job = job;
  }

  /** See `step` of JobContext. */
  async run(name: unknown, { work, db, assertRunning }: StepWork): Promise<unknown> {
    const doing = `Cannot run the step "${String(name)}"`;
    if (typeof name !== "string" || name === "" || name.length > MAX_NAME) {
      throw new TypeError(`${doing}: its name must be a text of 1 to ${MAX_NAME} characters`);
    }
    if (typeof work !== "function") throw new TypeError(`${doing}: its second argument must be a function`);
    if (this.#used.has(name)) {
      throw new TypeError(`${doing}: there is one of this name already; give each a name of its own`);
    }
    this.#used.add(name);
    try {
      return read(await this.#do(name, { work, db, assertRunning }));
    } catch (error) {
      this.#used.delete(name);
      throw error;
    }
  }

  async #do(name: string, { work, db, assertRunning }: StepWork): Promise<string | null> {
    const doing = `Cannot run the step "${name}"`;
    assertRunning(doing);
    this.#done ??= this.#kept.readSteps(this.#job.id);
    const done = await this.#done;
    const kept = done.get(name);
    if (kept !== undefined) return kept;
    assertRunning(doing);
    if (work.length > 0) {
      const inside = async (tx: Tx): Promise<string | null> => {
        const result = write(doing, await work(tx));
        assertRunning(doing);
        return result;
      };
      return this.#kept.commitStep(db, this.#job, { name, work: inside });
    }
    // Nothing of it is the database's: a transaction would be open for as long as it takes.
    const result = write(doing, await work());
    // Also where it was too late: what it has done is done.
    await this.#kept.keepStep(this.#job, { name, result });
    assertRunning(doing);
    return result;
  }
}

/** As it is given again later: a Date is a text from the start. */
function read(result: string | null): unknown {
  return result === null ? undefined : (JSON.parse(result) as unknown);
}

function write(doing: string, result: unknown): string | null {
  if (result === undefined) return null;
  let text: string | undefined;
  try {
    text = JSON.stringify(result);
  } catch (error) {
    throw new TypeError(`${doing}: its result is no JSON: ${error instanceof Error ? error.message : ""}`, {
      cause: error,
    });
  }
  if (text === undefined)
    throw new TypeError(`${doing}: its result is no JSON, it is of type ${typeof result}`);
  if (text.length > MAX_RESULT) throw new TypeError(`${doing}: its result is larger than 1 MB of JSON`);
  return text;
}

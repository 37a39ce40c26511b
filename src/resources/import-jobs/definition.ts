import { t } from "elysia";
import type { Logger } from "pino";
import {
  IMPORT_SUFFIX,
  type JobDefinition,
  type JobOwner,
  toDefinition,
} from "../../jobs/definition/options.ts";
import type { CoreDeclaration } from "../../db/schema/schema.ts";
import type * as Desk from "./desk.ts";
import type { ImportJobGround, ImportPayload } from "./job.ts";

export interface ImportJobsOptions
  extends Omit<ImportJobGround, "store">, Omit<Desk.ImportDeskOptions, keyof ImportJobGround | "definition"> {
  readonly core: CoreDeclaration;
  readonly log: Logger;
  /** Has the resource's plugin live until something has ended. */
  readonly hold: JobOwner["hold"];
}

/** The imports of a resource that jobs do. */
export interface ImportJobs {
  readonly definition: JobDefinition;
  /** What is asked of them is loaded when it first is. */
  open(): Promise<{ readonly desk: typeof Desk; readonly options: Desk.ImportDeskOptions }>;
}

const MAX_NAME = 64; // characters of a job's
const TIMEOUT = 3600; // seconds

/** Declares the job that imports files into a resource: one at a time, since two could be in each other's way. */
export function createImportJobs(options: ImportJobsOptions): ImportJobs {
  const { resource, db, core, log, hold } = options;
  const openStore = async (): Promise<Desk.ImportDeskOptions["store"]> => {
    const { ImportStore } = await import("./store.ts");
    return new ImportStore(db, core.imports);
  };
  const definition = toDefinition(
    { plugin: resource.plugin, db, log, hold },
    `${resource.name.slice(0, MAX_NAME - IMPORT_SUFFIX.length)}${IMPORT_SUFFIX}`,
    async (job: Parameters<JobDefinition["handler"]>[0]) => {
      const [{ runImport }, store] = await Promise.all([import("./job.ts"), openStore()]);
      await runImport(job as typeof job & { readonly payload: ImportPayload }, { ...options, store });
    },
    {
      payload: t.Object({ import: t.String({ format: "uuid" }) }),
      key: () => resource.name,
      timeout: TIMEOUT,
    },
  );
  return {
    definition,
    async open() {
      const [desk, store] = await Promise.all([import("./desk.ts"), openStore()]);
      return { desk, options: { ...options, definition, store } };
    },
  };
}

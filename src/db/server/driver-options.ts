import type { Logger } from "pino";
import type { ServerUrl } from "../contract/database-url.ts";

/** What the drivers of database servers are made with. */
export interface ServerDriverOptions {
  readonly url: ServerUrl;
  /** Connections, at most. */
  readonly poolSize: number;
  /** Logs each statement, without its values. */
  readonly echo: boolean;
  readonly log: Logger;
  /** How long one try to connect may take, in ms. */
  readonly connectTimeoutMs: number;
}

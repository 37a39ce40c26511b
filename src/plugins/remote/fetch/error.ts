import { PluginError } from "../../failure/failure.ts";

/** Why a plugin could not be fetched from a place, or from any of its places. */
export class FetchError extends PluginError {
  /** Whether the network is at fault, or a host that is out of order: another try may have more luck. */
  readonly isTransient: boolean;
  /** Status that a host has answered with; null when it isn't the reason. */
  readonly status: number | null;

  constructor(
    message: string,
    options: { isTransient?: boolean; status?: number | null; cause?: unknown } = {},
  ) {
    super("fetch", message, { cause: options.cause });
    this.isTransient = options.isTransient ?? false;
    this.status = options.status ?? null;
  }
}

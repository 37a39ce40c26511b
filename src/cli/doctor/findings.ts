import { describeSystemError } from "../../files/system-errors.ts";

/** What was looked at. */
export type Area =
  | "version"
  | "config"
  | "files"
  | "disk"
  | "tls"
  | "database"
  | "migrations"
  | "clock"
  | "cache"
  | "redis"
  | "mail"
  | "plugins"
  | "port"
  | "backups";

/** What was found out about one thing. */
export interface Finding {
  readonly area: Area;
  /** "problem": it doesn't work, or won't; "warning": it works, and should be mended. */
  readonly state: "ok" | "warning" | "problem";
  readonly message: string;
  /** What to do; null where nothing is to be done. */
  readonly advice: string | null;
}

export function ok(area: Area, message: string): Finding {
  return { area, state: "ok", message, advice: null };
}

export function warning(area: Area, message: string, advice: string): Finding {
  return { area, state: "warning", message, advice };
}

export function problem(area: Area, message: string, advice: string): Finding {
  return { area, state: "problem", message, advice };
}

/** What an error says, as a finding's message. */
export function toMessage(error: unknown): string {
  return describeSystemError(error) ?? (error instanceof Error ? error.message : String(error));
}

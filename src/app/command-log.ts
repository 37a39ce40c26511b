import { type Logger, pino } from "pino";

/** Creates the log of a command: warnings go to standard error, one line each, as its user should read them. */
export function createCommandLog(warn: (line: string) => void): Logger {
  return pino({ level: "warn", base: null }, { write: (line: string) => warn(toText(line)) });
}

function toText(line: string): string {
  const { msg, plugin, reason, err } = JSON.parse(line) as Record<string, unknown>;
  const cause = reason ?? (err as { message?: unknown } | undefined)?.message;
  const subject = typeof plugin === "string" ? `${plugin}: ` : "";
  return `${subject}${String(msg)}${typeof cause === "string" ? `: ${cause}` : ""}`;
}

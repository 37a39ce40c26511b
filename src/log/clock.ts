let lastMs = Number.NaN;
let lastIso = "";

/** The current time as ISO 8601 UTC. */
export function isoNow(): string {
  return isoAt(Date.now());
}

/** A time in milliseconds since the epoch as ISO 8601 UTC, formatted once however many lines ask for it. */
export function isoAt(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}

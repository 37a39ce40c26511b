let lastMs = Number.NaN;
let lastIso = "";

/** The current time as ISO 8601 UTC, formatted once a millisecond however many lines ask for it. */
export function isoNow(): string {
  const ms = Date.now();
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}

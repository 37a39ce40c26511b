/** What one answered HTTP request leaves in the log. */
export interface RequestEntry {
  /** When it was answered, in milliseconds since the epoch. */
  at: number;
  request_id: string;
  method: string;
  /** The path alone: a query string may hold secrets and must not be given. */
  path: string;
  status: number;
  duration_ms: number;
  /** The plugin that answered, null for the core. */
  plugin: string | null;
}

// oxlint-disable-next-line no-control-regex -- finding control characters is what it is for
const unsafeCharacters = /["\\\u0000-\u001f\u007f-\uffff]/;
const rawInJson = /[\u007f-\u009f\u2028\u2029]/g;

// Every request pays for its line, so it is put together from pieces that exist already: building the same
// line from a template takes twice as long, pino twenty times.
const maxText = 2048; // characters
const methodPieces = new Map(
  ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map((method) => [
    method,
    toMethodPiece(method),
  ]),
);
const statusPieces = Array.from({ length: 600 }, (_, status) => toStatusPiece(status));
const milliseconds = Array.from({ length: 1000 }, (_, whole) => String(whole));
const thousandths = milliseconds.map((part) => `.${part.padStart(3, "0")}`);
const pluginPieces = new Map<string | null, string>();
const constantLength = 160; // characters of a line beside the id and the path, about

let lastMs = Number.NaN;
let lastIso = "";
let headTime = "";
let infoHead = "";
let warnHead = "";

/**
 * Adds the JSON line of a request to the pieces, newline included: level "warn" when the status is 500 or more,
 * else "info". Returns about how many characters that were.
 */
export function pushRequestLine(pieces: string[], entry: RequestEntry): number {
  const time = isoAt(entry.at);
  if (time !== headTime) {
    headTime = time;
    infoHead = `{"level":"info","time":"${time}","request_id":"`;
    warnHead = `{"level":"warn","time":"${time}","request_id":"`;
  }
  const requestId = escapeText(entry.request_id);
  const path = escapeText(entry.path);
  const micros = toMicros(entry.duration_ms);
  const whole = Math.trunc(micros / 1000);
  pieces.push(
    entry.status >= 500 ? warnHead : infoHead,
    requestId,
    methodPieces.get(entry.method) ?? toMethodPiece(entry.method),
    path,
    statusPieces[entry.status] ?? toStatusPiece(entry.status),
    milliseconds[whole] ?? String(whole),
    thousandths[micros - whole * 1000] ?? "",
    pluginPieces.get(entry.plugin) ?? addPluginPiece(entry.plugin),
  );
  return constantLength + requestId.length + path.length;
}

/** The text as the inside of a JSON string, safe to print on a terminal and at most 2,048 characters long. */
export function escapeText(text: string): string {
  if (text.length <= maxText && !unsafeCharacters.test(text)) return text;
  const kept = text.length <= maxText ? text : `${text.slice(0, maxText)}…`;
  return escapeRaw(JSON.stringify(kept).slice(1, -1));
}

/**
 * The same JSON without the characters that it may hold raw but that a terminal or a line reader acts on:
 * DEL, the C1 controls (U+009B starts an escape sequence) and the two Unicode line separators.
 */
export function escapeRaw(json: string): string {
  return json.replace(
    rawInJson,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A duration in whole microseconds, 0 for what is not a duration. */
export function toMicros(durationMs: number): number {
  const micros = Math.round(durationMs * 1000);
  return micros >= 0 && micros <= Number.MAX_SAFE_INTEGER ? micros : 0;
}

/** The current time as ISO 8601 UTC. */
export function isoNow(): string {
  return isoAt(Date.now());
}

/** A time in milliseconds since the epoch as ISO 8601 UTC, formatted once however many lines ask for it. */
function isoAt(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}

function toMethodPiece(method: string): string {
  return `","method":"${escapeText(method)}","path":"`;
}

function toStatusPiece(status: number): string {
  return `","status":${Number.isFinite(status) ? status : 0},"duration_ms":`;
}

function addPluginPiece(plugin: string | null): string {
  const json = plugin === null ? "null" : `"${escapeText(plugin)}"`;
  const piece = `,"plugin":${json},"msg":"request"}\n`;
  if (pluginPieces.size >= 1000) pluginPieces.clear();
  pluginPieces.set(plugin, piece);
  return piece;
}

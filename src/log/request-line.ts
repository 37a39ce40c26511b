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
  /** Of the answer's body, null where its length isn't known beforehand. */
  bytes: number | null;
  /** Address of the client, behind trusted proxies; "" for one that was gone. */
  ip_address: string;
  /** Id of the user who made it; null for nobody known, and where the route doesn't ask. */
  user_id: number | null;
  /** Id of the administrator who viewed as the user and made it; null for the user alone. */
  viewer_id: number | null;
}

// oxlint-disable-next-line no-control-regex -- finding control characters is what it is for
const unsafeCharacters = /["\\\u0000-\u001f\u007f-\uffff]/;
const rawInJson = /[\u007f-\u009f\u2028\u2029]/g;

// Every request pays for its line, so it is put together from bytes that exist already: pieces of text that are joined
// and encoded take half as long again, pino more than twenty times as long.
const maxText = 2048; // characters
const [quote, backslash, zero, point] = [34, 92, 48, 46];
const methodPieces = new Map<string, Buffer>();
const statusPieces: (Buffer | undefined)[] = [];
const pluginPieces = new Map<string | null, Buffer>();
const pieces = {
  bytes: Buffer.from(',"bytes":'),
  address: Buffer.from(',"ip_address":"'),
  user: Buffer.from('","user_id":'),
  nobody: Buffer.from('","user_id":null'),
  viewer: Buffer.from(',"viewer_id":'),
};
const wholeStatuses = 1000;
const knownMethods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

let lastMs = Number.NaN;
let lastIso = "";
let headMs = Number.NaN;
let infoHead = Buffer.alloc(0);
let warnHead = infoHead;

/**
 * Writes the JSON line of a request from `start` on, newline included: level "warn" when the status is 500 or more,
 * else "info". Returns where it ends.
 */
export function writeRequestLine(bytes: Buffer, start: number, entry: RequestEntry): number {
  const { status, duration_ms } = entry;
  if (entry.at !== headMs) makeHeads(entry.at);
  let at = putBytes(bytes, start, status >= 500 ? warnHead : infoHead);
  at = putText(bytes, at, entry.request_id);
  at = putBytes(bytes, at, methodPieces.get(entry.method) ?? toMethodPiece(entry.method));
  at = putText(bytes, at, entry.path);
  at = putBytes(bytes, at, statusPieces[status] ?? toStatusPiece(status));
  at = putThousandths(bytes, at, toMicros(duration_ms));
  if (entry.bytes !== null) at = putNumber(bytes, putBytes(bytes, at, pieces.bytes), entry.bytes);
  at = putText(bytes, putBytes(bytes, at, pieces.address), entry.ip_address);
  const { user_id, viewer_id } = entry;
  if (user_id === null) at = putBytes(bytes, at, pieces.nobody);
  else at = putNumber(bytes, putBytes(bytes, at, pieces.user), user_id);
  if (viewer_id !== null) at = putNumber(bytes, putBytes(bytes, at, pieces.viewer), viewer_id);
  return putBytes(bytes, at, pluginPieces.get(entry.plugin) ?? addPluginPiece(entry.plugin));
}

/** Makes what writes the lines of one process among those that answer together: `worker` is its number. */
export function createRequestLine(worker: number): typeof writeRequestLine {
  const end = Buffer.from(`,"worker":${worker}}\n`);
  // In place of the end that it has written.
  return (bytes, start, entry) => putBytes(bytes, writeRequestLine(bytes, start, entry) - 2, end);
}

function makeHeads(ms: number): void {
  const time = isoAt(ms);
  headMs = ms;
  infoHead = Buffer.from(`{"level":"info","time":"${time}","request_id":"`);
  warnHead = Buffer.from(`{"level":"warn","time":"${time}","request_id":"`);
}

function putBytes(bytes: Buffer, start: number, piece: Buffer): number {
  bytes.set(piece, start);
  return start + piece.length;
}

/** Writes text as the inside of a JSON string. */
function putText(bytes: Buffer, start: number, text: string): number {
  const { length } = text;
  if (length > maxText) return start + bytes.write(escapeText(text), start);
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code < 32 || code >= 127 || code === quote || code === backslash) {
      return start + bytes.write(escapeText(text), start);
    }
    bytes[start + index] = code;
  }
  return start + length;
}

function putNumber(bytes: Buffer, start: number, value: number): number {
  return start + bytes.write(String(Number.isFinite(value) ? value : 0), start, "latin1");
}

/** Writes thousandths as a number: 1234 as 1.234. */
function putThousandths(bytes: Buffer, start: number, thousandths: number): number {
  const whole = Math.trunc(thousandths / 1000);
  const rest = thousandths - whole * 1000;
  let at = start;
  if (whole < 10) bytes[at++] = zero + whole;
  else at += bytes.write(String(whole), at, "latin1");
  const tens = Math.trunc(rest / 10);
  const hundreds = Math.trunc(rest / 100);
  bytes[at] = point;
  bytes[at + 1] = zero + hundreds;
  bytes[at + 2] = zero + tens - hundreds * 10;
  bytes[at + 3] = zero + rest - tens * 10;
  return at + 4;
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

function toMethodPiece(method: string): Buffer {
  const piece = Buffer.from(`","method":"${escapeText(method)}","path":"`);
  if (knownMethods.has(method)) methodPieces.set(method, piece);
  return piece;
}

function toStatusPiece(status: number): Buffer {
  const piece = Buffer.from(`","status":${Number.isFinite(status) ? status : 0},"duration_ms":`);
  if (Number.isInteger(status) && status >= 0 && status < wholeStatuses) statusPieces[status] = piece;
  return piece;
}

function addPluginPiece(plugin: string | null): Buffer {
  const json = plugin === null ? "null" : `"${escapeText(plugin)}"`;
  const piece = Buffer.from(`,"plugin":${json},"msg":"request"}\n`);
  if (pluginPieces.size >= 1000) pluginPieces.clear();
  pluginPieces.set(plugin, piece);
  return piece;
}

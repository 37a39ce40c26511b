import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { createRedactor, redactText } from "./redact.ts";

/** Files of a log, by name. */
export const LOG_FILES = ["app", "access", "manager"] as const;
export type LogFile = (typeof LOG_FILES)[number];

/** A line of a log. Secrets were taken out when it was written, and are looked for again when it is read. */
export interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly msg: string;
  readonly plugin: string | null;
  /** What it says beside: of a request its path and status, of an error its stack. */
  readonly fields: Record<string, unknown>;
}

/** Which lines are asked for. */
export interface LogFilter {
  /** The lowest level. */
  readonly level?: string | undefined;
  /** Text that stands somewhere in the line, in any case. */
  readonly q?: string | undefined;
  readonly plugin?: string | undefined;
  /** ISO 8601. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface LogPage {
  /** The latest first. */
  readonly items: LogLine[];
  /** Where to go on, towards the beginning of the file; null where it was reached. */
  readonly before: number | null;
}

/** Levels from the lowest. */
export const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

const CHUNK = 65_536; // bytes
const MAX_READ = 16 * 1_048_576; // bytes that one page looks through
const MAX_LINE = 65_536; // characters of a line that is shown
const NEWLINE = 10;
const redact = createRedactor();

/** Returns the path of a log in its folder. */
export function pathOfLog(folder: string, file: LogFile): string {
  return join(folder, `${file}.log`);
}

/**
 * Reads lines from the end of a log, so that it costs the same however long it is; of one without a match it looks through
 * 16 MB, and says where to go on.
 *
 * @param before of an earlier page
 */
export async function readLog(
  path: string,
  filter: LogFilter,
  { limit, before }: { readonly limit: number; readonly before?: number | undefined },
): Promise<LogPage> {
  const file = await open(path).catch(() => null);
  if (file === null) return { items: [], before: null };
  try {
    const { size } = await file.stat();
    const matches = toTest(filter);
    const items: LogLine[] = [];
    let end = Math.min(before ?? size, size);
    const stopAt = Math.max(0, end - MAX_READ);
    let rest = Buffer.alloc(0);
    while (end > 0 && end > stopAt) {
      const start = Math.max(0, end - CHUNK);
      const chunk = Buffer.alloc(end - start);
      // oxlint-disable-next-line no-await-in-loop -- one piece after another, until there are enough lines
      await file.read(chunk, 0, chunk.length, start);
      let buffer = Buffer.concat([chunk, rest]);
      for (;;) {
        const at = buffer.length < 2 ? -1 : buffer.lastIndexOf(NEWLINE, buffer.length - 2);
        if (at === -1 && start > 0) break;
        const line = toLine(buffer.subarray(at + 1).toString(), matches);
        if (line !== null) items.push(line);
        buffer = buffer.subarray(0, at + 1);
        if (items.length === limit) return { items, before: start + buffer.length || null };
        if (at === -1) break;
      }
      // A line that is longer than all of this is no line of ours.
      rest = buffer.length > MAX_LINE * 4 ? Buffer.alloc(0) : buffer;
      end = start;
    }
    const at = end + rest.length;
    return { items, before: end === 0 ? null : at };
  } finally {
    await file.close();
  }
}

export interface FollowLogOptions {
  readonly signal: AbortSignal;
  /** How often the file is looked at, in ms. @default 500 */
  readonly everyMs?: number;
}

/** Tells of the lines that are added to a log from now on, in order; of a flood the latest 256 KB. */
export async function* followLog(
  path: string,
  filter: LogFilter,
  { signal, everyMs = 500 }: FollowLogOptions,
): AsyncGenerator<LogLine | null> {
  const matches = toTest(filter);
  let position = await sizeOf(path);
  let inode = await inodeOf(path);
  while (!signal.aborted) {
    /* oxlint-disable no-await-in-loop -- one look after another */
    const [size, present] = [await sizeOf(path), await inodeOf(path)];
    // It was rotated, or emptied: what is there now is new.
    if (present !== inode || size < position) position = 0;
    inode = present;
    const start = Math.max(position, size - 4 * CHUNK);
    const text = size > start ? await Bun.file(path).slice(start, size).text() : "";
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    position = start + Buffer.byteLength(whole);
    for (const one of whole.split("\n")) {
      const line = toLine(one, matches);
      if (line !== null) yield line;
    }
    yield null;
    await pause(everyMs, signal);
    /* oxlint-enable no-await-in-loop */
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

async function inodeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.ino ?? 0;
}

type Test = (line: LogLine) => boolean;

function toTest({ level, q, plugin, from, to }: LogFilter): Test {
  const lowest = LEVELS.findIndex((one) => one === level);
  const asked = q?.toLowerCase() ?? "";
  return (line) =>
    LEVELS.findIndex((one) => one === line.level) >= lowest &&
    (plugin === undefined || line.plugin === plugin) &&
    (from === undefined || line.time >= from) &&
    (to === undefined || line.time <= to) &&
    // What isn't shown isn't found either: a secret could be guessed letter by letter.
    (asked === "" || JSON.stringify(line).toLowerCase().includes(asked));
}

/** What isn't JSON was written by no logger of ours, and is shown as it is. */
function toLine(text: string, matches: Test): LogLine | null {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  const line = parse(trimmed);
  return matches(line) ? line : null;
}

function parse(text: string): LogLine {
  const plain = { level: "info", time: "", msg: redactText(text.toWellFormed()), plugin: null, fields: {} };
  if (text.length > MAX_LINE) return plain;
  try {
    const { level, time, msg, plugin, ...fields } = redact(JSON.parse(text)) as Record<string, unknown>;
    return {
      level: typeof level === "string" ? level : "info",
      time: typeof time === "string" ? time : "",
      msg: typeof msg === "string" ? msg : "",
      plugin: typeof plugin === "string" ? plugin : null,
      fields,
    };
  } catch {
    return plain;
  }
}

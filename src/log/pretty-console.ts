import type * as PinoPretty from "pino-pretty";
import { escapeRaw, escapeText, toMicros } from "./request-line.ts";
import type { RequestEntry } from "./request-line.ts";

/** Turns log lines into what a person reads on a terminal. */
export interface PrettyConsole {
  /** The text of a JSON line that pino wrote. */
  format(jsonLine: string): string;
  /** One short line: time, level, method, path, status, duration, plugin, request id. */
  formatRequest(entry: RequestEntry): string;
}

// oxlint-disable-next-line no-control-regex -- finding control characters is what it is for
const controlCharacters = /[\u0000-\u0008\u000b-\u001f]/g;

/** Makes the console of a terminal. pino-pretty takes tens of milliseconds to load: the first line does it. */
export function createPrettyConsole(options: { colors: boolean }): PrettyConsole {
  let formatLine: ((line: unknown) => string) | null = null;
  const paint = (code: number, text: string): string =>
    options.colors ? `\u001b[${code}m${text}\u001b[39m` : text;
  return {
    format(jsonLine) {
      try {
        formatLine ??= loadPinoPretty(options.colors);
        // pino-pretty prints keys as JSON, which leaves DEL and the C1 controls as they are.
        return escapeRaw(formatLine(JSON.parse(jsonLine, toPrintable)));
      } catch {
        return jsonLine;
      }
    },
    formatRequest: (entry) => {
      const level = entry.status >= 500 ? paint(33, "WARN") : paint(32, "INFO");
      const status = paint(toStatusColor(entry.status), String(entry.status));
      const request = `${escapeText(entry.method)} ${escapeText(entry.path)}`;
      const origin = `${entry.plugin === null ? "" : `${escapeText(entry.plugin)} `}${escapeText(entry.request_id)}`;
      const duration = `${(toMicros(entry.duration_ms) / 1000).toFixed(1)} ms`;
      const viewed = entry.viewer_id === null ? "" : ` user ${entry.user_id} viewed by ${entry.viewer_id}`;
      return `[${formatLocalTime(new Date(entry.at))}] ${level}: ${request} ${status} ${duration} ${paint(90, origin + viewed)}\n`;
    },
  };
}

function loadPinoPretty(colorize: boolean): (line: unknown) => string {
  const { prettyFactory }: typeof PinoPretty = require("pino-pretty");
  return prettyFactory({ colorize, singleLine: true, translateTime: "SYS:HH:MM:ss.l" });
}

/**
 * A log may quote what a stranger sent. Escape sequences are shown, not obeyed, and further lines are indented,
 * so that no message can draw a line that looks like another log entry.
 */
function toPrintable(key: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  const visible = value.replace(controlCharacters, (character) => JSON.stringify(character).slice(1, -1));
  return key === "msg" ? visible.replaceAll("\n", "\n    ") : visible;
}

function toStatusColor(status: number): number {
  if (status >= 500) return 31;
  if (status >= 400) return 33;
  return status >= 300 ? 36 : 32;
}

function formatLocalTime(date: Date): string {
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()];
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${clock.map((part) => String(part).padStart(2, "0")).join(":")}.${millis}`;
}

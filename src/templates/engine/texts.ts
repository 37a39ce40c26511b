import { assertLength, isTrue, MAX_COUNT, replaceTexts, SafeString, show, toText } from "./values.ts";

/** Where one of all is markup, the others are escaped, so that none becomes markup that wasn't. */
export function replace(value: unknown, old: unknown, fresh: unknown, count?: unknown): unknown {
  const isMarkup = [value, old, fresh].some((one) => one instanceof SafeString);
  const times = typeof count === "number" && count >= 0 ? count : Infinity;
  const text = replaceTexts(
    isMarkup ? show(value) : toText(value),
    toText(old),
    isMarkup ? show(fresh) : toText(fresh),
    times,
  );
  return isMarkup ? new SafeString(text) : text;
}

/** Cuts a text so that it has `length` characters with its end; one that is hardly longer stays whole. */
export function truncate(
  value: unknown,
  length = 255,
  killsWords: unknown = false,
  end: unknown = "...",
  leeway = 5,
): unknown {
  const isMarkup = value instanceof SafeString;
  const [text, ending] = [toText(value), isMarkup ? show(end) : toText(end)];
  if (text.length <= length + leeway) return value instanceof SafeString ? value : text;
  const cut = text.slice(0, Math.max(0, length - toText(end).length));
  const space = isTrue(killsWords) ? -1 : cut.lastIndexOf(" ");
  const shortened = (space === -1 ? cut : cut.slice(0, space)) + ending;
  return isMarkup ? new SafeString(shortened) : shortened;
}

const CHARACTERS: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
};

/** The text of markup, which is none any more: what is left may read as a tag. */
export function stripTags(value: unknown): string {
  return withoutComments(toText(value))
    .replaceAll(/<\/?[a-z][^<>]*>/gi, "")
    .replaceAll(
      /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,4}));/gi,
      (whole, decimal?: string, hex?: string, name = "") => {
        if (decimal === undefined && hex === undefined) return CHARACTERS[String(name)] ?? whole;
        const code = Number.parseInt(decimal ?? hex ?? "", decimal === undefined ? 16 : 10);
        return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole;
      },
    )
    .trim()
    .split(/\s+/)
    .join(" ");
}

function withoutComments(text: string): string {
  const parts: string[] = [];
  let at = 0;
  for (let start = text.indexOf("<!--"); start !== -1; start = text.indexOf("<!--", at)) {
    const end = text.indexOf("-->", start);
    if (end === -1) break;
    parts.push(text.slice(at, start));
    at = end + 3;
  }
  return parts.join("") + text.slice(at);
}

/** Puts a text in the middle of a width. */
export function center(value: unknown, width = 80): string {
  const text = toText(value);
  const space = Math.max(0, Math.min(width, MAX_COUNT) - text.length);
  return text.padStart(text.length + Math.floor(space / 2)).padEnd(text.length + space);
}

/** Moves all lines but the first to the right. */
export function indent(value: unknown, width = 4, isFirst: unknown = false): unknown {
  const space = " ".repeat(Math.min(width, 100));
  const whole = toText(value);
  const lines = whole.split("\n");
  assertLength(whole.length + lines.length * space.length);
  const text = lines.map((line, index) => (line === "" || index === 0 ? line : space + line)).join("\n");
  const indented = isTrue(isFirst) ? space + text : text;
  return value instanceof SafeString ? new SafeString(indented) : indented;
}

/** Breaks lines between words. */
export function wrapWords(value: unknown, width = 79): string {
  let column = 0;
  return toText(value)
    .split(/(\s+)/)
    .map((part, index) => {
      if (index % 2 === 1) return part.includes("\n") ? ((column = 0), part) : part;
      const isLong = column > 0 && column + 1 + part.length > width;
      column = isLong ? part.length : column + 1 + part.length;
      return isLong ? `\n${part}` : part;
    })
    .join("")
    .replaceAll(/(?<![ \t])[ \t]+\n/g, "\n"); // from where they begin: else each of many is tried
}

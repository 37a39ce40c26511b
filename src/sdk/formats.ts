import { FormatRegistry } from "@sinclair/typebox";
import { isNumberText } from "../errors/number-text.ts";
import { parseJson } from "../web/input/json-depth.ts";

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[zZ]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const MAX_MOMENT = 100; // characters, most of them of its fraction
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
const NO_URI = /[^\w\-.~:/?#[\]@!$&'()*+,;=%]/;
const EXPRESSIONS = /\{[^{}]{0,1000}\}/g;
const EXPRESSION =
  /^\{[+#./;?&=,!@|]?(?:\w|%[0-9a-f]{2})+(?::[1-9]\d{0,3}|\*)?(?:,(?:\w|%[0-9a-f]{2})+(?::[1-9]\d{0,3}|\*)?)*\}$/i;
// oxlint-disable-next-line no-control-regex -- RFC 6570 names them
const NO_LITERAL = /[\u0000-\u0020"'<>\\^`{|}]/;
const NO_OCTET = /%(?![0-9a-f]{2})/i;

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** Characters of a text of a format at most; of an email, RFC 5321 takes 254. */
const LONGEST: Readonly<Record<string, number>> = {
  email: 320,
  hostname: 254,
  ipv4: 15,
  ipv6: 45,
  uuid: 45,
  time: 100,
  "iso-time": 100,
  "iso-date-time": 100,
  duration: 1000,
  url: 16_384,
  regex: 16_384,
  "json-pointer": 16_384,
  "json-pointer-uri-fragment": 16_384,
  "relative-json-pointer": 16_384,
};
const bounded = new WeakSet<(text: string) => boolean>();

/**
 * Mends the formats of texts that Elysia brings: dates that don't exist and numbers that aren't any are none, JSON is
 * bounded, and no text holds the server for long.
 */
export function mendFormats(): void {
  for (const [name, longest] of Object.entries(LONGEST)) boundFormat(name, longest);
  FormatRegistry.Set("date", isDay);
  FormatRegistry.Set("date-time", isMoment);
  FormatRegistry.Set("numeric", isNumberText);
  FormatRegistry.Set("integer", (text) => isNumberText(text) && Number.isSafeInteger(Number(text)));
  FormatRegistry.Set("byte", (text) => text.length % 4 === 0 && BASE64.test(text));
  FormatRegistry.Set("uri", (text) => SCHEME.test(text) && isUriReference(text));
  FormatRegistry.Set("uri-reference", isUriReference);
  FormatRegistry.Set("uri-template", isUriTemplate);
  FormatRegistry.Set(
    "ObjectString",
    (text) => text.trimStart().startsWith("{") && readJson(text) !== undefined,
  );
  FormatRegistry.Set(
    "ArrayString",
    (text) => text.trimStart().startsWith("[") && readJson(text) !== undefined,
  );
}

/** Elysia's expressions take a millisecond for some KB: what is longer than any value of a format isn't looked at. */
function boundFormat(name: string, longest: number): void {
  const check = FormatRegistry.Get(name);
  if (check === undefined || bounded.has(check)) return;
  const bound = (text: string) => text.length <= longest && check(text);
  bounded.add(bound);
  FormatRegistry.Set(name, bound);
}

/** Reads JSON, no deeper than a body may be; undefined for any other text. */
export function readJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function isDay(text: string): boolean {
  const [, year, month, day] = DAY.exec(text) ?? [];
  const time = Date.UTC(Number(year), Number(month) - 1, Number(day));
  return day !== undefined && new Date(time).toISOString().startsWith(text);
}

/** Of RFC 3339, 5.6; the "+" before a zone may have become a space, as it does in a query. */
function isMoment(text: string): boolean {
  if (text.length > MAX_MOMENT) return false;
  const separator = text.charAt(10);
  if (separator !== "T" && separator !== "t") return false;
  const time = text.slice(11).replace(/ (?=\d\d:\d\d$)/, "+");
  return isDay(text.slice(0, 10)) && TIME.test(time);
}

/** By the characters of RFC 3986, and by what the URL standard makes of them: each of the two in one pass. */
function isUriReference(text: string): boolean {
  if (NO_URI.test(text) || NO_OCTET.test(text)) return false;
  return text.indexOf("#") === text.lastIndexOf("#") && URL.canParse(text, "http://localhost");
}

/** By RFC 6570, of which expressions longer than anybody writes are none. */
function isUriTemplate(text: string): boolean {
  const literals = text.replaceAll(EXPRESSIONS, (found) => (EXPRESSION.test(found) ? "" : "{"));
  return !NO_LITERAL.test(literals) && !NO_OCTET.test(literals);
}

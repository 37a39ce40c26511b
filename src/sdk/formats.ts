import { FormatRegistry } from "@sinclair/typebox";
import { isNumberText } from "../errors/number-text.ts";
import { parseJson } from "../web/input/json-depth.ts";

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[zZ]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
const NO_URI = /[^\w\-.~:/?#[\]@!$&'()*+,;=%]/;
const EXPRESSIONS = /\{[^{}]{0,1000}\}/g;
const EXPRESSION =
  /^\{[+#./;?&=,!@|]?(?:\w|%[0-9a-f]{2})+(?::[1-9]\d{0,3}|\*)?(?:,(?:\w|%[0-9a-f]{2})+(?::[1-9]\d{0,3}|\*)?)*\}$/i;
// oxlint-disable-next-line no-control-regex -- RFC 6570 names them
const NO_LITERAL = /[\u0000-\u0020"'<>\\^`{|}]/;
const NO_OCTET = /%(?![0-9a-f]{2})/i;

/**
 * Mends the formats of texts that Elysia brings: dates that don't exist and numbers that aren't any are none, JSON is
 * bounded, and a URI of 60 KB doesn't hold the server for seconds.
 */
export function mendFormats(): void {
  FormatRegistry.Set("date", isDay);
  FormatRegistry.Set("date-time", isMoment);
  FormatRegistry.Set("numeric", isNumberText);
  FormatRegistry.Set("integer", (text) => isNumberText(text) && Number.isSafeInteger(Number(text)));
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

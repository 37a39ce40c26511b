/** Texts of dates and numbers as a language has them. In UTC: the server doesn't know where its reader is. */

const BYTES = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
const DURATIONS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
] as const;

interface Formatter {
  format(value: number): string;
}

/** Making one takes a thousand times as long as using it. */
const formatters = new Map<string, Formatter>();

/** The day of a date, as a Date, a text (ISO 8601) or milliseconds since the epoch; "" for none. */
export function toDateText(value: unknown, locale = "en"): string {
  return toTimeText(value, locale, { dateStyle: "medium", timeZone: "UTC" });
}

/** The same with its hour and minute. */
export function toDateTimeText(value: unknown, locale = "en"): string {
  return toTimeText(value, locale, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });
}

/** The same for programs: "2026-11-27T07:05:00.000Z". */
export function toIsoTime(value: unknown): string {
  if (value === null || value === undefined || value === "") return "";
  const date = value instanceof Date ? value : new Date(value as string | number);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

/** A number with at most so many digits behind the point, or with all of them; "" for none. A decimal as text is exact. */
export function toNumberText(
  value: unknown,
  digits?: unknown,
  isFixed: unknown = false,
  locale = "en",
): string {
  const maximumFractionDigits = typeof digits === "number" ? Math.min(Math.max(0, digits), 20) : 3;
  const minimumFractionDigits = isFixed === true ? maximumFractionDigits : 0;
  const formatter = numberFormat(locale, { maximumFractionDigits, minimumFractionDigits });
  return withNumber(value, (number) =>
    formatter.format(typeof value === "string" ? (value as unknown as number) : number),
  );
}

/** A number of bytes in the unit that fits: "1.5 MB". */
export function toBytesText(value: unknown, locale = "en"): string {
  return withNumber(value, (number) => {
    const power = number < 1 ? 0 : Math.min(Math.floor(Math.log10(number) / 3), BYTES.length - 1);
    return unitFormat(locale, BYTES[power] ?? "byte", 1).format(number / 1000 ** power);
  });
}

/** Milliseconds in the two units that fit: "3 hrs 5 mins". */
export function toDurationText(value: unknown, locale = "en"): string {
  return withNumber(value, (ms) => {
    const [largest, next] = DURATIONS.slice(DURATIONS.findIndex(([, length]) => ms >= length));
    if (ms < 1000 || largest === undefined)
      return unitFormat(locale, "millisecond", ms < 10 ? 1 : 0).format(ms);
    const count = Math.floor(ms / largest[1]);
    const rest = next === undefined ? 0 : Math.floor((ms % largest[1]) / next[1]);
    const parts = [unitFormat(locale, largest[0], 0).format(count)];
    if (next !== undefined && rest > 0) parts.push(unitFormat(locale, next[0], 0).format(rest));
    return parts.join(" ");
  });
}

function withNumber(value: unknown, toText: (number: number) => string): string {
  if (value === null || value === undefined || value === "") return "";
  const number = Number(value);
  return Number.isFinite(number) ? toText(number) : asIs(value);
}

/** What is no number or date is shown as it is. */
function asIs(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function toTimeText(value: unknown, locale: string, options: Intl.DateTimeFormatOptions): string {
  if (value === null || value === undefined || value === "") return "";
  const date = value instanceof Date ? value : new Date(value as string | number);
  if (Number.isNaN(date.getTime())) return asIs(value);
  const key = `${locale} ${options.timeStyle ?? ""} date`;
  const text = take(key, () => new Intl.DateTimeFormat(toTag(locale), options)).format(date.getTime());
  return options.timeStyle === undefined ? text : `${text} UTC`;
}

function unitFormat(locale: string, unit: string, digits: number): Formatter {
  return numberFormat(locale, {
    style: "unit",
    unit,
    unitDisplay: unit === "byte" ? "long" : "short",
    maximumFractionDigits: digits,
  });
}

function numberFormat(locale: string, options: Intl.NumberFormatOptions): Formatter {
  const { unit = "", maximumFractionDigits = "", minimumFractionDigits = "" } = options;
  const key = `${locale} ${unit} ${maximumFractionDigits} ${minimumFractionDigits}`;
  return take(key, () => new Intl.NumberFormat(toTag(locale), options));
}

function take(key: string, make: () => Formatter): Formatter {
  let formatter = formatters.get(key);
  if (formatter === undefined) formatters.set(key, (formatter = make()));
  return formatter;
}

/** English as most of the world writes it: the day before the month, and 24 hours. */
function toTag(locale: string): string {
  return locale === "en" ? "en-GB" : locale;
}

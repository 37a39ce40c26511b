/** Who asks, and when: what `@me` and `@now` stand for. */
export interface Asking {
  /** Null for nobody known. */
  readonly userId: number | null;
  readonly now: Date;
}

type Shift = (date: Date, count: number) => void;

const MOMENT = /^@(now|today|month)(?:([+-])(\d+)(m|h|d|w|mo|y))?$/;
const SHIFTS: Readonly<Record<string, Shift>> = {
  m: (date, count) => void date.setUTCMinutes(date.getUTCMinutes() + count),
  h: (date, count) => void date.setUTCHours(date.getUTCHours() + count),
  d: (date, count) => void date.setUTCDate(date.getUTCDate() + count),
  w: (date, count) => void date.setUTCDate(date.getUTCDate() + 7 * count),
  mo: shiftMonths,
  y: (date, count) => shiftMonths(date, 12 * count),
};
const MIN_TIME_MS = Date.parse("0001-01-01T00:00:00.000Z");
const MAX_TIME_MS = Date.parse("9999-12-31T23:59:59.999Z");

/** What `@…` may be, for messages. */
export const MOMENTS = "@now, @today or @month, each with a shift such as -30d (m h d w mo y)";

/**
 * The moment that `@now`, `@today` (its first moment, in UTC) or `@month` stands for, with a shift such as `-30d`, `+2h`, `-1mo`;
 * null for anything else. The 31st of a month without one becomes its last day.
 */
export function toMoment(text: string, now: Date): Date | null {
  const [, name, sign, count, unit = ""] = MOMENT.exec(text) ?? [];
  if (name === undefined) return null;
  const moment = new Date(now);
  if (name !== "now") moment.setUTCHours(0, 0, 0, 0);
  if (name === "month") moment.setUTCDate(1);
  SHIFTS[unit]?.(moment, Number(`${sign}${count}`));
  const time = moment.getTime();
  return time >= MIN_TIME_MS && time <= MAX_TIME_MS ? moment : null;
}

function shiftMonths(date: Date, count: number): void {
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + count);
  const last = new Date(date);
  last.setUTCMonth(last.getUTCMonth() + 1, 0);
  date.setUTCDate(Math.min(day, last.getUTCDate()));
}

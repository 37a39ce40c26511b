const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const LAST_MS = 253_402_300_799_999; // of the year 9999: what comes later has another form
const ZERO = 48;

// Written in place and taken from there whole: a string of pieces would have to be put together again for JSON.
const text = Buffer.from("1970-01-01T00:00:00.000Z", "latin1") as Buffer & {
  latin1Slice(start: number, end: number): string;
};
/** Days since 1970, of the date that stands there. */
let writtenDay = 0;

/**
 * Writes a time as `Date.toISOString()` does, in two thirds of the time.
 *
 * @param time milliseconds since 1970, a whole number of the years 1970 to 9999; null for any other
 */
export function toTimeText(time: number): string | null {
  if (!(time >= 0 && time <= LAST_MS && Number.isInteger(time))) return null;
  const day = Math.floor(time / DAY_MS);
  if (day !== writtenDay) writeDate(day);
  let rest = time - day * DAY_MS;
  const hours = Math.trunc(rest / HOUR_MS);
  rest -= hours * HOUR_MS;
  const minutes = Math.trunc(rest / MINUTE_MS);
  rest -= minutes * MINUTE_MS;
  const seconds = Math.trunc(rest / 1000);
  rest -= seconds * 1000;
  const tenths = Math.trunc(rest / 100);
  writeTwo(11, hours);
  writeTwo(14, minutes);
  writeTwo(17, seconds);
  text[20] = ZERO + tenths;
  writeTwo(21, rest - tenths * 100);
  return text.latin1Slice(0, text.length);
}

/**
 * Writes a date, counted in years that begin in March.
 *
 * @see https://howardhinnant.github.io/date_algorithms.html#civil_from_days
 */
function writeDate(day: number): void {
  const shifted = day + 719_468;
  const era = Math.trunc(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const leaps = Math.trunc(dayOfEra / 1460) - Math.trunc(dayOfEra / 36_524) + Math.trunc(dayOfEra / 146_096);
  const yearOfEra = Math.trunc((dayOfEra - leaps) / 365);
  const firstOfYear = 365 * yearOfEra + Math.trunc(yearOfEra / 4) - Math.trunc(yearOfEra / 100);
  const dayOfYear = dayOfEra - firstOfYear;
  const month = Math.trunc((5 * dayOfYear + 2) / 153);
  const isNextYear = month >= 10;
  const year = yearOfEra + era * 400 + (isNextYear ? 1 : 0);
  const century = Math.trunc(year / 100);
  writeTwo(0, century);
  writeTwo(2, year - century * 100);
  writeTwo(5, isNextYear ? month - 9 : month + 3);
  writeTwo(8, dayOfYear - Math.trunc((153 * month + 2) / 5) + 1);
  writtenDay = day;
}

/** Writes a number of two digits. */
function writeTwo(at: number, number: number): void {
  const tens = Math.trunc(number / 10);
  text[at] = ZERO + tens;
  text[at + 1] = ZERO + number - tens * 10;
}

const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const DIGITS = /^-?\d+$/;

/**
 * Whether a text is a number as JSON writes one, leading zeros aside, which JavaScript holds as it was sent: no spaces,
 * no "0x10", no "Infinity", and no whole number beyond 2^53.
 */
export function isNumberText(text: string): boolean {
  if (!NUMBER.test(text)) return false;
  const number = Number(text);
  return Number.isFinite(number) && (!DIGITS.test(text) || Number.isSafeInteger(number));
}

const MAX_DIGITS = 100; // time grows with the square of them

/** Reads a whole number of any size, from its digits or from a number that holds it; undefined for anything else. */
export function toBigInt(value: unknown): bigint | undefined {
  const isNumber = typeof value === "string" && DIGITS.test(value) && value.length <= MAX_DIGITS;
  return isNumber || Number.isSafeInteger(value) ? BigInt(value as string | number) : undefined;
}

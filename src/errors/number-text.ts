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

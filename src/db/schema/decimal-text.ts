const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?$/;

/**
 * A decimal as its column holds it, with exactly `scale` digits after the point: "-1.5" is "-1.50".
 *
 * @returns null when it isn't a decimal, or doesn't fit without rounding
 */
export function toFittingDecimal(value: unknown, precision: number, scale: number): string | null {
  const parts = toParts(value, scale);
  if (parts === null) return null;
  const fraction = parts.fraction.replace(/0+$/, "");
  if (fraction.length > scale || parts.whole.length > precision - scale) return null;
  return toText(parts.isNegative, parts.whole, fraction.padEnd(scale, "0"));
}

/**
 * A decimal that a database has given, rounded (half away from zero) to `scale` digits after the point, as
 * PostgreSQL and MySQL do.
 *
 * @returns null when it isn't a decimal
 */
export function toRoundedDecimal(value: unknown, scale: number): string | null {
  const parts = toParts(value, scale);
  if (parts === null) return null;
  const { isNegative, whole, fraction } = parts;
  const digits = whole + fraction.slice(0, scale).padEnd(scale, "0");
  if ((fraction[scale] ?? "0") < "5") return toText(isNegative, whole, digits.slice(whole.length));
  const rounded = String(BigInt(digits) + 1n).padStart(scale + 1, "0");
  const point = rounded.length - scale;
  return toText(isNegative, rounded.slice(0, point), rounded.slice(point));
}

interface DecimalParts {
  readonly isNegative: boolean;
  /** Without leading zeros: "" for zero. */
  readonly whole: string;
  readonly fraction: string;
}

function toParts(value: unknown, scale: number): DecimalParts | null {
  const isDecimal = typeof value === "string" || typeof value === "bigint";
  const text = typeof value === "number" ? toPlainText(value, scale) : isDecimal ? String(value) : "";
  const [, sign = "", whole = "", fraction = ""] = DECIMAL.exec(text) ?? [];
  if (whole === "" && fraction === "") return null;
  return { isNegative: sign === "-", whole: whole.replace(/^0+/, ""), fraction };
}

function toPlainText(value: number, scale: number): string {
  const text = String(value);
  if (!text.includes("e")) return text;
  // 1e21 and 1e-7: written in full, where that is the same number.
  const plain = Number.isInteger(value) ? String(BigInt(value)) : value.toFixed(scale);
  return Number(plain) === value ? plain : text;
}

function toText(isNegative: boolean, whole: string, fraction: string): string {
  const digits = (whole === "" ? "0" : whole) + (fraction === "" ? "" : `.${fraction}`);
  return isNegative && /[1-9]/.test(digits) ? `-${digits}` : digits;
}

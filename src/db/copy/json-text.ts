/** Of JSON, what is between two strings, or a string. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
/** Numbers that JavaScript reads as they are written. */
const PLAIN_NUMBER = /^(?:0|-?[1-9]\d{0,14})$/;

/**
 * The same text for JSON that means the same: without spaces, keys in one order and once, and numbers by their value,
 * whatever their size. PostgreSQL's jsonb and MySQL's json write it anew.
 */
export function sameJson(text: string): string {
  const tokens = text.match(TOKEN) ?? [];
  let at = 0;
  const read = (): string => {
    const token = tokens[at++] ?? "";
    if (token === "{") return readObject();
    if (token === "[") return readArray();
    if (token.startsWith('"')) return JSON.stringify(JSON.parse(token));
    return PLAIN_NUMBER.test(token) ? token : toValue(token);
  };
  const readArray = (): string => {
    const items: string[] = [];
    while (at < tokens.length && tokens[at] !== "]") {
      items.push(read());
      if (tokens[at] === ",") at += 1;
    }
    at += 1;
    return `[${items.join(",")}]`;
  };
  const readObject = (): string => {
    const members = new Map<string, string>();
    while (at < tokens.length && tokens[at] !== "}") {
      const key = read();
      at += 1; // the colon
      members.set(key, read());
      if (tokens[at] === ",") at += 1;
    }
    at += 1;
    const sorted = [...members].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `{${sorted.map(([key, value]) => `${key}:${value}`).join(",")}}`;
  };
  return read();
}

/** A number as its digits without zeros at either end, and the power of ten of the last one. */
function toValue(token: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(token) ?? [];
  if (whole === "") return token;
  const digits = (whole + fraction).replace(/^0+/, "");
  const short = digits.replace(/0+$/, "");
  if (short === "") return "0";
  const power = Number(exponent) - fraction.length + digits.length - short.length;
  return power >= 0 && short.length + power <= 15
    ? `${sign}${short}${"0".repeat(power)}`
    : `${sign}${short}e${power}`;
}

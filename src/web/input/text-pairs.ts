const AMPERSAND = "&";

/**
 * Splits "a=1&b=2", from `start` on, as forms and queries are encoded (URL standard, 5.1).
 *
 * @param take is given each name decoded, and its value as it stands there: see decodeText()
 */
export function splitPairs(text: string, start: number, take: (name: string, raw: string) => void): void {
  let at = start;
  while (at < text.length) {
    const found = text.indexOf(AMPERSAND, at);
    const end = found === -1 ? text.length : found;
    if (end > at) takePair(text.slice(at, end), take);
    at = end + 1;
  }
}

/** Decodes a part of a form or a query; where its percent signs encode nothing, it stays what it is. */
export function decodeText(raw: string): string {
  const spaced = raw.includes("+") ? raw.replaceAll("+", " ") : raw;
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

function takePair(pair: string, take: (name: string, raw: string) => void): void {
  const equals = pair.indexOf("=");
  if (equals === -1) take(decodeText(pair), "");
  else take(decodeText(pair.slice(0, equals)), pair.slice(equals + 1));
}

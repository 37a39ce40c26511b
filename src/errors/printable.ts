// Control and direction characters, and ends of lines that only some programs take for such; not "\n" itself.
const UNPRINTABLE = /[\p{Cf}\p{Zl}\p{Zp}]|(?![\n\t])\p{Cc}/gu;

/** Writes what a terminal would obey, or would draw in another order, as `\u001b`, so that any text is safe to show. */
export function toPrintable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    const hex = (char.codePointAt(0) ?? 0).toString(16);
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
  });
}

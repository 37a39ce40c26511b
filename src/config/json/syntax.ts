/** What a parser expected and found where it failed, and both as one sentence. */
export interface SyntaxErrorWords {
  readonly expected: string;
  readonly found: string;
  readonly message: string;
}

const EXPECTED: Readonly<Record<string, string>> = {
  InvalidSymbol: "a value (text goes between double quotes)",
  InvalidNumberFormat: "a number",
  PropertyNameExpected: "a key between double quotes",
  ValueExpected: "a value",
  ColonExpected: '":"',
  CommaExpected: '","',
  CloseBraceExpected: '"}"',
  CloseBracketExpected: '"]"',
  EndOfFileExpected: "the end of the file",
  UnexpectedEndOfComment: "the comment to end with */",
  UnexpectedEndOfString: "the text to end with a double quote on its line",
  UnexpectedEndOfNumber: "a digit",
  InvalidUnicode: "four hexadecimal digits after \\u",
  InvalidEscapeCharacter: "a valid escape (a backslash itself is written \\\\)",
  InvalidCharacter: "an escape such as \\n or \\t for a control character",
};

/**
 * Puts a syntax error of `jsonc-parser` in words. What was found is named by its kind and never shown: what
 * stands there unquoted may be a password.
 *
 * @param name the name of the parser's error code
 */
export function describeSyntaxError(name: string, text: string, offset: number): SyntaxErrorWords {
  const expected = EXPECTED[name] ?? "valid JSON";
  const found = describeFound(text, offset);
  return { expected, found, message: `expected ${expected}, found ${found}` };
}

function describeFound(text: string, offset: number): string {
  const char = text[offset];
  if (char === undefined) return "the end of the file";
  if ("{}[],:".includes(char)) return `"${char}"`;
  if (char === '"') return "text";
  if (char === "'") return "text between single quotes";
  if (/[\d-]/.test(char)) return "a number";
  if (/[\p{L}_$]/u.test(char)) return "a word";
  return /\s/.test(char) ? "the end of the line" : "another character";
}

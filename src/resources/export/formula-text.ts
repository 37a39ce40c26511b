/** What spreadsheets take for a formula (OWASP, CSV injection), in full width too; an apostrophe before it makes it text. */
const FORMULA = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const MARKED = /^'+[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/** Has a spreadsheet show a text that it would run. */
export function neutralise(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text;
}

/** Undoes `neutralise`: what was exported is imported as it was. */
export function restoreText(text: string): string {
  return MARKED.test(text) ? text.slice(1) : text;
}

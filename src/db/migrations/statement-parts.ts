// What could hold words that look like SQL: strings, comments, bodies between dollars.
const MASKED = /'(?:[^']|'')*'|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$[\s\S]*?\$\1\$/g;
const ROUTINE =
  /^create\s+(?:or\s+replace\s+)?(?:definer\s*=\s*\S+\s+)?(?:(?:temp|temporary|constraint|aggregate)\s+)*(?:trigger|function|procedure|event)\b/i;
const TRANSACTION =
  /^(?:begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction|xa)\b/i;

/** Splits a statement at its semicolons, without the text of its strings and comments. */
export function toParts(statement: string): string[] {
  const masked = statement.replaceAll(MASKED, (found) => (found.startsWith("'") ? "''" : " "));
  return masked.split(";").map((part) => part.trim());
}

/** Finds what begins or ends a transaction or savepoint, such as "COMMIT"; null when nothing does. */
export function findTransactionControl(statement: string): string | null {
  const parts = toParts(statement);
  // BEGIN and END stand around the body of a trigger.
  if (parts.some((part) => ROUTINE.test(part))) return null;
  return parts.map((part) => TRANSACTION.exec(part)?.[0]).find((found) => found !== undefined) ?? null;
}

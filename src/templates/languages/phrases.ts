const PLACE = /\{(\w+)\}/g;

/**
 * Fills the `{places}` of a text; one without a value stays as it is.
 *
 * @param given by their names: an object, or the named arguments of a call in a template
 */
export function fillPlaces(text: string, given: unknown): string {
  if (typeof given !== "object" || given === null || !text.includes("{")) return text;
  const isNamed = "values" in given && Object.getPrototypeOf(given) !== Object.prototype;
  const values = (isNamed ? given.values : given) as Readonly<Record<string, unknown>>;
  return text.replace(PLACE, (place, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : place));
}

const PLACE = /\{(\w+)\}/g;

/**
 * Fills the `{places}` of a text; one without a value stays as it is.
 *
 * @param given by their names: an object, or the named arguments of a call in a template
 */
export function fillPlaces(text: string, given: unknown): string {
  const values = toValues(given);
  if (values === null || !text.includes("{")) return text;
  return text.replace(PLACE, (place, name: string) =>
    Object.hasOwn(values, name) ? String(values[name]) : place,
  );
}

/** The plugin that a text is said to be of: `t(title, of="shop")`. */
export function ownerOf(given: unknown): string | undefined {
  const of = toValues(given)?.["of"];
  return typeof of === "string" ? of : undefined;
}

function toValues(given: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof given !== "object" || given === null) return null;
  const isNamed = "values" in given && Object.getPrototypeOf(given) !== Object.prototype;
  return (isNamed ? given.values : given) as Readonly<Record<string, unknown>>;
}

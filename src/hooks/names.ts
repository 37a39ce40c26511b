const eventName = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
/** What a handler may listen to: the name of an event, or a pattern of names. */
export const EVENT_PATTERN = /^([A-Za-z0-9_-]+|\*)(\.([A-Za-z0-9_-]+|\*))*$/;
const maxLength = 200; // characters

/**
 * Makes the test for the events that a handler wants. A `*` at the end stands for one or more segments, so that
 * `user.*` takes `user.login` and `user.role.added`, and `*` takes everything; elsewhere it stands for exactly one.
 *
 * @throws TypeError when the pattern is not a string of segments joined by dots
 */
export function toNameTest(pattern: unknown): (name: string) => boolean {
  if (typeof pattern !== "string" || pattern.length > maxLength || !EVENT_PATTERN.test(pattern)) {
    throw new TypeError(
      `Cannot listen to ${quote(pattern)}: a name is letters, digits, "_" and "-" in segments joined by dots, ` +
        `such as "invoice.created", and "*" may stand for a segment`,
    );
  }
  if (!pattern.includes("*")) return (name) => name === pattern;
  const segments = pattern.split(".");
  const source = segments.map((segment, index) => {
    if (segment !== "*") return segment;
    return index === segments.length - 1 ? ".+" : "[^.]+";
  });
  const matcher = new RegExp(`^${source.join("\\.")}$`);
  return (name) => matcher.test(name);
}

/** @throws TypeError when the name can't be that of an event */
export function assertEventName(name: unknown): asserts name is string {
  if (typeof name === "string" && name.length <= maxLength && eventName.test(name)) return;
  throw new TypeError(
    `Cannot emit ${quote(name)}: a name is letters, digits, "_" and "-" in segments joined by dots, ` +
      `such as "invoice.created"`,
  );
}

function quote(value: unknown): string {
  return typeof value === "string" ? `"${value.slice(0, maxLength)}"` : `a name of type ${typeof value}`;
}

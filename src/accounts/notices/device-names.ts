/** What a browser says of itself, the more particular first: most say that they are others too. */
const PROGRAMS = [
  ["Edge", /\bEdgA?(?:iOS)?\//],
  ["Opera", /\bOPR\//],
  ["Samsung Internet", /\bSamsungBrowser\//],
  ["Firefox", /\b(?:Firefox|FxiOS)\//],
  ["Chrome", /\b(?:Chrome|CriOS)\//],
  ["Safari", /\bVersion\/.*\bSafari\//],
  ["curl", /^curl\//],
] as const;

const SYSTEMS = [
  ["iPhone", /\biPhone\b/],
  ["iPad", /\biPad\b/],
  ["Android", /\bAndroid\b/],
  ["Windows", /\bWindows\b/],
  ["macOS", /\bMac OS X\b/],
  ["ChromeOS", /\bCrOS\b/],
  ["Linux", /\bLinux\b/],
] as const;

/**
 * Returns what a user agent is called, such as "Firefox, Linux"; null for one that isn't known. Of what it says nothing is
 * repeated: whoever sends it chooses its words.
 */
export function toDeviceName(userAgent: string): string | null {
  const find = (names: readonly (readonly [string, RegExp])[]): string[] =>
    names.flatMap(([name, pattern]) => (pattern.test(userAgent) ? [name] : [])).slice(0, 1);
  const words = [...find(PROGRAMS), ...find(SYSTEMS)];
  return words.length === 0 ? null : words.join(", ");
}

/** Bytes of UTF-8: what file systems take, with room for " (1)" and the like. */
const MAX_BYTES = 200;
/** Characters of a name that are looked at, beside its ending. */
const MAX_LOOKED = 1000;
/** Of a name: more is no ending. */
const MAX_ENDING = 20;
// Controls, what turns the direction of text or can't be seen, and halves of surrogate pairs.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;
/** What Windows, or a shell, takes for something else. */
const UNSAFE = /[<>:"|?*`$]/g;
const RESERVED = /^(?:con|prn|aux|nul|(?:com|lpt)[\d\u00b9\u00b2\u00b3])\s*(?:\.|$)/i;
/** What RFC 8187 lets stand as it is. */
const ATTRIBUTE = /[^A-Za-z0-9!#$&+.^_`|~-]/g;

/**
 * Makes the name that a sender has given a file one that is safe to save it by: without folders, and without what isn't seen, is a
 * device, or means something to a shell or a page.
 */
export function toSafeName(given: string): string {
  const last = given.split(/[\\/]/).findLast((part) => !/^[\s.]*$/.test(part)) ?? "";
  // What is cut anyway isn't looked at: putting millions of accents in order takes hours.
  const looked = last.length > MAX_LOOKED ? last.slice(0, MAX_LOOKED) + last.slice(-MAX_ENDING) : last;
  const plain = looked
    .normalize("NFC")
    .replaceAll(INVISIBLE, "")
    .replaceAll(UNSAFE, "_")
    .replaceAll(/\s+/g, " ");
  const name = withoutEdges(plain) || "file";
  return shorten(RESERVED.test(name) ? `_${name}` : name);
}

/** The `content-disposition` of a file (RFC 6266), with its name for old clients and, where that isn't ASCII, as it is (RFC 8187). */
export function toDisposition(kind: "inline" | "attachment", name: string): string {
  const ascii = name
    .normalize("NFD")
    .replaceAll(/[^ -~]/g, "")
    .replaceAll(/["\\%]/g, "_");
  const plain = `${kind}; filename="${/^\.|^$/.test(ascii) ? `file${ascii}` : ascii}"`;
  return ascii === name ? plain : `${plain}; filename*=UTF-8''${encode(name)}`;
}

/** Without spaces and dots at both ends. An expression that looks for them takes the square of the time where many stand in between. */
function withoutEdges(text: string): string {
  const isEdge = (at: number): boolean => text[at] === " " || text[at] === ".";
  let [start, end] = [0, text.length];
  while (start < end && isEdge(start)) start += 1;
  while (end > start && isEdge(end - 1)) end -= 1;
  return text.slice(start, end);
}

/** Keeps the ending, by which programs know what it is. */
function shorten(name: string): string {
  if (Buffer.byteLength(name) <= MAX_BYTES) return name;
  const dot = name.lastIndexOf(".");
  const ending = dot > 0 && name.length - dot <= MAX_ENDING ? name.slice(dot) : "";
  const letters = Array.from(name.slice(0, name.length - ending.length));
  const room = MAX_BYTES - Buffer.byteLength(ending);
  let bytes = 0;
  const fitting = letters.findIndex((letter) => (bytes += Buffer.byteLength(letter)) > room);
  return (
    letters
      .slice(0, fitting === -1 ? letters.length : fitting)
      .join("")
      .trimEnd() + ending
  );
}

function encode(name: string): string {
  return encodeURIComponent(name).replaceAll(ATTRIBUTE, (letter) =>
    letter === "%" ? "%" : `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

const MAX_LENGTH = 255;

/**
 * Returns what a search by name compares: "Hélène Dupont" is found by "helene du". Kept in `users.name_key`
 * beside `full_name`; null for no name.
 */
export function toNameKey(fullName: string | null | undefined): string | null {
  const key = (fullName ?? "")
    .normalize("NFKD")
    .replaceAll(/\p{Mn}/gu, "")
    .toLowerCase()
    .replaceAll(/\s+/g, " ")
    .trim();
  // Decomposed, a name can be longer than its column.
  return key === "" ? null : Array.from(key).slice(0, MAX_LENGTH).join("");
}

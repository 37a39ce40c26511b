const MAX_LENGTH = 100; // characters

/** Finds what may be classes in the texts of templates: any word, for the compiler knows which ones are. */
export function findClasses(texts: Iterable<string>): string[] {
  const words = new Set<string>();
  for (const text of texts) {
    for (const word of text.split(/[\s"'`]+/)) {
      add(words, word);
      // Beside an expression, and in an attribute without quotes.
      if (/[<>{}=|,;]/.test(word)) for (const part of word.split(/[<>{}=|,;]+/)) add(words, part);
    }
  }
  return [...words].toSorted();
}

function add(words: Set<string>, word: string): void {
  if (word.length > 1 && word.length <= MAX_LENGTH) words.add(word);
}

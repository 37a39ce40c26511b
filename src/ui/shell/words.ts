/** Marks an English text that pages translate with `t()`: by this it is found that each has its translations. */
export function text(english: string): string {
  return english;
}

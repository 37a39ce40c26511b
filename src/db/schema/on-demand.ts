/** What these functions make. */
export type Made<Makers extends Record<string, () => object>> = {
  readonly [Name in keyof Makers]: ReturnType<Makers[Name]>;
};

/** Returns an object whose properties are made when they are first read, each once. */
export function onDemand<Makers extends Record<string, () => object>>(makers: Makers): Made<Makers> {
  const made = {};
  for (const [name, make] of Object.entries(makers)) {
    Object.defineProperty(made, name, { enumerable: true, get: once(make) });
  }
  return made as Made<Makers>;
}

/** Returns a function that makes it when it is first called, and returns the same from then on. */
export function once<Value extends object>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => (made ??= make());
}

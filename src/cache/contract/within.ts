/** What came too late. */
export const LATE = Symbol("late");

/** Waits for a value, for a while: what is late goes on, and its failure isn't told. @throws what it rejects with in time */
export async function within<T>(value: Promise<T>, ms: number): Promise<T | typeof LATE> {
  const { promise, resolve } = Promise.withResolvers<typeof LATE>();
  const timer = setTimeout(() => resolve(LATE), ms);
  try {
    return await Promise.race([value, promise]);
  } finally {
    clearTimeout(timer);
  }
}

const PATIENCE_MS = 1000;

/** Says on a terminal what is waited for, when it takes long; where nobody looks, nothing is said. */
export async function withWaitNotice<T>(
  notice: string,
  work: Promise<T>,
  warn: (text: string) => void,
): Promise<T> {
  if (!process.stderr.isTTY) return work;
  const timer = setTimeout(() => warn(notice), PATIENCE_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

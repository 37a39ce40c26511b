const QUEUE = /^([a-z][a-z0-9_]{0,63})\/([a-z][a-z0-9_.-]{0,63})$/i;

/** What all keys of an application's jobs begin with. Braces: one slot of a Redis cluster holds them. */
export function toPrefix(appName: string): string {
  return `{${appName}:jobs}`;
}

/** The queue of the jobs of a name: BullMQ takes no colons. */
export function toQueueName(name: string): string {
  return name.replace(":", "/");
}

/** The name of the jobs in a queue; null for what is none of ours. */
export function toJobName(queue: string): string | null {
  return QUEUE.test(queue) ? queue.replace("/", ":") : null;
}

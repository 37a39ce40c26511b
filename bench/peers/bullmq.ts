import { Queue, Worker } from "bullmq";
import { createBunRedisClient } from "bullmq/dist/esm/classes/bun-redis-client.js";
import { RedisClient } from "bun";
import type { Load } from "../load.ts";

export interface BullOptions {
  /** Of Redis. */
  readonly url: string;
  readonly concurrency: number;
  /** How many jobs are enqueued by the clients, and how many by each at a time. */
  readonly count: number;
  readonly size: number;
  readonly clients: number;
}

/** Has BullMQ alone enqueue and finish jobs in this process, by Bun's client, and keep them for a day. */
export async function runBullmq({ url, concurrency, count, size, clients }: BullOptions): Promise<Load> {
  const connect = () => createBunRedisClient(new RedisClient(url)) as never;
  const name = `bench-${crypto.randomUUID()}`;
  const queue = new Queue(name, { connection: connect() });
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  const worker = new Worker(name, async () => void ((left -= 1) === 0 && resolve()), {
    connection: connect(),
    concurrency,
    removeOnComplete: { age: 86_400 },
  });
  await worker.waitUntilReady();
  const [begun, processor] = [performance.now(), process.cpuUsage()];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < count) {
      const some = Array.from({ length: Math.min(size, count - next) }, () => (next += 1));
      /* oxlint-disable no-await-in-loop -- one after another */
      if (size === 1) await queue.add("many", { n: some[0] });
      else await queue.addBulk(some.map((n) => ({ name: "many", data: { n } })));
      /* oxlint-enable no-await-in-loop */
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  await promise;
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(processor);
  await worker.close();
  await queue.close();
  return { rate: count / seconds, processorUs: (user + system) / count };
}

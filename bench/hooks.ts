/**
 * What emitting an event costs, as processor time, with 1 to 10,000 listeners of it, and with as many of other events, beside an EventEmitter of
 * Node, which neither waits for its listeners nor keeps one that fails from ending the others.
 *
 *   bun bench/hooks.ts [--listeners 1,10,100,1000,10000] [--rounds 7]
 */
import { EventEmitter } from "node:events";
import { parseArgs } from "node:util";
import { createHookBus, type HookBus } from "../src/hooks/bus.ts";
import { median, printTable, toRatio, toUs } from "./report.ts";

const { values } = parseArgs({
  options: {
    listeners: { type: "string", default: "1,10,100,1000,10000" },
    rounds: { type: "string", default: "7" },
  },
});
const counts = values.listeners.split(",").map(Number);
const rounds = Number(values.rounds);

const ROUND_US = 50_000; // of processor time
const AT_A_TIME = 5;
let heard = 0;
const hear = (): void => void (heard += 1);
const hearLater = async (): Promise<void> => void (heard += 1);

const rows: string[][] = [];
for (const count of counts) {
  const of = await createBus(count, () => ["shop.order.created", hear]);
  const later = await createBus(count, () => ["shop.order.created", hearLater]);
  const others = await createBus(count, (index) => [
    index === 0 ? "shop.order.created" : `other.n${index}.*`,
    hear,
  ]);
  const emitter = new EventEmitter().setMaxListeners(0);
  for (let index = 0; index < count; index += 1) emitter.on("shop.order.created", hear);
  const contenders = [
    () => of.emit("shop.order.created", { id: 1 }),
    () => later.emit("shop.order.created", { id: 1 }),
    () => others.emit("shop.order.created", { id: 1 }),
    () => void emitter.emit("shop.order.created", { id: 1 }),
  ];
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, emit] of contenders.entries()) times[index]?.push(await measure(emit));
  }
  const [own = 0, async = 0, beside = 0, node = 0] = times.map(median);
  rows.push([
    count.toLocaleString("en"),
    toUs(own),
    toUs(own / count),
    toUs(async),
    toUs(beside),
    toUs(node),
    toRatio(own / node),
  ]);
}
if (heard === 0) throw new Error("Nobody has heard anything");
printTable(
  [
    "listeners",
    "emit, all of the event",
    "for each",
    "async ones",
    "emit, one of the event beside others",
    "EventEmitter",
    "of EventEmitter",
  ],
  rows,
);

async function createBus(count: number, make: (index: number) => [string, () => unknown]): Promise<HookBus> {
  const bus = createHookBus({
    onError: (error) => {
      throw error;
    },
  });
  for (let index = 0; index < count; index += 1) bus.on(...make(index));
  await bus.emit("shop.order.created", { id: 0 });
  return bus;
}

/** Microseconds of processor time that one emission takes, one after another for some time. */
async function measure(emit: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  let emitted = 0;
  for (let used = 0; used < ROUND_US;) {
    for (let count = 0; count < AT_A_TIME; count += 1) await emit();
    emitted += AT_A_TIME;
    const { user, system } = process.cpuUsage(before);
    used = user + system;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / emitted;
}

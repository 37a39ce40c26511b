/** A moment in a score of BullMQ's delayed jobs: times 4096, and counted on within. */
export const DELAY_FACTOR = 0x1000;

/** Members with their scores, as either version of the protocol writes them. */
export function toScored(reply: unknown): { readonly member: string; readonly score: number }[] {
  const list = Array.isArray(reply) ? (reply as unknown[]) : [];
  if (list.every(Array.isArray)) {
    return list.map(([member, score]) => ({ member: String(member), score: Number(score) }));
  }
  const scored: { member: string; score: number }[] = [];
  for (let at = 0; at + 1 < list.length; at += 2)
    scored.push({ member: String(list[at]), score: Number(list[at + 1]) });
  return scored;
}

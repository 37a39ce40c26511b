import { expect } from "bun:test";
import type { Files } from "../../setup.ts";
import { type Instance, testBehindNginx } from "./three-instances.ts";
import { SHOP } from "./shop-plugin.ts";

const COUNT = 30;

/** The plugin "shop" with a job "ship", by version: its payload, and what its handler writes down of it. */
function withShipping(version: "old" | "new"): Files {
  const payload = version === "old" ? "{ n: t.Integer() }" : "{ n: t.Integer(), unit: t.String() }";
  const given = version === "old" ? "{ n: Number(n) }" : '{ n: Number(n), unit: "kg" }';
  const code = `
jobs.define("ship", async ({ payload }) => {
  await db.insert(heard).values({ what: "shipped " + JSON.stringify(payload), pid: process.pid });
}, { payload: t.Object(${payload}) });
const ship = (n, options) => jobs.enqueue("ship", ${given}, options);
`;
  const route = `
  .post("/ship/:n", ({ params: { n } }) => ship(n), { auth: true })
  .post("/ship/:n/later", ({ params: { n } }) => ship(n, { delay: 3600 }), { auth: true })`;
  const run = SHOP["plugins/shop/run.ts"] as string;
  return {
    ...SHOP,
    "plugins/shop/run.ts": run.replace(
      "export default createRouter()",
      `${code}export default createRouter()${route}`,
    ),
  };
}

testBehindNginx(
  "two versions of a plugin run their own jobs, and those of one that has gone move to the other or say why not",
  async (cluster) => {
    const headers = await cluster.credentials();
    const post = async (path: string): Promise<string> =>
      (await cluster.fetch(path, { method: "POST", headers })).text();
    await Promise.all(Array.from({ length: COUNT }, (_, n) => post(`/shop/ship/${n}`)));
    await cluster.untilDone();
    const shipped = [...(await cluster.readHeard())].filter(([what]) => what.startsWith("shipped"));
    const [first, second, next] = cluster.instances as [Instance, Instance, Instance];
    const isNew = (pid: number | undefined): boolean => pid === next.server.pid;
    expect(shipped).toHaveLength(COUNT);
    expect(shipped.filter(([what, [pid]]) => what.includes("unit") !== isNew(pid))).toEqual([]);
    expect(new Set(shipped.map(([, [pid]]) => isNew(pid)))).toEqual(new Set([true, false]));

    const late = await cluster.first.fetch("/shop/ship/99/later", { method: "POST", headers });
    const id = await late.text();
    expect(await Promise.all([first, second].map((instance) => instance.stop()))).toEqual([0, 0]);
    const admin = await cluster.credentials({ is_admin: true });
    const retry = () => next.fetch(`/system/jobs/${id}/retry`, { method: "POST", headers: admin });
    const find = async () => (await next.fetch(`/system/jobs/${id}`, { headers: admin })).json();
    expect((await retry()).status).toBe(200); // it is due now
    await cluster.until(async () => (await find()).state === "incompatible");
    expect(await find()).toMatchObject({ error: expect.stringContaining("payload/unit") });
    await first.restart();
    expect((await retry()).status).toBe(200);
    await cluster.untilDone();
    const { pid } = first.server;
    expect((await cluster.readHeard()).get('shipped {"n":99}')).toEqual([pid]);
  },
  (index) => withShipping(index === 2 ? "new" : "old"),
);

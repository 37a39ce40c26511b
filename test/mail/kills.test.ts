import { expect } from "bun:test";
import { testOnDialect } from "../database-servers.ts";
import { AT_ONCE, killWhileSending } from "./kills.ts";

const COUNT = 300;
const KILLS = 5;

testOnDialect(
  "sqlite",
  "no mail is sent twice, and none is lost, though the process is killed five times",
  async ({ driver, url }) => {
    const { twice, untrue, states } = await killWhileSending({ driver, url, count: COUNT, kills: KILLS });
    expect({ twice, untrue }).toEqual({ twice: 0, untrue: 0 });
    const { sent = 0, unknown = 0, ...others } = states;
    expect([sent + unknown, others]).toEqual([COUNT, {}]);
    expect(unknown).toBeLessThanOrEqual(KILLS * AT_ONCE);
  },
);

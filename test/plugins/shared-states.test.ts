import { expect } from "bun:test";
import pino from "pino";
import { openCoreStore } from "../../src/accounts/people/store.ts";
import { ChangeFeed } from "../../src/cluster/change-feed.ts";
import { prepareCoreTables } from "../../src/db/migrations/core.ts";
import { SharedStates } from "../../src/plugins/shared-states.ts";
import { testWithCoreTables } from "../database-servers.ts";

const log = pino({ level: "silent" });

testWithCoreTables(
  "SharedStates keeps what is asked of plugins, and of two at once loses nothing",
  async ({ driver }) => {
    await prepareCoreTables(driver, { migrates: true, log });
    const store = openCoreStore(driver);
    const feed = new ChangeFeed({ url: "redis://127.0.0.1:1", appName: "test", log });
    try {
      const [one, other] = [new SharedStates({ store, feed, log }), new SharedStates({ store, feed, log })];
      await one.load();
      expect(one.asked).toEqual({ active: new Map(), settings: {} });
      expect(one.config).toEqual({});
      let applied = 0;
      one.follow(async () => void (applied += 1));
      await one.setActive("blog", false);
      await one.setActive("blog", false);
      expect([one.asked.active, applied]).toEqual([new Map([["blog", false]]), 1]);
      const keys = Array.from({ length: 8 }, (_, n) => `k${n}`);
      await Promise.all(
        keys.map((key, n) =>
          (n % 2 === 0 ? one : other).setSettings("blog", [
            { path: ["limits", key], value: [n, "${A_KEY}"] },
          ]),
        ),
      );
      await Promise.all([
        one.setSettings("shop", [{ path: ["title"], value: "é" }]),
        other.setActive("shop", true),
      ]);
      await other.load();
      const limits = Object.fromEntries(keys.map((key, n) => [key, [n, "${A_KEY}"]]));
      const settings = { blog: { limits }, shop: { title: "é" } };
      expect(other.asked).toEqual({
        active: new Map([
          ["blog", false],
          ["shop", true],
        ]),
        settings,
      });
      expect(other.config).toEqual({ plugins: { settings } });
      // What is empty goes with the last key, and the rest stays.
      for (const key of keys.slice(1)) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        await one.setSettings("blog", [{ path: ["limits", key], value: undefined }]);
      }
      await one.setSettings("blog", [{ path: ["limits", "k0", "deep"], value: null }]);
      expect(one.asked.settings["blog"]).toEqual({ limits: { k0: { deep: null } } });
      await one.setSettings("blog", [{ path: ["limits", "k0", "deep"], value: undefined }]);
      await one.setSettings("blog", [{ path: ["never", "set"], value: undefined }]);
      expect([one.asked.settings, one.asked.active.get("blog")]).toEqual([{ shop: { title: "é" } }, false]);
      one.close();
      other.close();
    } finally {
      await feed.close(0);
    }
  },
);

import { join } from "node:path";
import { expect, test } from "bun:test";
import { type Files, TestApp } from "../setup.ts";

const PLUGINS = 24;

/** Plugins that tell that their code runs, and keep the event loop busy for longer than loads may. */
function toBusyPlugins(name: string): Files {
  const code = `import { createRouter } from "xcore";
const until = performance.now() + 6;
while (performance.now() < until);
globalThis[Symbol.for(${JSON.stringify(name)})]();
export default createRouter().get("/", () => "served");`;
  return Object.fromEntries(
    Array.from({ length: PLUGINS }, (_, index) => `busy_${index}`).flatMap((one) => [
      [`${one}/plugin.json`, { name: one, version: "1.0.0" }],
      [`${one}/run.ts`, code],
    ]),
  );
}

test("plugins that change at once leave turns of the event loop between them, and take over together", async () => {
  await using app = await TestApp.start({ config: { plugins: { watch: false } } });
  const { web, plugins } = app.app;
  const seen = { all: 0, inTurn: 0, most: 0 };
  const name = `noted ${Bun.randomUUIDv7()}`;
  Reflect.set(globalThis, Symbol.for(name), () => {
    seen.all += 1;
    seen.inTurn += 1;
    seen.most = Math.max(seen.most, seen.inTurn);
    setImmediate(() => (seen.inTurn = 0));
  });
  const mounted: number[] = [];
  const mountPlugins = web.mountPlugins.bind(web);
  web.mountPlugins = (mounts) => {
    mountPlugins(mounts);
    const serving = plugins.list().filter(({ current }) => current !== null);
    if (serving.length > 0) mounted.push(serving.length);
  };
  await app.writePlugins(toBusyPlugins(name));
  const begunAt = performance.now();
  await plugins.refresh(null);
  const seconds = (performance.now() - begunAt) / 1000;
  expect(seen).toMatchObject({ all: PLUGINS, most: 1 });
  expect(mounted.at(-1)).toBe(PLUGINS);
  // On a slow machine, those that are ready wait for half a second only.
  expect(mounted.length).toBeLessThan(PLUGINS / 4 + 2 * seconds);
});

test("a plugin that goes while others that came with it are told of is told to have come first", async () => {
  await using app = await TestApp.start({ config: { plugins: { watch: false } } });
  const { hooks, plugins } = app.app;
  const removal = Promise.withResolvers<void>();
  const last = `busy_${PLUGINS - 1}`;
  let isRemoved = false;
  Reflect.set(globalThis, Symbol.for("nobody"), () => {});
  hooks.on("plugin.loaded", () => {
    const until = performance.now() + 6;
    while (performance.now() < until); // telling of the rest takes a turn for each
    // On a slow machine it may come with others than the first.
    const isServing = plugins
      .list()
      .some(({ source, current }) => source.basename === last && current !== null);
    if (isRemoved || !isServing) return;
    isRemoved = true;
    void app.folder
      .remove(`plugins/${last}`)
      .then(() => plugins.refresh(new Set([join(app.folder.path, "plugins", last)])))
      .then(removal.resolve, removal.reject);
  });
  await app.writePlugins(toBusyPlugins("nobody"));
  await plugins.refresh(null);
  await removal.promise;
  const told = app.events.filter(({ data }) => data.name === last).map(({ name }) => name);
  expect(told).toEqual(["plugin.loaded", "plugin.unloaded"]);
});

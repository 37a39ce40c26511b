import { expect, test } from "bun:test";
import { fetchFromMirrors, type FetchedPlugin } from "../../../../src/plugins/remote/fetch/fetch.ts";
import { parseLocation } from "../../../../src/plugins/remote/fetch/location.ts";
import { failureOf, fetchFrom, fetchOptions, FileHost, type FetchTestOptions } from "../file-host.ts";

function fetchMirrors(
  places: readonly string[],
  { expected, ...options }: FetchTestOptions & { expected: string | null },
): Promise<FetchedPlugin> {
  const locations = places.map((place) => parseLocation(place, "/"));
  return fetchFromMirrors(locations, { ...fetchOptions(options), expected });
}

async function createDeadUrl(): Promise<string> {
  const gone = new FileHost({});
  const url = gone.url("/hello.ts");
  await gone[Symbol.asyncDispose]();
  return url;
}

test("fetchFromMirrors() takes the first place that gives what is expected", async () => {
  await using host = new FileHost({
    "/changed/hello.ts": "export const a = 2",
    "/good/hello.ts": "export const a = 1",
  });
  const places = [
    await createDeadUrl(),
    host.url("/changed/hello.ts"),
    host.url("/good/hello.ts"),
    host.url("/never.ts"),
  ];
  const { integrity } = await fetchFrom(host.url("/good/hello.ts"));
  const fetched = await fetchMirrors(places, { expected: integrity });
  expect(fetched.integrity).toBe(integrity);
  expect(fetched.location.text).toBe(host.url("/good/hello.ts"));
  expect(host.requests).not.toContain("/never.ts");
  // Without a pin the first that answers is taken.
  const unpinned = await fetchMirrors(places, { expected: null });
  expect(unpinned.location.text).toBe(host.url("/changed/hello.ts"));
});

test("fetchFromMirrors() says of each place what is wrong with it", async () => {
  await using host = new FileHost({ "/hello.ts": "export {}" });
  const { integrity } = await fetchFrom(host.url("/hello.ts"));
  const expected = `sha256-${"A".repeat(43)}=`;
  const mismatch = `Cannot take "${host.url("/hello.ts")}": expected ${expected}, found ${integrity}`;
  const dead = await createDeadUrl();

  const one = await failureOf(fetchMirrors([host.url("/hello.ts")], { expected }));
  expect(one.message).toStartWith(mismatch);
  expect(one.isTransient).toBe(false);

  const both = await failureOf(fetchMirrors([dead, host.url("/hello.ts")], { expected }));
  expect(both.message).toStartWith(
    `Cannot fetch a plugin from any of its 2 places: (1) Cannot fetch "${dead}": its host`,
  );
  expect(both.message).toContain(`(2) ${mismatch}`);
  expect(both.isTransient).toBe(true);

  const missing = [host.url("/a.ts"), host.url("/b.ts")];
  expect((await failureOf(fetchMirrors(missing, { expected }))).isTransient).toBe(false);
  expect((await failureOf(fetchMirrors([], { expected }))).message).toContain("no place is named");
});

test("fetchFromMirrors() tries no other place once its signal is aborted", async () => {
  const asked = Promise.withResolvers<void>();
  await using host = new FileHost({
    "/hang.ts": () => {
      asked.resolve();
      return new Promise<Response>(() => {});
    },
    "/hello.ts": "",
  });
  const ending = new AbortController();
  const fetched = fetchMirrors([host.url("/hang.ts"), host.url("/hello.ts")], {
    expected: null,
    signal: ending.signal,
  });
  await asked.promise;
  const reason = new Error("the server stops");
  ending.abort(reason);
  expect(await fetched.catch((error: unknown) => error)).toBe(reason);
  expect(host.requests).toEqual(["/hang.ts"]);
});

import { expect, test } from "bun:test";
import { Elysia } from "elysia";
import { closestPattern } from "../../src/web/path-patterns.ts";

/** All patterns of up to three segments: a wildcard and an optional parameter stand at the end. */
function* patterns(before = "", depth = 0): Generator<string> {
  // Elysia takes one name for the parameters of one place.
  for (const segment of ["a", "b", `:p${depth}`, `:p${depth}?`, "*"]) {
    const path = `${before}/${segment}`;
    yield path;
    if (depth < 2 && segment !== "*" && !segment.endsWith("?")) yield* patterns(path, depth + 1);
  }
}

test("closestPattern() takes the route that Elysia takes, in whatever order they are declared", async () => {
  const all = [...patterns()];
  const paths = [
    "/a",
    "/b",
    "/c",
    "/a/a",
    "/a/c",
    "/c/c",
    "/c/b/",
    "/a/b/c",
    "/c/a/b",
    "/b/c/c",
    "/c/c/c",
    "/a/b/c/d",
    "/c/d/e/f",
  ];
  let found = 0;
  for (let round = 0; round < 300; round += 1) {
    const chosen = [
      all[(round * 7) % all.length],
      all[(round * 31 + 3) % all.length],
      all[(round * 13 + 5) % all.length],
    ];
    const declared = [...new Set(chosen)].flatMap((path) => (path === undefined ? [] : [{ path }]));
    const app = new Elysia();
    for (const { path } of declared) app.get(path, ({ route }) => route);
    for (const path of paths) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const answer = await app.handle(new Request(`http://localhost${path}`));
      const expected = answer.status === 404 ? undefined : await answer.text(); // oxlint-disable-line no-await-in-loop
      expect([declared, path, closestPattern(declared, path)?.path]).toEqual([declared, path, expected]);
      if (expected !== undefined) found += 1;
    }
  }
  expect(found).toBeGreaterThan(300);
});

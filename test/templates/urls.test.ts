import { expect, test } from "bun:test";
import { createUrls } from "../../src/templates/urls.ts";

const { url_for: urlFor } = createUrls(() => "/erp", "/shop");

test("url_for() fills whole parts of a path, and nothing of its query or of a part", () => {
  expect(urlFor("items/:id", { values: { id: "a/b:c", page: 2 } })).toBe("/erp/shop/items/a%2Fb%3Ac?page=2");
  expect(urlFor("/ui/a:b/10:30?back=/:id&at=10:30")).toBe("/erp/ui/a:b/10:30?back=/:id&at=10:30");
  expect(urlFor("/ui?a=1", { values: { b: 2, none: null } })).toBe("/erp/ui?a=1&b=2");
  expect(() => urlFor("/items/:id")).toThrow('"id" is missing');
});

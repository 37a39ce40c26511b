import { expect, test } from "bun:test";
import { type Files, TestApp } from "../setup.ts";
import { parseLines } from "../log/log-folder.ts";

const FILES: Files = {
  "x/plugin.json": { name: "x", version: "1.0.0" },
  "x/run.ts": `import { AppError, createRouter } from "xcore";
export default createRouter()
  .get("/open", () => 1)
  .get("/own", () => { throw new AppError("closed", 403, "Closed"); })
  .get("/mine", () => 1, { permission: "x:read" })
  .post("/mine", () => 1, { role: "boss" });
`,
};

const GUESS = { grant_type: "password", username: "known@example.com", password: "secret" };

function toLine(method: string, path: string, more: object): object {
  return { method, path, level: "info", ...more };
}

test("the log says who was refused what, and from where", async () => {
  await using app = await TestApp.start({ plugins: FILES });
  const known = await app.createUser("known@example.com", ["user"]);
  const wrong = { authorization: "Bearer wrong.secret.token" };
  const asked: [path: string, init: RequestInit, status: number][] = [
    ["/x/open", {}, 200],
    ["/x/mine?token=secret", {}, 401],
    ["/x/mine", { headers: wrong }, 401],
    ["/x/mine", { headers: known.headers }, 403],
    ["/x/mine", { method: "POST", headers: known.headers }, 403],
    ["/x/own", { headers: known.headers }, 403],
    ["/auth/login", { method: "POST", body: new URLSearchParams(GUESS) }, 400],
    ["/admin/users", { headers: known.headers }, 403],
    ["/nowhere", {}, 404],
  ];
  const ids = new Map<string, string>();
  for (const [path, init, status] of asked) {
    // oxlint-disable-next-line no-await-in-loop -- lines come in this order
    const response = await app.fetch(path, init);
    expect([path, response.status]).toEqual([path, status]);
    ids.set(path, response.headers.get("x-request-id") ?? "");
  }
  const log = await app.log("access");
  expect(log).not.toContain("secret");
  const lines = parseLines(log).filter(({ msg }) => msg === "access refused");
  const nobody = { code: "authentication_error", user_id: null };
  const user = { code: "authorization_error", user_id: known.id, by_key: false };
  expect(lines).toMatchObject([
    toLine("GET", "/x/mine", { plugin: "x", ...nobody }),
    toLine("GET", "/x/mine", { plugin: "x", ...nobody }),
    toLine("GET", "/x/mine", { plugin: "x", ...user }),
    toLine("POST", "/x/mine", { plugin: "x", ...user }),
    // Its route doesn't ask who it is.
    toLine("GET", "/x/own", { plugin: "x", code: "closed", user_id: null }),
    toLine("POST", "/auth/login", { plugin: null, code: "invalid_grant", user_id: null }),
    toLine("GET", "/admin/users", { plugin: null, ...user }),
  ]);
  for (const { ip_address } of lines) expect(ip_address).toBe("127.0.0.1");
  expect(lines.at(-1)?.["request_id"]).toBe(ids.get("/admin/users"));
});

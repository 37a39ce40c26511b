import { join } from "node:path";
import { expect, test } from "bun:test";
import { FaqProject } from "../faq/project.ts";

const DOCUMENT = join(import.meta.dir, "../../docs/getting-started.md");
const PLUGIN = "shop/plugins/orders";
/** What is served a moment after a file was written is asked for again. */
const CURLRC = "silent\nshow-error\nfail-with-body\nretry = 60\nretry-delay = 1\nretry-all-errors\n";

interface Block {
  readonly language: string;
  readonly text: string;
}

test("docs/getting-started.md does what it says, from the executable in an empty folder", async () => {
  const markdown = await Bun.file(DOCUMENT).text();
  const blocks: Block[] = [...markdown.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(
    ([, language = "", text = ""]) => ({ language, text }),
  );
  await using project = await FaqProject.create({ ".curlrc": CURLRC });
  const said = new Map<string, string>();
  for (const block of blocks) {
    // oxlint-disable-next-line no-await-in-loop -- one step after another
    said.set(block.text.trim(), await follow(project, block));
  }
  const find = (start: string): string =>
    [...said].find(([script]) => script.startsWith(start))?.[1] ?? expect.unreachable(start);

  expect(find("curl http://localhost:8000/hello")).toContain("Hello from My Plugin!");
  expect(find("curl http://localhost:8000/orders/orders")).toContain('"total":1');
  const summary = find("curl http://localhost:8000/orders/summary");
  expect(summary).toContain("Your orders");
  expect(summary).toContain("ada@example.com: 0");
  expect(find("xcore test")).toStartWith("bun test"); // what fails ends with another code
  expect(find("xcore doctor")).toContain("/orders/summary");

  const login = await project.ask("/auth/login", {
    json: { email: "bob@example.com", password: "staple battery horse" },
  });
  const token: string = login.body.access_token;
  const list = await project.ask("/orders/orders", { token });
  expect([list.status, list.body.total]).toEqual([200, 0]);
  const made = await project.ask("/orders/orders", { token, json: { name: "Ink", total: "3.10" } });
  expect([made.status, made.body.owner_id]).toEqual([201, 2]);
  const gone = await project.ask(`/orders/orders/${made.body.id}`, { token, method: "DELETE" });
  expect(gone.body.code).toBe("authorization_error");
  const denied = await project.ask("/admin/audit?action=access.denied&actor=bob@example.com", {
    isAdmin: true,
  });
  expect(denied.body.items[0].after.reason).toContain("orders:delete");
  await project.server.waitFor(/an order has come in/);
}, 120_000);

/** Does what a block shows; returns what it has printed. */
async function follow(project: FaqProject, { language, text }: Block): Promise<string> {
  const [, path] = /^(?:\/\/|\{#) (plugins\/\S+)/.exec(text) ?? [];
  if (path !== undefined) await project.folder.write({ [`shop/${path}`]: text });
  if (language === "json") await project.folder.write({ [`${PLUGIN}/plugin.json`]: text });
  if (text === "xcore\n") {
    await project.start({ args: ["serve", "--port", "0", "--config", "shop/config.json"] });
  }
  if (language !== "sh") return "";
  const isWithin = !text.startsWith("xcore --version") && !text.startsWith("xcore init");
  const output = await project.run(isWithin ? `cd shop\n${text}` : text);
  if (output.includes("access_token")) project.env["TOKEN"] = JSON.parse(output).access_token;
  return output;
}

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Files, TestApp } from "../setup.ts";

/**
 * `bun run screenshots [PATH…]` makes pictures of all pages of a server with data, or of those that begin with a path: in
 * light, in dark, and as wide as a phone. It finds pages as people do, by links, and says which ones it couldn't show.
 */
const FOLDER = "screenshots";
const PASSWORD = "correct-horse-battery-9";
const VARIANTS = {
  light: { theme: "light", viewport: { width: 1280, height: 800 } },
  dark: { theme: "dark", viewport: { width: 1280, height: 800 } },
  phone: { theme: "light", viewport: { width: 390, height: 844 } },
} as const;
const MAX_PAGES = 120;

const asked = process.argv.slice(2);
const executablePath = Bun.which("chromium") ?? Bun.which("chromium-browser") ?? Bun.which("google-chrome");
if (executablePath === null) {
  process.stderr.write("Cannot make pictures: Chromium isn't there; install the package chromium\n");
  process.exit(1);
}

await using app = await TestApp.start({
  plugins: { ...(await readPlugin("crm")), ...(await readPlugin("todo")), ...brokenPlugin() },
});
await fill(app);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  const paths = await findPaths(browser);
  for (const [variant, { theme, viewport }] of Object.entries(VARIANTS)) {
    const context = await browser.newContext({
      baseURL: app.url,
      locale: "en-GB",
      reducedMotion: "reduce",
      viewport,
    });
    await context.addCookies([{ name: "theme", value: theme, url: app.url }]);
    const page = await context.newPage();
    await page.goto("/auth/login");
    await page.screenshot({ path: join(FOLDER, `auth-login.${variant}.png`), fullPage: true });
    await signIn(page);
    for (const path of paths) {
      await show(page, path);
      await page.screenshot({ path: join(FOLDER, `${toName(path)}.${variant}.png`), fullPage: true });
    }
    await context.close();
  }
  process.stdout.write(`${paths.length + 1} pages in ${FOLDER}/:\n  ${paths.join("\n  ")}\n`);
} finally {
  await browser.close();
}

/** Follows links from the home page, to one page of each kind. */
async function findPaths(from: Browser): Promise<string[]> {
  const context = await from.newContext({ baseURL: app.url });
  const page = await context.newPage();
  await page.goto("/auth/login");
  await signIn(page);
  const kinds = new Map([
    ["/", "/"],
    ["/ui", "/ui"],
  ]);
  for (const path of kinds.values()) {
    if (kinds.size > MAX_PAGES) break;
    const status = await show(page, path);
    if (status !== 200) process.stderr.write(`${path} answered ${status}\n`);
    const links = await page
      .locator("a[href]")
      .evaluateAll((all) => all.map((one) => (one as HTMLAnchorElement).href));
    for (const link of links) {
      const { origin, pathname } = new URL(link);
      const isOurs =
        origin === app.url &&
        (pathname === "/ui" || pathname.startsWith("/ui/") || pathname.startsWith("/auth/"));
      const isFile = /\.\w+$|\/~?(?:export|download|logout)\b/.test(pathname);
      if (isOurs && !isFile) kinds.getOrInsert(pathname.replace(/\/[\w-]*\d[\w-]*/g, "/:id"), pathname);
    }
  }
  await context.close();
  return [...kinds.values()].filter(
    (path) => asked.length === 0 || asked.some((start) => path.startsWith(start)),
  );
}

/** Opens a page, and waits until nothing of it is under way. */
async function show(page: Page, path: string): Promise<number> {
  const answer = await page.goto(path, { waitUntil: "load" });
  await page.evaluate(() => document.fonts.ready.then(() => {}));
  return answer?.status() ?? 0;
}

async function signIn(page: Page): Promise<void> {
  await page.fill("input[name=email], input[name=username]", "ada@example.com");
  await page.fill("input[name=password]", PASSWORD);
  await Promise.all([page.waitForNavigation(), page.click("button[type=submit]")]);
}

function toName(path: string): string {
  return path === "/" ? "home" : path.slice(1).replace(/[^\w.-]+/g, "-");
}

/** Makes what pages have to show: people, companies, deals, and what has happened. */
async function fill(to: TestApp): Promise<void> {
  const { headers } = await to.admin();
  const send = async (method: string, path: string, body: object): Promise<{ id: number }> => {
    const answer = await to.fetch(path, {
      method,
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return (await answer.json()) as { id: number };
  };
  const ada = await send("POST", "/admin/users", {
    email: "ada@example.com",
    full_name: "Ada Lovelace",
    password: PASSWORD,
  });
  const roles = (await (await to.fetch("/admin/roles", { headers })).json()) as {
    items: { id: number; name: string }[];
  };
  const administrator = roles.items.find(({ name }) => name === "admin");
  if (administrator !== undefined) await send("POST", `/admin/users/${ada.id}/roles/${administrator.id}`, {});
  const sales = await send("POST", "/admin/roles", {
    name: "sales",
    description: "Sells what the others make",
  });
  await send("PUT", `/admin/roles/${sales.id}/permissions`, {
    permissions: ["deals:read", "deals:write", "companies:read"],
  });
  for (const [email, name] of [
    ["grace@example.com", "Grace Hopper"],
    ["alan@example.com", "Alan Turing"],
  ] as const) {
    await send("POST", "/admin/users", { email, full_name: name, password: PASSWORD });
  }
  const towns = ["Paris", "Lyon", "Oslo", "Genoa", "Porto", "Ghent"];
  const words = [
    "Nordic",
    "Alpine",
    "Harbour",
    "Cobalt",
    "Juniper",
    "Meridian",
    "Quarry",
    "Saffron",
    "Tern",
    "Willow",
  ];
  for (const [index, word] of words.entries()) {
    const company = await send("POST", "/crm/companies", {
      name: `${word} Works`,
      city: towns[index % towns.length],
    });
    const contact = await send("POST", "/crm/contacts", {
      name: `Contact of ${word}`,
      email: `hello@${word.toLowerCase()}.example`,
      company_id: company.id,
    });
    for (const number of [1, 2, 3]) {
      const deal = await send("POST", "/crm/deals", {
        title: `${word} order ${number}`,
        amount: `${(index + 1) * number * 1250}.00`,
        margin: `${(index + 1) * number * 210}.50`,
        starts_on: `2026-0${number}-11`,
        close_on: `2026-0${number + 3}-28`,
        company_id: company.id,
        contact_id: contact.id,
      });
      if (number === 2) await send("POST", `/crm/deals/${deal.id}/win`, {});
    }
  }
}

async function readPlugin(name: string): Promise<Files> {
  const folder = join(import.meta.dir, "../../plugins", name);
  const names = [...new Bun.Glob("**/*").scanSync(folder)].filter((one) => !one.endsWith(".test.ts"));
  return Object.fromEntries(
    await Promise.all(
      names.map(async (one) => [`${name}/${one}`, await Bun.file(join(folder, one)).text()] as const),
    ),
  );
}

/** A plugin that can't be loaded, for the pages have to say why. */
function brokenPlugin(): Files {
  return {
    "invoices/plugin.json": { name: "invoices", version: "0.3.0", description: "Invoices and their numbers" },
    "invoices/run.ts": `import { createRouter } from "xcore";\n\nexport default createRouter().get("/", () => ({ total: invoices.length }));\n\nthrow new Error("Cannot open the ledger: no file \\"ledger.csv\\"");\n`,
  };
}

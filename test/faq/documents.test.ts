import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { checkTypes } from "../cli/typed-project.ts";
import { allFiles, readFaq } from "./document.ts";
import { FaqProject } from "./project.ts";

setDefaultTimeout(120_000);

test("both languages have the same questions in the same order, with the same code", async () => {
  const [english, french] = [await readFaq("faq.md"), await readFaq("faq.fr.md")];
  expect(english.questions).toHaveLength(44);
  expect(french.sections).toHaveLength(english.sections.length);
  const code = ({ questions }: typeof english) => questions.map(({ blocks }) => blocks);
  expect(code(french)).toEqual(code(english));
  const links = ({ text }: typeof english) => [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link);
  expect(links(french).slice(1)).toEqual(links(english).slice(1)); // the first leads to the other language
});

test("every question has one test of its name", async () => {
  const { questions } = await readFaq("faq.md");
  const titles: string[] = [];
  for (const file of new Bun.Glob("*.test.ts").scanSync(import.meta.dir)) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const text = await Bun.file(join(import.meta.dir, file)).text();
    for (const [, , title = ""] of text.matchAll(/^faq\(\s*(["'])(.+)\1,/gm)) titles.push(title);
  }
  expect(titles.toSorted()).toEqual(questions.map(({ title }) => title).toSorted());
});

test("TypeScript finds nothing wrong with the plugins of the answers", async () => {
  const files = Object.entries(allFiles()).filter(([path]) => path.startsWith("plugins/"));
  // Its package brings no types.
  await using project = await FaqProject.create(
    Object.fromEntries(files.filter(([path]) => !path.startsWith("plugins/price_list/"))),
  );
  await project.run("xcore types");
  expect(await checkTypes(project.folder)).toEqual(new Map());
});

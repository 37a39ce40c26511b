import { join } from "node:path";
import { expect, test } from "bun:test";
import { testWithProgram } from "../programs.ts";

const DOCS = join(import.meta.dir, "../../docs");
/** What a block begins with that is a file of a project: its path, in a comment. */
const PATH = /^(?:\/\/|#|\{#) (\S*[./]\S*|Dockerfile)(?: #\})?\n/;

/** Programs of the machine that scripts may call. */
const PROGRAMS = ["curl", "openssl", "git"];

/** A code block of an answer. */
export interface Block {
  readonly language: string;
  /** The file of a project that it is, if it is one. */
  readonly path: string | null;
  readonly text: string;
}

/** A question of docs/faq.md, with the code blocks of its answer. */
export class Question {
  readonly title: string;
  readonly blocks: readonly Block[];
  readonly #used = new Set<Block>();

  constructor(title: string, blocks: readonly Block[]) {
    this.title = title;
    this.blocks = blocks;
  }

  /** The text of the file of this path that the answer shows. */
  file(path: string): string {
    return this.#use(path, (block) => block.path === path);
  }

  /** All files below this path that the answer shows, by their paths. */
  files(below = "plugins/"): Record<string, string> {
    const blocks = this.blocks.filter(({ path }) => path?.startsWith(below) === true);
    return Object.fromEntries(blocks.map(({ path }) => [path ?? "", this.file(path ?? "")]));
  }

  /** The text of the block that isn't a file and holds these words. */
  shown(words: string): string {
    return this.#use(words, ({ path, text }) => path === null && text.includes(words));
  }

  /** What the test hasn't used: it is shown, and nobody knows whether it works. */
  get unused(): Block[] {
    return this.blocks.filter((block) => !this.#used.has(block));
  }

  #use(what: string, matches: (block: Block) => boolean): string {
    const block = this.blocks.find(matches);
    if (block === undefined) throw new Error(`Cannot find "${what}" in the answer to "${this.title}"`);
    this.#used.add(block);
    return block.text;
  }
}

/** One document: its sections and questions in their order. */
export interface Faq {
  readonly text: string;
  readonly sections: readonly string[];
  readonly questions: readonly Question[];
}

export async function readFaq(name: "faq.md" | "faq.fr.md"): Promise<Faq> {
  const text = await Bun.file(join(DOCS, name)).text();
  const prose = text.replaceAll(/^```[^]*?^```$/gm, ""); // a comment of a script isn't a heading
  const titles = [...prose.matchAll(/^### (.+)$/gm)].map(([, title = ""]) => title);
  const questions = titles.map((title, index) => {
    const start = text.indexOf(`\n### ${title}\n`);
    const end = index + 1 < titles.length ? text.indexOf(`\n### ${titles[index + 1]}\n`) : text.length;
    return new Question(title, toBlocks(text.slice(start, end)));
  });
  return { text, sections: [...prose.matchAll(/^## (.+)$/gm)].map(([, title = ""]) => title), questions };
}

const english = await readFaq("faq.md");
const french = await readFaq("faq.fr.md");

/** The question of this title in docs/faq.md. */
export function findQuestion(title: string): Question {
  const question = english.questions.find((one) => one.title === title);
  if (question === undefined) throw new Error(`Cannot find the question "${title}" in docs/faq.md`);
  return question;
}

/**
 * Declares the test of a question, by its title in docs/faq.md. It runs what the answer shows, and fails when it leaves
 * out a code block.
 *
 * @param declare declares a test, such as one that is skipped where a program is missing
 */
export function faq(
  title: string,
  run: (question: Question) => Promise<void>,
  declare = (name: string, runs: () => Promise<void>): void =>
    declareWithPrograms(findQuestion(title), name, runs),
): void {
  const question = findQuestion(title);
  const inFrench = french.questions[english.questions.indexOf(question)]?.title;
  declare(`${title} (${inFrench})`, async () => {
    await run(question);
    expect(question.unused).toEqual([]);
  });
}

function declareWithPrograms({ blocks }: Question, name: string, run: () => Promise<void>): void {
  const scripts = blocks.filter(({ language }) => language === "sh").map(({ text }) => text);
  const program = PROGRAMS.find((one) => scripts.some((text) => text.startsWith(`${one} `)));
  if (program === undefined) test(name, run);
  else testWithProgram(program, name, run);
}

/** The files that answers show below `plugins/` and `templates/`, all questions together. */
export function allFiles(): Record<string, string> {
  const blocks = english.questions.flatMap((question) => question.blocks);
  const files = blocks.filter(({ path }) => path !== null && /^(plugins|templates)\//.test(path));
  return Object.fromEntries(files.map(({ path, text }) => [path ?? "", text]));
}

function toBlocks(text: string): Block[] {
  return [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(([, language = "", code = ""]) => ({
    language,
    path: PATH.exec(code)?.[1] ?? null,
    text: code,
  }));
}

import { rm } from "node:fs/promises";
import { Command } from "commander";
import { fail } from "../errors/codes.ts";
import type { HostMessage, HostQuestion, HostQuestions, StartQuestion } from "../sdk/testing.ts";
import type { CommandContext } from "./open/command-context.ts";
import { describeFailure } from "../app/failure-text.ts";
import { HostedApp } from "../testing/hosted-app.ts";
import { endWithParent } from "../testing/parent-watch.ts";

/** `xcore test-host`, which `createTestHost` of xcore/testing starts: serves plugins until the test lets go of it. */
export function testHostCommand(context: CommandContext): Command {
  return new Command("test-host").description("Serve plugins for a test").action(async () => {
    if (process.send === undefined) {
      const message = 'Cannot host a test: nobody asks; call createTestHost of "xcore/testing" in a test';
      throw fail("validation_error", message);
    }
    endWithParent();
    await new TestHostProcess(context).run();
  });
}

/** This process as the host of a test: answers its questions, one after another. */
class TestHostProcess {
  readonly #context: CommandContext;
  #app: HostedApp | null = null;
  #folder: string | null = null;
  #answered: Promise<unknown> = Promise.resolve();
  #closing: Promise<null> | null = null;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  /** Resolves once the test, or its process, has let go. */
  async run(): Promise<void> {
    const gone = Promise.withResolvers<void>();
    const onError = (error: unknown): void => {
      if (this.#app === null) this.#context.warn(describeFailure(error));
      else this.#app.reportUncaught(error);
    };
    process.on("uncaughtException", onError);
    process.on("unhandledRejection", onError);
    process.on("SIGINT", () => {}); // Ctrl+C goes to the test too, which then lets go
    process.on("message", (question: HostQuestion) => this.#receive(question));
    process.once("disconnect", gone.resolve);
    await gone.promise;
    await this.#answered;
    await this.#close();
  }

  #receive(question: HostQuestion): void {
    // Users are made one after another; the answer to a request may wait for events that come after it.
    const answer = this.#toMessage(question);
    this.#answered = Promise.allSettled([this.#answered, answer]);
    void answer.then((message) => this.#tell(message));
  }

  async #toMessage({ id, name, question }: HostQuestion): Promise<HostMessage> {
    try {
      return { type: "answer", id, answer: await this.#answer(name, question) };
    } catch (error) {
      return { type: "refusal", id, message: describeFailure(error) };
    }
  }

  #answer(name: keyof HostQuestions, question: unknown): unknown {
    const answers: { [Name in keyof HostQuestions]: (asked: HostQuestions[Name][0]) => unknown } = {
      start: (asked) => this.#start(asked),
      user: (asked) => this.#require().createUser(asked),
      emit: ({ name: event, data }) => this.#require().emit(event, data),
      logs: () => this.#require().logs(),
      mails: () => this.#require().mails(),
      sync: () => null,
      close: () => this.#close(),
    };
    return answers[name](question as never);
  }

  async #start(question: StartQuestion): Promise<HostQuestions["start"][1]> {
    const { version, cwd, warn } = this.#context;
    this.#folder = question.folder;
    const tell = (message: HostMessage): void => this.#tell(message);
    this.#app = await HostedApp.create({ version, cwd, tell, show: warn }, question);
    return { url: await this.#app.start() };
  }

  #close(): Promise<null> {
    return (this.#closing ??= this.#dispose());
  }

  async #dispose(): Promise<null> {
    await this.#app?.close();
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true });
    return null;
  }

  #require(): HostedApp {
    if (this.#app !== null && this.#closing === null) return this.#app;
    throw fail("conflict", "Cannot use the test host: it is closed");
  }

  #tell(message: HostMessage): void {
    if (process.connected) process.send?.(message);
  }
}

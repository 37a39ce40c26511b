import { expect, setDefaultTimeout, test } from "bun:test";
import { MailServer } from "../../mail/mail-server.ts";
import { TestFolder } from "../../setup.ts";
import { xcore } from "../xcore-process.ts";

setDefaultTimeout(120_000);

test("xcore mail test sends a mail, or says why it can't and what to do; so does xcore doctor, without one", async () => {
  await using server = await MailServer.start({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth({ password }, _session, done) {
      if (password === "right") done(null, { user: "erp" });
      else done(new Error("Invalid login"));
    },
  });
  const configure = (password: string) => ({
    "config.json": {
      server: { port: 0 },
      app: { name: "Acme" },
      mail: { url: `smtp://erp:${password}@127.0.0.1:${server.port}`, from: "noreply@example.com" },
    },
  });
  await using folder = await TestFolder.create({ "config.json": { server: { port: 0 } } });
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await xcore(folder, args);
    return { code, said: stdout + stderr };
  };
  const none = await run("mail", "test", "ada@example.com");
  expect(none.code).toBe(1);
  expect(none.said).toContain("mail.url isn't set");
  await folder.write(configure("wrong-s3cr3t"));
  const refused = await run("mail", "test", "ada@example.com");
  expect(refused.code).toBe(1);
  expect(refused.said).toMatch(/refuses the login[^]*percent-encoded/);
  const ill = await run("doctor");
  expect(ill.code).toBe(1);
  expect(ill.said).toMatch(/^PROBLEM +mail .*refuses the login/m);
  expect(refused.said + ill.said).not.toContain("s3cr3t");
  await folder.write(configure("right"));
  const well = await run("doctor");
  expect(well.code).toBe(0);
  expect(well.said).toMatch(/^ok +mail .*answers, and lets erp in$/m);
  expect(server.mails).toEqual([]);
  const sent = await run("mail", "test", "ada@example.com", "--language", "fr");
  expect(sent.code).toBe(0);
  expect(sent.said).toContain("It takes a mail from noreply@example.com to ada@example.com: 250");
  expect(server.mails[0]?.parsed.subject).toBe("Un essai de Acme");
  const wrong = await run("mail", "test", "a@example.com,b@example.com");
  expect(wrong.code).toBe(1);
  expect(wrong.said).toContain("expected one address");
});

import { expect } from "bun:test";
import { createAccessTokens, createOtpTokens } from "../../../src/accounts/identity/access-tokens.ts";
import { SECRET_KEY } from "../identity.ts";
import { anyText, fc, testProperty } from "../../properties.ts";

const START = Date.parse("2030-01-01T00:00:00Z");
let time = START;
const options = { secretKey: SECRET_KEY, lifetime: 1800, now: () => time };
const tokens = createAccessTokens(options);
const otpTokens = createOtpTokens(options);

const userId = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const sessionId = fc.uuid();

testProperty(
  "a token says what was signed, for as long as it lasts",
  [userId, sessionId, fc.nat(4000)],
  async (user, session, later) => {
    time = START;
    const token = await tokens.sign(user, session);
    time = START + later * 1000;
    const claims = await tokens.verify(token);
    if (later < 1800)
      expect(claims).toEqual({ userId: user, sessionId: session, expiresAt: START + 1_800_000 });
    else expect(claims).toBeNull();
  },
);

testProperty(
  "a token of which one character is another one is none",
  [userId, sessionId, fc.nat(), fc.stringMatching(/^[\w.=+/ -]$/)],
  async (user, session, at, character) => {
    time = START;
    const token = await tokens.sign(user, session);
    const index = at % token.length;
    const changed = token.slice(0, index) + character + token.slice(index + 1);
    expect((await tokens.verify(changed)) === null).toBe(changed !== token);
    expect(await tokens.verify(token + character)).toBeNull();
    expect(await tokens.verify(token.slice(0, index))).toBeNull();
  },
);

testProperty(
  "a token of one type is none of another",
  [userId, sessionId, fc.string({ unit: "grapheme" })],
  async (user, session, fingerprint) => {
    time = START;
    expect(await otpTokens.verify(await tokens.sign(user, session))).toBeNull();
    const otp = await otpTokens.sign({ userId: user, fingerprint });
    expect(await tokens.verify(otp)).toBeNull();
    expect(await otpTokens.verify(otp)).toEqual({ userId: user, fingerprint });
  },
);

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value) ?? "").toString("base64url");

testProperty(
  "what isn't signed here is no token, and never an error",
  [
    fc.oneof(
      anyText(),
      fc
        .tuple(fc.jsonValue(), fc.jsonValue(), anyText(60))
        .map(
          ([head, body, rest]) =>
            `${base64(head)}.${base64(body)}.${Buffer.from(rest).toString("base64url")}`,
        ),
      fc
        .tuple(fc.constantFrom("none", "HS256", "RS256", "HS512"), userId)
        .map(
          ([alg, sub]) =>
            `${base64({ alg, typ: "at+jwt" })}.${base64({ sub: String(sub), exp: 9e9, iat: 0, iss: "xcore" })}.${"A".repeat(43)}`,
        ),
    ),
  ],
  async (text) => {
    time = START;
    expect(await tokens.verify(text)).toBeNull();
    expect(await otpTokens.verify(text)).toBeNull();
  },
);

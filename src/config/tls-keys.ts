import { Type } from "@sinclair/typebox";
import { section } from "./key-types.ts";

/** The keys of `server.tls`: HTTPS without a proxy. */
export const TlsKeys = section("HTTPS, without a proxy in front", {
  cert: Type.Union([Type.Null(), Type.String({ minLength: 1, title: "the path of a file" })], {
    default: null,
    description:
      "File of the certificate in PEM, the server's own first and those behind it. Where it changes, the new one is taken without a restart",
  }),
  key: Type.Union([Type.Null(), Type.String({ minLength: 1, title: "the path of a file" })], {
    default: null,
    description: "File of its key in PEM, without a passphrase",
  }),
  redirect_port: Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: 65535 })], {
    default: null,
    description:
      "TCP port whose requests by HTTP are sent on to HTTPS, such as `80`: to the host of `server.public_url`, or one that the certificate is for",
  }),
});

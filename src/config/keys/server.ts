import { Type } from "@sinclair/typebox";
import { byteSize, seconds, section } from "./types.ts";
import { TlsKeys } from "./tls.ts";

/** The keys of `server`. */
export const ServerKeys = section("The HTTP server", {
  host: Type.String({
    minLength: 1,
    default: "127.0.0.1",
    description: "Address to listen on. `0.0.0.0` accepts connections from other machines",
  }),
  port: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 8000,
    description: "TCP port to listen on. `0` takes any free port",
  }),
  workers: Type.Integer({
    minimum: 1,
    maximum: 128,
    default: 1,
    description:
      "Processes that answer at the port together, for more than one processor (Linux; needs `redis.url`)",
  }),
  public_url: Type.Union(
    [
      Type.Null(),
      Type.String({
        format: "url",
        pattern: "^https?://[^\\s/?#@]+(/[^\\s?#]*)?$",
        title: 'an http or https URL such as "https://api.example.com"',
      }),
    ],
    {
      default: null,
      description: "URL that clients reach the server at, given as the server in `/openapi.json`",
    },
  ),
  tls: TlsKeys,
  hsts_max_age: Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: 63_072_000 })], {
    default: 31_536_000,
    description:
      "How long browsers are to keep to HTTPS, in seconds (HSTS): told over TLS, by way of a trusted proxy that was asked by HTTPS, " +
      "and where `server.public_url` is https. `0` has them forget it, `null` tells nothing",
  }),
  body_limit: byteSize(
    "16mb",
    "Largest request body accepted; a larger one is answered with 413. Bodies on their way may hold eight times this together, and /auth takes 64 KB",
  ),
  shutdown_timeout: seconds(
    30,
    "How long stopping may take in all, in seconds: requests under way get most of it, then they are cut off",
  ),
  watchdog_timeout: Type.Union([Type.Null(), Type.Number({ minimum: 1, maximum: 86_400 })], {
    default: null,
    description:
      "How long code may hold the event loop, in seconds, before the process ends with exit code 70 for its supervisor to start it again. After 5 s the log says it in any case",
  }),
  trusted_proxies: Type.Array(
    Type.String({
      pattern: "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$",
      title: 'an address such as "10.0.0.1" or a network such as "10.0.0.0/8"',
    }),
    {
      default: [],
      description: "Proxies whose `x-forwarded-for` is believed to tell the address of a client",
    },
  ),
  rate_limit: section("How many requests a client may make", {
    enabled: Type.Boolean({
      default: true,
      description: "Limit the requests of clients, also where routes set limits of their own",
    }),
    anonymous_per_minute: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 300,
      description:
        "Requests a minute of one address, as far as no user is known to make them; of IPv6 those of a /64 network together. On all instances and workers together with `redis.url`",
    }),
    authenticated_per_minute: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 3000,
      description: "Requests a minute of one user, with all of their sessions and API keys together",
    }),
  }),
  cors: section("Cross-origin requests from browsers", {
    allow_origins: Type.Array(
      Type.String({
        pattern: "^(\\*|[a-z][a-z0-9+.-]*://[^\\s/?#@*A-Z]+)$",
        title: '"*" or an origin in small letters without a path, such as "https://app.example.com"',
      }),
      {
        default: [],
        description: 'Origins whose pages may call the API. `["*"]` is any origin, `[]` is none',
      },
    ),
    allow_credentials: Type.Boolean({
      default: false,
      description: "Let those pages send cookies. Browsers refuse it together with the origin `*`",
    }),
    allow_methods: Type.Array(
      Type.String({ pattern: "^(\\*|[A-Z]+)$", title: '"*" or an HTTP method such as "GET"' }),
      { default: ["*"], description: 'HTTP methods those pages may use. `["*"]` is any method' },
    ),
    allow_headers: Type.Array(
      Type.String({
        pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        title: '"*" or a header name such as "Content-Type"',
      }),
      { default: ["*"], description: 'Request headers those pages may send. `["*"]` is any header' },
    ),
  }),
});

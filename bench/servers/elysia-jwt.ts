import { jwt } from "@elysiajs/jwt";
import { Elysia } from "elysia";

const app = new Elysia()
  .use(jwt({ secret: "a secret for the length of a benchmark" }))
  .get("/token", ({ jwt: tokens }) => tokens.sign({ sub: "1" }))
  .get("/hello", () => ({ message: "Hello from My Plugin!" }))
  .get("/guarded", async ({ headers, jwt: tokens, status }) => {
    const claims = await tokens.verify(headers["authorization"]?.slice("Bearer ".length));
    return claims === false ? status(401) : { message: "Hello from My Plugin!" };
  });
app.listen({ hostname: "127.0.0.1", port: Number(process.argv[2]) });

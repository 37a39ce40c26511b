import { Elysia } from "elysia";

new Elysia()
  .get("/hello", () => ({ message: "Hello from My Plugin!" }))
  .listen({ hostname: "127.0.0.1", port: Number(process.argv[2]) });

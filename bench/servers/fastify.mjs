import Fastify from "fastify";

const app = Fastify();
app.get("/hello", async () => ({ message: "Hello from My Plugin!" }));
await app.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });

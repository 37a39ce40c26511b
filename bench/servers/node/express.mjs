import express from "express";

express()
  .get("/hello", (_request, response) => response.json({ message: "Hello from My Plugin!" }))
  .listen(Number(process.argv[2]), "127.0.0.1");

// oxlint-disable-next-line import/no-unassigned-import -- NestJS finds there what decorators have noted
import "reflect-metadata";
import { Controller, Get, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";

class Hello {
  hello() {
    return { message: "Hello from My Plugin!" };
  }
}
// oxlint-disable-next-line typescript/no-extraneous-class -- a module of NestJS is a class
class Main {}

// As the decorators of TypeScript do it.
Get()(Hello.prototype, "hello", Object.getOwnPropertyDescriptor(Hello.prototype, "hello"));
Controller("hello")(Hello);
Module({ controllers: [Hello] })(Main);

const app = await NestFactory.create(Main, { logger: false });
await app.listen(Number(process.argv[2]), "127.0.0.1");

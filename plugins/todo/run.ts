import { t } from "elysia";
import { createRouter, hooks, log } from "xcore";
import { NewTodo, Todo, TodoChanges, TodoId, TodoPage, TodoQuery } from "./models.ts";
import { changeTodo, createTodo, listTodos, readTodo, removeTodo } from "./todos.ts";

hooks.on("todo.done", ({ data }) => log.info({ todo: data.id }, "done"));

export default createRouter()
  .get("/", ({ query }) => listTodos(query), { query: TodoQuery, response: TodoPage })
  .get("/:id", ({ params }) => readTodo(params.id), { params: TodoId, response: Todo })
  .post(
    "/",
    async ({ body, set }) => {
      const todo = await createTodo(body.title);
      await hooks.emit("todo.created", todo);
      set.status = 201;
      return todo;
    },
    { body: NewTodo, response: { 201: Todo } },
  )
  .patch(
    "/:id",
    async ({ params, body }) => {
      const { todo, gotDone } = await changeTodo(params.id, body);
      if (gotDone) await hooks.emit("todo.done", todo);
      return todo;
    },
    { params: TodoId, body: TodoChanges, response: Todo },
  )
  .delete(
    "/:id",
    async ({ params, set }) => {
      await removeTodo(params.id);
      set.status = 204;
    },
    { params: TodoId, response: { 204: t.Void() } },
  );

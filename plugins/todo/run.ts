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
      const todo = createTodo(body.title);
      await hooks.emit("todo.created", todo);
      set.status = 201;
      return todo;
    },
    { body: NewTodo, response: { 201: Todo } },
  )
  .patch(
    "/:id",
    async ({ params, body }) => {
      const wasDone = readTodo(params.id).done;
      const todo = changeTodo(params.id, body);
      if (todo.done && !wasDone) await hooks.emit("todo.done", todo);
      return todo;
    },
    { params: TodoId, body: TodoChanges, response: Todo },
  )
  .delete(
    "/:id",
    ({ params, set }) => {
      removeTodo(params.id);
      set.status = 204;
    },
    { params: TodoId },
  );

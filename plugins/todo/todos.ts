import { AppError, config } from "xcore";
import type { Todo } from "./models.ts";

// A plugin starts anew with each reload, and so does this list.
const todos = new Map<number, Todo>();
let lastId = 0;

export function listTodos(query: { done?: boolean; page: number; per_page: number }) {
  const matching = [...todos.values()].filter(({ done }) => query.done === undefined || done === query.done);
  const start = (query.page - 1) * query.per_page;
  return {
    items: matching.slice(start, start + query.per_page),
    page: query.page,
    per_page: query.per_page,
    total: matching.length,
  };
}

export function readTodo(id: number): Todo {
  const todo = todos.get(id);
  if (todo === undefined) throw new AppError("not_found", 404, `Cannot read todo "${id}": not found`);
  return todo;
}

export function createTodo(title: string): Todo {
  const limit = Number(config["max_items"]);
  if (todos.size >= limit) {
    throw new AppError("conflict", 409, `Cannot add a todo: there are ${limit}, remove one first`);
  }
  lastId += 1;
  const todo: Todo = { id: lastId, title, done: false, created_at: new Date().toISOString() };
  todos.set(todo.id, todo);
  return todo;
}

export function changeTodo(id: number, changes: { title?: string; done?: boolean }): Todo {
  const todo: Todo = { ...readTodo(id), ...changes };
  todos.set(id, todo);
  return todo;
}

export function removeTodo(id: number): void {
  readTodo(id);
  todos.delete(id);
}

import { type Static, t } from "elysia";
import { page } from "xcore";

export const Todo = t.Object({
  id: t.Integer(),
  title: t.String({ minLength: 1, maxLength: 200 }),
  done: t.Boolean(),
  created_at: t.Date(),
});
export type Todo = Static<typeof Todo>;

export const NewTodo = t.Pick(Todo, ["title"]);

export const TodoChanges = t.Partial(t.Pick(Todo, ["title", "done"]), { minProperties: 1 });
export type TodoChanges = Static<typeof TodoChanges>;

export const TodoId = t.Object({ id: t.Integer({ minimum: 1 }) });

export const TodoQuery = t.Object({ ...page.properties, done: t.Optional(t.BooleanString()) });
export type TodoQuery = Static<typeof TodoQuery>;

export const TodoPage = t.Object({
  items: t.Array(Todo),
  page: t.Integer(),
  per_page: t.Integer(),
  total: t.Nullable(t.Integer()),
});

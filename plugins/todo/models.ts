import { type Static, t } from "elysia";

export const Todo = t.Object({
  id: t.Integer(),
  title: t.String({ minLength: 1, maxLength: 200 }),
  done: t.Boolean(),
  created_at: t.String({ format: "date-time" }),
});
export type Todo = Static<typeof Todo>;

export const NewTodo = t.Pick(Todo, ["title"]);

export const TodoChanges = t.Partial(t.Pick(Todo, ["title", "done"]));

export const TodoId = t.Object({ id: t.Integer({ minimum: 1 }) });

export const TodoQuery = t.Object({
  done: t.Optional(t.BooleanString()),
  page: t.Integer({ minimum: 1, default: 1 }),
  per_page: t.Integer({ minimum: 1, maximum: 100, default: 20 }),
});

export const TodoPage = t.Object({
  items: t.Array(Todo),
  page: t.Integer(),
  per_page: t.Integer(),
  total: t.Integer(),
});

import { boolean, id, index, table, timestamp, varchar } from "xcore/schema";

export const todos = table(
  "todo_todos",
  {
    id: id(),
    title: varchar(200).notNull(),
    done: boolean().notNull().default(false),
    created_at: timestamp().notNull().defaultNow(),
  },
  (todo) => [index("todo_todos_done").on(todo.done)],
);

import { eq } from "drizzle-orm";
import { AppError, config, db, paginate } from "xcore";
import type { Todo, TodoChanges, TodoQuery } from "./models.ts";
import { todos } from "./schema.ts";

export function listTodos(query: TodoQuery) {
  const isWanted = query.done === undefined ? undefined : eq(todos.done, query.done);
  return paginate(db.select().from(todos).where(isWanted), query);
}

export async function readTodo(id: number): Promise<Todo> {
  const [todo] = await db.select().from(todos).where(eq(todos.id, id));
  return todo ?? missing(id);
}

export async function createTodo(title: string): Promise<Todo> {
  const { max_items: limit } = config;
  return db.transaction(
    async (tx) => {
      if ((await tx.$count(todos)) >= limit) {
        throw new AppError("conflict", 409, `Cannot add a todo: there are ${limit}, remove one first`);
      }
      const [todo] = await tx.insert(todos).values({ title }).returning();
      return todo as Todo;
    },
    { isolation: "serializable", retries: 5 }, // or two at once could both find room for one
  );
}

/** Changes a todo; says as well whether that is what got it done. */
export async function changeTodo(
  id: number,
  changes: TodoChanges,
): Promise<{ todo: Todo; gotDone: boolean }> {
  return db.transaction(async (tx) => {
    const [before] = await tx.select().from(todos).where(eq(todos.id, id)).for("update");
    const [todo] = await tx.update(todos).set(changes).where(eq(todos.id, id)).returning();
    if (before === undefined || todo === undefined) return missing(id);
    return { todo, gotDone: todo.done && !before.done };
  });
}

export async function removeTodo(id: number): Promise<void> {
  const removed = await db.delete(todos).where(eq(todos.id, id)).returning({ id: todos.id });
  if (removed.length === 0) missing(id);
}

function missing(id: number): never {
  throw new AppError("not_found", 404, `Cannot read todo "${id}": not found`);
}

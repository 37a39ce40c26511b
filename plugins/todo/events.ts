import type { Todo } from "./models.ts";

declare module "xcore" {
  interface HookEvents {
    "todo.created": Todo;
    "todo.done": Todo;
  }
}

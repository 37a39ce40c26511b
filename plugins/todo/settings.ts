import { t } from "elysia";

export const settings = t.Object({
  max_items: t.Integer({ default: 1000, minimum: 1, description: "How many things there may be to do" }),
});

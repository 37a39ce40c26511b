import { createRouter } from "xcore";

export default createRouter().get("/", () => ({ message: "Hello from My Plugin!" }));

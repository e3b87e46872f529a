/** The memory-controller as a process: `node apps/memory-controller/src/main.ts`. */
import { runApp } from "@backplane/foundation-process/actor-service"
import { start } from "./app.ts"

await runApp(start)

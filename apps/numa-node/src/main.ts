/** The numa-node as a process: `node apps/numa-node/src/main.ts`. */
import { runApp } from "@backplane/foundation-process/actor-service"
import { start } from "./app.ts"

await runApp(start)

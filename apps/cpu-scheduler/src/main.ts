/** The cpu-scheduler as a process: `node apps/cpu-scheduler/src/main.ts`. */
import { runApp } from "@backplane/foundation-process/actor-service"
import { start } from "./app.ts"

await runApp(start)

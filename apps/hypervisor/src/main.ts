/** The hypervisor as a process: `node apps/hypervisor/src/main.ts`. */
import { runApp } from "@backplane/foundation-process/actor-service"
import { start } from "./app.ts"

await runApp(start)

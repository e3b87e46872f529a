/** The kv-shard as a process: `node apps/kv-shard/src/main.ts`. */
import { runApp } from "@backplane/foundation-process/actor-service"
import { start } from "./app.ts"

await runApp(start)

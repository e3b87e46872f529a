/** The kv-shard as a process: `node apps/kv-shard/src/main.ts`; the stack adds what V8 is told of memory (tools/stack, service-manifest.ts). */
import { runApp } from "@backplane/foundation-process/actor-service"
import { start } from "./app.ts"

await runApp(start)

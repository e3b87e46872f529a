/** `npx nx run grafana:down`: stops Grafana; what it stored stays in its volume. */
import { compose, told } from "./docker.ts"
import { COMPOSE_FILE } from "./folder.ts"
import { runCommand } from "./run-command.ts"

const { text, code } = told(compose(runCommand, COMPOSE_FILE, ["down"]))
if (code !== 0) console.error(text)
process.exitCode = code

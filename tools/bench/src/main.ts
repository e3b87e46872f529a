/** `node tools/bench/src/main.ts sim --json`: the result on standard output, progress on standard error. */
import { benchCommand } from "./command.ts"

process.exitCode = await benchCommand(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  note: (text) => process.stderr.write(`${text}\n`),
})

/** Runs the product's own commands for a lesson, as processes, and keeps what was typed. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import type { Json } from "@backplane/foundation-base/json"
import type { LessonCommands } from "./lesson.ts"

const CLI = join(import.meta.dirname, "../../../apps/cli/bin/backplane.mjs")
/** A lesson shall not hang: the longest takes a few seconds. */
const DEADLINE_MILLISECONDS = 180_000

export class CommandError extends Error {}

export interface RunCommands extends LessonCommands {
  /** Runs without `--json`, for a command that writes a file. */
  plain(args: readonly string[]): Promise<void>
}

export function commandRunner(): RunCommands {
  const typed: string[] = []
  const run = async (args: readonly string[]): Promise<string> => {
    typed.push(["npx", "backplane", ...args.map(quoted)].join(" "))
    return output(args)
  }
  return {
    typed,
    json: async (args) => {
      const text = await run([...args, "--json"])
      try {
        return JSON.parse(text) as Json
      } catch {
        throw new CommandError(`backplane ${args.join(" ")} printed no JSON: ${text.slice(0, 200)}`)
      }
    },
    plain: async (args) => void (await run(args)),
  }
}

function output(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "pipe"], timeout: DEADLINE_MILLISECONDS })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.once("error", reject)
    child.once("close", (code) => {
      if (code === 0) resolve(stdout)
      else
        reject(new CommandError(`backplane ${args.join(" ")} ended with ${code ?? "a signal"}: ${(stderr || stdout).trim().slice(-400)}`))
    })
  })
}

function quoted(text: string): string {
  return /^[\w.,:/=+-]+$/.test(text) ? text : `'${text}'`
}

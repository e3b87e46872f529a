/** What every command's `--help` says. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { compareText } from "@backplane/foundation-base/json"
import { Command, type Option } from "commander"
import { describe, expect, it } from "vitest"

const COMMANDS = join(import.meta.dirname, "commands")

async function everyCommand(): Promise<readonly Command[]> {
  const program = new Command("backplane")
  const files = readdirSync(COMMANDS).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  // Without the ending, so that `sched` comes before those that add to it.
  for (const name of files.map((file) => file.slice(0, -".ts".length)).sort(compareText)) {
    const { register } = (await import(join(COMMANDS, `${name}.ts`))) as { register?: (program: Command) => void }
    register?.(program)
  }
  const withAllBelow = (command: Command): readonly Command[] => [command, ...command.commands.flatMap(withAllBelow)]
  return program.commands.flatMap(withAllBelow)
}

/** As it would be typed: no JSON, no bytes to be counted out. */
function isTypable({ defaultValue, defaultValueDescription }: Option): boolean {
  if (defaultValue === undefined || defaultValueDescription !== undefined) return true
  return typeof defaultValue === "string" || (typeof defaultValue === "number" && (defaultValue === 0 || defaultValue % 2 ** 20 !== 0))
}

describe("the help of a command", () => {
  it("says what it does, and shows defaults as one would type them", async () => {
    const commands = await everyCommand()
    expect(commands.length).toBeGreaterThan(80)
    const mute = commands.filter((command) => command.description() === "").map((command) => command.name())
    expect(mute).toEqual([])
    const odd = commands.flatMap((command) =>
      command.options.filter((option) => !isTypable(option)).map((option) => `${command.name()} ${option.flags}`),
    )
    expect(odd).toEqual([])
  })
})

/** `npx nx run browser:check`: the console in Chromium against a stack of its own. Ends with 1 where a step failed, with 2 where it could not begin. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { NoChromium, startChromium } from "./chromium.ts"
import { ROOT, startStack, type Stack } from "./stack.ts"
import { STEPS, type Visit } from "./steps.ts"

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { step: { type: "string", multiple: true }, keep: { type: "boolean" }, shots: { type: "string" } },
  })
  const folder = values.shots ?? join(ROOT, "dist/browser")
  mkdirSync(folder, { recursive: true })
  const wanted = STEPS.filter(({ name }) => values.step === undefined || values.step.includes(name) || name === "sight")
  const browser = await startChromium(process.env)
  const stack = await startStack()
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    const errors: string[] = []
    page.on("pageerror", (error) => errors.push(error.message))
    const shot = async (name: string): Promise<void> => void (await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true }))
    const failed = await walk({ page, stack, shot }, wanted)
    for (const error of errors) console.log(`FAILED  the page itself: ${error}`)
    console.log(`${wanted.length - failed} of ${wanted.length} steps; screenshots in ${folder}`)
    return failed === 0 && errors.length === 0 ? 0 : 1
  } finally {
    await browser.close()
    end(stack, values.keep === true)
  }
}

async function walk(visit: Visit, steps: typeof STEPS): Promise<number> {
  let failed = 0
  for (const { name, says, run } of steps) {
    try {
      console.log(`passed  ${name}: ${says} (${await run(visit)})`)
    } catch (error) {
      failed++
      await visit.shot(`failed-${name}`)
      console.log(`FAILED  ${name}: ${says}: ${(error as Error).message.split("\n")[0]}`)
    }
  }
  return failed
}

function end(stack: Stack, keep: boolean): void {
  if (keep) console.log(`the stack goes on at ${stack.url}; its folder is ${stack.home}`)
  else stack.down()
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof NoChromium)) throw error
  console.error(error.message)
  process.exitCode = 2
}

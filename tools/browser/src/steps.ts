/** What a person does at the console, step by step; each step throws where the page does not do its part. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Page } from "playwright-core"
import type { Stack } from "./stack.ts"

export interface Visit {
  readonly page: Page
  readonly stack: Stack
  /** Keeps a picture of the page as it is. */
  shot(name: string): Promise<void>
}

export interface Step {
  readonly name: string
  readonly says: string
  /** A line about what was seen. */
  run(visit: Visit): Promise<string>
}

const PATIENCE = { timeout: 30_000 }
/** The page shall show the machine so soon after it was opened. */
const FIRST_SIGHT_MILLISECONDS = 2_000

export const STEPS: readonly Step[] = [
  {
    name: "sight",
    says: "the machine is on the page within two seconds",
    async run({ page, stack, shot }: Visit): Promise<string> {
      await untilReady(stack)
      const began = performance.now()
      await page.goto(stack.url)
      await page.locator("#gantt rect.run").first().waitFor(PATIENCE)
      const took = performance.now() - began
      await page.waitForTimeout(2500)
      await shot("console")
      if (took > FIRST_SIGHT_MILLISECONDS) throw new Error(`it took ${took.toFixed(0)} ms`)
      return `${took.toFixed(0)} ms`
    },
  },
  {
    name: "read-only",
    says: "without the token nothing can be done, and the page says which one it wants",
    async run({ page }: Visit): Promise<string> {
      await page.getByRole("button", { name: /^kill cpu-scheduler-0/ }).click()
      await page.locator("#fault-told", { hasText: "npx backplane token" }).waitFor(PATIENCE)
      return "refused"
    },
  },
  {
    name: "swap",
    says: "another policy takes over from the page, and its trace is shown",
    async run({ page, stack, shot }: Visit): Promise<string> {
      await page.locator("#token").fill(stack.token)
      await page.locator("#policy").selectOption("eevdf")
      await page.locator("#swap").click()
      await page.locator("#policy-now", { hasText: "eevdf schedules" }).waitFor(PATIENCE)
      await page.locator("#trace svg text", { hasText: "handle PolicySwap" }).first().waitFor(PATIENCE)
      await shot("swap")
      return (await page.locator("#policy-now").textContent()) ?? ""
    },
  },
  {
    name: "shadow",
    says: "a policy is tried in shadow: what it would decide is counted, and the policy in force stays",
    async run({ page, shot }: Visit): Promise<string> {
      await page.locator("#policy").selectOption("lottery")
      await page.locator("#shadow").click()
      await page
        .locator("#shadow-report", { hasText: /lottery in shadow, (it decides as it should|it may not take over)/ })
        .waitFor(PATIENCE)
      await page.locator("#policy-now", { hasText: "eevdf schedules" }).waitFor(PATIENCE)
      await shot("shadow")
      const told = (await page.locator("#shadow-report p").textContent()) ?? ""
      if (!/ [1-9]\d* choices/.test(told)) throw new Error(`the shadow had no choice to make: ${told}`)
      return told
    },
  },
  {
    name: "compare",
    says: "two policies and the fallback are compared on a workload, in simulation",
    async run({ page, shot }: Visit): Promise<string> {
      await page.locator("#workload option", { hasText: "ostep" }).waitFor({ ...PATIENCE, state: "attached" })
      await page.locator("#workload").selectOption("ostep")
      await page.locator("#compare").click()
      await page.locator("#compare-report tr", { hasText: "lottery" }).waitFor({ timeout: 120_000 })
      const contenders = await page.locator("#compare-report tbody td:first-child").allTextContents()
      await shot("compare")
      if (contenders.join(" ") !== "fallback lottery eevdf") throw new Error(`compared were ${contenders.join(" ")}`)
      return contenders.join(", ")
    },
  },
  {
    name: "terminal",
    says: "a command is typed at a VM's terminal, and its output is read there",
    async run({ page, shot }: Visit): Promise<string> {
      const open = page.getByRole("button", { name: /^terminal of/ }).first()
      await open.waitFor(PATIENCE)
      await open.click()
      await page.locator("#terminal .xterm-rows").waitFor(PATIENCE)
      await page.locator("#terminal").click()
      await page.keyboard.type("echo seen-$(", { delay: 5 })
      await page.keyboard.press("Control+U")
      await page.keyboard.press("Enter")
      // What is typed ahead of the prompt is echoed before it, and the output then stands behind it.
      await page.waitForFunction(
        () => {
          const rows = [...document.querySelectorAll("#terminal .xterm-rows > div")].map((row) => (row.textContent ?? "").trim())
          return rows.filter((row) => row.startsWith("$")).length > 1 && rows.findLast((row) => row !== "") === "$"
        },
        undefined,
        PATIENCE,
      )
      await page.keyboard.type("echo back plane works\r", { delay: 10 })
      await page.waitForFunction(
        () =>
          /(^|\n)back plane works/m.test(
            [...document.querySelectorAll("#terminal .xterm-rows > div")].map((row) => row.textContent).join("\n"),
          ),
        undefined,
        PATIENCE,
      )
      await shot("terminal")
      return "echo answered"
    },
  },
  {
    name: "kill",
    says: "a scheduler is killed from the page, comes back, and the machine says so",
    async run({ page, shot }: Visit): Promise<string> {
      await page.getByRole("button", { name: /^kill cpu-scheduler-1/ }).click()
      await page
        .locator("#processes tr", { hasText: "cpu-scheduler-1" })
        .filter({ hasText: "SIGKILL" })
        .filter({ hasText: "ready" })
        .waitFor(PATIENCE)
      await shot("kill")
      return await restartTold(page)
    },
  },
  {
    name: "partition",
    says: "a node is cut off from the page, the machine goes on without it and says so, and takes it back",
    async run({ page, shot }: Visit): Promise<string> {
      const row = page.locator("#processes tr", { hasText: "numa-node-1" })
      await page.getByRole("button", { name: /^partition numa-node-1/ }).click()
      await row.filter({ hasText: "cut off" }).waitFor(PATIENCE)
      await page.locator("#reports", { hasText: "node-lost" }).waitFor(PATIENCE)
      await shot("partition")
      await page.getByRole("button", { name: /^heal numa-node-1/ }).click()
      await row.filter({ hasText: "ready" }).waitFor(PATIENCE)
      await page.locator("#numa", { hasText: /node 1/ }).waitFor(PATIENCE)
      return "node-lost, then back"
    },
  },
  {
    name: "trace",
    says: "a run chosen in the Gantt opens its trace",
    async run({ page, shot }: Visit): Promise<string> {
      const before = await page.evaluate(() => document.querySelector("#trace p")?.textContent ?? "")
      const task = await page.evaluate(() => {
        const runs = document.querySelectorAll<SVGElement>("#gantt rect.run")
        const run = runs[Math.floor(runs.length / 2)]
        run?.dispatchEvent(new MouseEvent("click", { bubbles: true }))
        return run?.dataset["task"] ?? ""
      })
      await page.waitForFunction(
        (old) => {
          const text = document.querySelector("#trace p")?.textContent ?? ""
          return text.startsWith("trace ") && text !== old
        },
        before,
        PATIENCE,
      )
      // What the spans are about stands in their titles.
      await page
        .locator("#trace svg title", { hasText: `backplane.task ${task}` })
        .first()
        .waitFor({ ...PATIENCE, state: "attached" })
      await shot("trace")
      return (await page.locator("#trace p").textContent()) ?? ""
    },
  },
  {
    name: "accessible",
    says: "axe-core finds nothing serious, tables fit a wide page, terminal and drawings a narrow one, light and dark",
    async run({ page, shot }: Visit): Promise<string> {
      const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8")
      const findings: string[] = []
      for (const scheme of ["light", "dark"] as const)
        for (const width of [1280, 390]) {
          await page.emulateMedia({ colorScheme: scheme })
          await page.setViewportSize({ width, height: 800 })
          await page.waitForTimeout(300)
          await shot(`${scheme}-${width}`)
          findings.push(...(await unfit(page, width)).map((what) => `${scheme} ${width}: ${what}`))
          await page.evaluate(axe)
          const violations = await page.evaluate(async () => {
            const { axe: loaded } = globalThis as unknown as {
              axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { target: unknown }[] }[] }> }
            }
            const { violations: found } = await loaded.run()
            return found.map(({ id, impact, nodes }) => ({ id, impact, where: JSON.stringify(nodes[0]?.target) }))
          })
          findings.push(
            ...violations
              .filter(({ impact }) => impact === "serious" || impact === "critical")
              .map((each) => `${scheme} ${width}: ${each.id} ${each.where}`),
          )
        }
      if (findings.length > 0) throw new Error(findings.join("; "))
      return "no serious finding"
    },
  },
  {
    name: "weight",
    says: "the page is under 300 KB compressed",
    async run({ page, stack }: Visit): Promise<string> {
      const sizes = await page.evaluate(() =>
        performance
          .getEntriesByType("resource")
          .map((entry) => entry as PerformanceResourceTiming)
          .filter(({ name }) => name.includes("/console/"))
          .map(({ name, encodedBodySize }) => ({ name, encodedBodySize })),
      )
      const { gzipSync } = await import("node:zlib")
      let bytes = 0
      for (const { name } of sizes) bytes += gzipSync(Buffer.from(await (await fetch(name)).arrayBuffer())).length
      bytes += gzipSync(Buffer.from(await (await fetch(stack.url)).arrayBuffer())).length
      if (bytes > 300_000) throw new Error(`${bytes} bytes`)
      return `${(bytes / 1000).toFixed(0)} KB in ${sizes.length + 1} files`
    },
  },
]

/** Tables that are cut off on a wide page; a terminal that is wider than its panel, anything that is wider than the page; writing in drawings that is smaller than nine pixels. */
function unfit(page: Visit["page"], width: number): Promise<readonly string[]> {
  return page.evaluate((wide) => {
    const cut = ["vms", "processes", "store"].filter((id) => {
      const panel = document.getElementById(id)
      return wide && panel !== null && panel.scrollWidth > panel.clientWidth
    })
    const small = [...document.querySelectorAll("#gantt svg, #numa svg, #trace svg")].filter((drawing) => {
      const scale = (drawing as SVGSVGElement).getScreenCTM()?.a ?? 1
      return drawing.querySelector("text") !== null && 12 * scale < 9
    })
    const screen = document.querySelector("#terminal .xterm-screen")
    const isWide = screen !== null && screen.getBoundingClientRect().right > (screen.closest("section")?.getBoundingClientRect().right ?? 0)
    const beyond = isWide ? ["the terminal is wider than its panel"] : []
    const { scrollWidth } = document.documentElement
    if (scrollWidth > innerWidth) beyond.push(`the page is ${scrollWidth} pixels wide`)
    return [
      ...cut.map((id) => `${id} is cut off`),
      ...beyond,
      ...small.map((drawing) => `too small to read: ${drawing.parentElement?.id ?? ""}`),
    ]
  }, width >= 1280)
}

/**
 * A scheduler that is back in time begins a trace of its restart. On a computer so busy that its process takes seconds to start, the machine has
 * ejected the policy by then and put another in its place: that is right as well, and the page has to say it.
 */
async function restartTold(page: Page): Promise<string> {
  const restarted = page.locator("#trace svg text", { hasText: "actor.restart" }).first()
  const ejected = page.locator("#reports", { hasText: "scheduler-ejected" })
  const deadline = Date.now() + PATIENCE.timeout
  await page.locator("#flow").selectOption("restart")
  while (Date.now() < deadline) {
    await page.locator("#refresh").click()
    await page.waitForTimeout(500)
    if (await restarted.isVisible()) return "back, with a trace"
    if (await ejected.isVisible()) return "its policy was ejected before it was back, and the page says so"
  }
  throw new Error("neither a trace of the restart nor the policy's ejection is on the page")
}

/** The machine itself takes a moment after the services are there; that is not the page's. */
async function untilReady({ url }: Stack): Promise<void> {
  const deadline = Date.now() + PATIENCE.timeout
  while (Date.now() < deadline) {
    const { machines } = (await (await fetch(`${url}/api/machine`)).json()) as { machines: readonly { ready: boolean }[] }
    if (machines.some(({ ready }) => ready)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error("the machine does not become ready")
}

/** Finds Debian's Chromium (or what CHROMIUM names) and starts it without windows and without calls to anywhere else. */
import { spawn, type ChildProcess } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { chromium, type Browser } from "playwright-core"

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

export class NoChromium extends Error {}

/** No window's helpers, no calls to anywhere else. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]

export function startChromium(environment: NodeJS.ProcessEnv): Promise<Browser> {
  return chromium.launch({ executablePath: programOf(environment), args: QUIET })
}

/** A browser with one page that nobody drives: its developer tools, which keep every answer that the page has had, stay off. */
export function leaveOpen(environment: NodeJS.ProcessEnv, url: string, profile: string): ChildProcess {
  const args = ["--headless=new", ...QUIET, `--user-data-dir=${profile}`, "--window-size=1280,800", url]
  return spawn(programOf(environment), args, { stdio: "ignore" })
}

function programOf(environment: NodeJS.ProcessEnv): string {
  const named = environment["CHROMIUM"]
  const found = [...(named === undefined ? [] : [named]), ...PLACES].find(isProgram)
  if (found !== undefined) return found
  throw new NoChromium("no Chromium was found: `apt-get install chromium` (Debian), or set CHROMIUM to the program")
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

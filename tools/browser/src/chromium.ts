/** Finds Debian's Chromium (or what CHROMIUM names) and starts it without windows and without calls to anywhere else. */
import { accessSync, constants } from "node:fs"
import { chromium, type Browser } from "playwright-core"

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

export class NoChromium extends Error {}

export function startChromium(environment: NodeJS.ProcessEnv): Promise<Browser> {
  const named = environment["CHROMIUM"]
  const executablePath = [...(named === undefined ? [] : [named]), ...PLACES].find(isProgram)
  if (executablePath === undefined)
    throw new NoChromium("no Chromium was found: `apt-get install chromium` (Debian), or set CHROMIUM to the program")
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  })
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

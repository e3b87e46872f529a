/**
 * A terminal at a VM's console. What the guest writes comes as a stream that goes on where it broke; what is typed goes in numbered pieces, one
 * after another, and what the guest could not take yet is sent again: a long paste loses nothing.
 */
import { act, Refused } from "./api.ts"
import { part, reason, say } from "./elements.ts"
import { openFeed, type Feed } from "./event-feed.ts"

/** As much of xterm.js as is used here. */
interface Screen {
  readonly cols: number
  resize(columns: number, rows: number): void
  open(at: HTMLElement): void
  write(data: Uint8Array | string): void
  onData(listener: (text: string) => void): void
  focus(): void
  dispose(): void
}
interface ScreenLibrary {
  readonly Terminal: new (options: Readonly<Record<string, unknown>>) => Screen
}

const ROWS = 24
/** As many as there is room for, within these: on a narrow page a long line goes on in the next row, instead of beyond the panel. */
const COLUMNS = { least: 20, most: 96 } as const
/** Of xterm.js, beside the columns. */
const SCROLLBAR_PIXELS = 16

const LIBRARY = "/console/vendor/xterm.mjs"
const PIECE_BYTES = 4096
const FULL_MILLISECONDS = 60

let close: (() => void) | null = null

export async function openTerminal(machine: string, vm: string): Promise<void> {
  close?.()
  const path = `/v1/machines/${encodeURIComponent(machine)}/vms/${encodeURIComponent(vm)}/console`
  const { Terminal } = (await import(LIBRARY)) as ScreenLibrary
  const screen = new Terminal({ rows: ROWS, cols: COLUMNS.most, convertEol: true, screenReaderMode: true, fontSize: 13 })
  const place = part("terminal")
  place.replaceChildren()
  place.hidden = false
  part("terminal-bar").hidden = false
  say(part("terminal-of"), `terminal of ${vm} on ${machine}`)
  screen.open(place)
  const width = new ResizeObserver(() => fit(screen, place))
  width.observe(place)
  const feed = listen(path, screen)
  const keyboard = new Keyboard(path)
  screen.onData((text) => keyboard.type(text))
  screen.focus()
  close = () => {
    feed.close()
    keyboard.stop()
    width.disconnect()
    screen.dispose()
    place.hidden = true
    part("terminal-bar").hidden = true
    say(part("terminal-of"), "")
    close = null
  }
}

export function closeTerminal(): void {
  close?.()
}

function fit(screen: Screen, place: HTMLElement): void {
  const drawn = place.querySelector(".xterm-screen")?.clientWidth ?? 0
  if (drawn === 0) return
  const room = (place.clientWidth - SCROLLBAR_PIXELS) / (drawn / screen.cols)
  const columns = Math.min(COLUMNS.most, Math.max(COLUMNS.least, Math.floor(room)))
  if (columns !== screen.cols) screen.resize(columns, ROWS)
}

function listen(path: string, screen: Screen): Feed {
  let state = ""
  return openFeed(path, {
    onData: (data) => {
      const said = JSON.parse(data) as { data: string; state: string }
      if (said.data !== "") screen.write(bytesOf(said.data))
      if (said.state !== state) say(part("vm-told"), `the VM is ${(state = said.state)}`)
    },
    onBroken: (why) => say(part("vm-told"), why, "bad"),
  })
}

class Keyboard {
  readonly #path: string
  readonly #writer = `tab-${crypto.randomUUID()}`
  #waiting = new Uint8Array(0)
  #seq = 0
  #sending = false
  #stopped = false

  constructor(path: string) {
    this.#path = path
  }

  type(text: string): void {
    const more = new TextEncoder().encode(text)
    const joined = new Uint8Array(this.#waiting.length + more.length)
    joined.set(this.#waiting)
    joined.set(more, this.#waiting.length)
    this.#waiting = joined
    if (!this.#sending) void this.#send()
  }

  stop(): void {
    this.#stopped = true
  }

  async #send(): Promise<void> {
    this.#sending = true
    try {
      while (this.#waiting.length > 0 && !this.#stopped) {
        const piece = this.#waiting.subarray(0, PIECE_BYTES)
        this.#seq++
        const { taken } = await act<{ taken: number }>("POST", this.#path, { writer: this.#writer, seq: this.#seq, data: base64Of(piece) })
        this.#waiting = this.#waiting.slice(taken)
        if (taken < piece.length) await new Promise((resolve) => setTimeout(resolve, FULL_MILLISECONDS))
      }
    } catch (error) {
      this.#waiting = new Uint8Array(0)
      const needsToken = error instanceof Refused && error.status === 401
      say(part("vm-told"), needsToken ? "typing needs the operator's token (above): npx backplane token" : reason(error), "bad")
    } finally {
      this.#sending = false
    }
  }
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}

function base64Of(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

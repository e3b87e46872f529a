/** Small makers of elements, and a way to redraw without taking the focus away from whoever works with the keyboard. */

export function part(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no ${id}`)
  return element
}

export function table(caption: string, head: readonly string[], rows: readonly (readonly (string | Node)[])[]): HTMLTableElement {
  const element = document.createElement("table")
  const title = element.createCaption()
  title.className = "visually-hidden"
  title.textContent = caption
  const headRow = element.createTHead().insertRow()
  for (const text of head) {
    const cell = document.createElement("th")
    cell.scope = "col"
    cell.textContent = text
    headRow.append(cell)
  }
  const body = element.createTBody()
  for (const row of rows) {
    const line = body.insertRow()
    for (const content of row) line.insertCell().append(content)
  }
  return element
}

export function button(text: string, label: string, onClick: () => void): HTMLButtonElement {
  const element = document.createElement("button")
  element.type = "button"
  element.textContent = text
  element.setAttribute("aria-label", label)
  element.addEventListener("click", onClick)
  return element
}

/** What can be chosen, each with words about it. */
export function choices(target: HTMLSelectElement, from: readonly (readonly [name: string, about: string])[]): void {
  const options = from.map(([name, about]) => {
    const option = document.createElement("option")
    option.value = name
    option.textContent = `${name}: ${about}`
    return option
  })
  target.replaceChildren(...options)
  target.disabled = false
}

const drawn = new WeakMap<Element, string>()

/** Draws only what has changed since last time: `facts` is all that the drawing depends on. Keeps the focus on the same control. */
export function redraw(target: HTMLElement, facts: unknown, draw: () => readonly Node[]): void {
  const text = JSON.stringify(facts)
  if (drawn.get(target) === text) return
  drawn.set(target, text)
  const held = target.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : null
  target.replaceChildren(...draw())
  if (held === null || held === undefined) return
  for (const control of target.querySelectorAll<HTMLElement>("[aria-label]"))
    if (control.getAttribute("aria-label") === held) return control.focus()
}

export function say(target: HTMLElement, text: string, kind: "good" | "bad" = "good"): void {
  target.className = kind === "bad" ? "bad" : ""
  if (target.textContent !== text) target.textContent = text
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Small pieces of SVG as text: escaped, with numbers that are written the same on every host. */

export function escapeXml(text: string): string {
  // Control characters may not stand in XML at all, not even escaped.
  return [...text]
    .map((letter) => (letter < " " ? "\uFFFD" : letter))
    .join("")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
}

/** At most two decimals, without trailing zeros. */
export function decimal(value: number): string {
  const rounded = Math.round(value * 100) / 100
  return Object.is(rounded, -0) ? "0" : String(rounded)
}

/** 0.873 → `87.3 %`. */
export function percent(share: number): string {
  return `${(Math.round(share * 1000) / 10).toFixed(1)} %`
}

/** `<name a="1">content</name>`; content is already SVG. */
export function element(name: string, attributes: Readonly<Record<string, string | number>>, content = ""): string {
  const written = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === "number" ? decimal(value) : escapeXml(value)}"`,
  )
  return content === "" ? `<${name}${written.join("")}/>` : `<${name}${written.join("")}>${content}</${name}>`
}

export function text(
  at: { readonly x: number; readonly y: number; readonly class?: string; readonly anchor?: "start" | "middle" | "end" },
  words: string,
): string {
  const attributes = {
    x: at.x,
    y: at.y,
    ...(at.class === undefined ? {} : { class: at.class }),
    ...(at.anchor === undefined ? {} : { "text-anchor": at.anchor }),
  }
  return element("text", attributes, escapeXml(words))
}

export interface Frame {
  readonly width: number
  readonly height: number
  readonly title: string
  readonly description: string
  readonly style: string
}

/** A whole picture: named and described for who does not see it, on a ground of its own in light and in dark. */
export function picture(frame: Frame, body: readonly string[]): string {
  const { width, height } = frame
  const opening = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" viewBox="0 0 ${decimal(width)} ${decimal(height)}" width="${decimal(width)}" height="${decimal(height)}">`
  const lines = [
    opening,
    element("title", { id: "title" }, escapeXml(frame.title)),
    element("desc", { id: "desc" }, escapeXml(frame.description)),
    `<style>${BASE_STYLE}${frame.style}</style>`,
    element("rect", { class: "ground", width: "100%", height: "100%" }),
    ...body,
    "</svg>",
  ]
  return `${lines.join("\n")}\n`
}

const BASE_STYLE = [
  "text{font:12px system-ui,sans-serif;fill:#1b1f24}",
  ".ground{fill:#ffffff}.head{font-size:15px;font-weight:600}.faint{fill:#57606a}.line{stroke:#d0d7de}",
  "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.faint{fill:#9aa4af}.line{stroke:#30363d}}",
].join("")

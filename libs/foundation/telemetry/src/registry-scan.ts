/**
 * Finds the names of spans, attributes, metrics and events that a source text uses and the registry does not have.
 *
 * A grep, not a compiler: it sees names written as literals where they are used, which is how this code base writes them.
 * Names that are put together at run time are counted by telemetry.ts (`backplane_unregistered_names_total`).
 */
import { eventEntry, isRegisteredAttribute, metricOfSeries, spanEntry } from "./registry/registry.ts"

interface Use {
  readonly what: "span" | "attribute" | "metric" | "event"
  /** The first group is the name. */
  readonly pattern: RegExp
  readonly isKnown: (name: string) => boolean
}

/** `${…}` in a template stands for one word of a pattern name, such as the cause of a trap. */
const asPattern = (name: string): string => name.replace(/\$\{[^}]*\}/g, "{}")

const USES: readonly Use[] = [
  {
    what: "span",
    pattern: /\bopenSpan\(\s*(?:[^()"'`,]|\([^()]*\)|"[^"]*"|`[^`]*`)+,\s*["`]([^"`]+)["`]/g,
    isKnown: (name) => spanEntry(asPattern(name)) !== undefined,
  },
  { what: "span", pattern: /\bnoteSpan\(\s*["`]([^"`]+)["`]/g, isKnown: (name) => spanEntry(asPattern(name)) !== undefined },
  { what: "event", pattern: /(?<![.\w])event\(\s*["`]([^"`]+)["`]/g, isKnown: (name) => eventEntry(name) !== undefined },
  // As a host or an app tells it. A name with `${…}` is put together at run time.
  { what: "event", pattern: /\bevent\(\{\s*name:\s*["`]([^"`$]+)["`]/g, isKnown: (name) => eventEntry(name) !== undefined },
  { what: "event", pattern: /\bsay\(\s*"([^"]+)",\s*"(?:debug|info|warn|error)"/g, isKnown: (name) => eventEntry(name) !== undefined },
  { what: "attribute", pattern: /["'`](backplane\.[a-z0-9_.]+)["'`]\s*(?:\]|:)/g, isKnown: isRegisteredAttribute },
  { what: "attribute", pattern: /\b(?:span|resource)\.(backplane\.[a-z0-9_.]+)/g, isKnown: isRegisteredAttribute },
  { what: "metric", pattern: /\b(backplane_[a-z0-9_]*[a-z0-9])\b/g, isKnown: (name) => metricOfSeries(name) !== undefined },
]

/** One line a use of an unregistered name: `path:line: span "x" is not in the registry`. */
export function unregisteredNames(path: string, text: string): readonly string[] {
  return USES.flatMap(({ what, pattern, isKnown }) =>
    [...text.matchAll(pattern)].flatMap((match) => {
      const name = match[1] ?? ""
      if (isKnown(name)) return []
      const line = text.slice(0, match.index).split("\n").length
      return [`${path}:${line}: ${what} "${name}" is not in the registry (libs/foundation/telemetry/src/registry)`]
    }),
  )
}

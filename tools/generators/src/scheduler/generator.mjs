/**
 * The nx generator `npx nx g @backplane/generators:scheduler my-sched`: a scheduler in TypeScript under apps/my-sched that runs, keeps the
 * contract and passes lint, type check and its test as it comes; then its policy is changed.
 *
 * Plain JavaScript: nx loads it with whatever Node.js runs nx. It never overwrites a folder.
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"

const FILES = join(dirname(fileURLToPath(import.meta.url)), "files")
const SUFFIX = ".template"
/** Policies of ours, and what stands for none: a service of such a name is refused when it attaches. A test holds it against the list there. */
export const TAKEN =
  "sqms mqms mqms-steal mqms-warm sqms-affinity patient fifo rr o1 cfs cfs-domains bfs eevdf mlfq lottery stride credit numa smt gang eas fallback".split(
    " ",
  )
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/

/**
 * @param {{ exists(path: string): boolean, write(path: string, text: string): void }} tree
 * @param {{ name: string }} options
 */
export default function scheduler(tree, { name }) {
  if (!NAME.test(name)) throw new Error(`name: "${name}" is no name; use lower case letters, digits and dashes, as in my-sched`)
  if (TAKEN.includes(name)) throw new Error(`name: ${name} is a policy of ours; take another name, as my-${name}`)
  const folder = `apps/${name}`
  if (tree.exists(folder)) throw new Error(`name: ${folder} is there already; take another name or remove it`)
  const camel = name.replace(/-([a-z0-9])/g, (_, letter) => letter.toUpperCase())
  const fill = (text) => text.replaceAll("__name__", name).replaceAll("__camel__", camel).replaceAll("__Class__", classOf(camel))
  for (const entry of readdirSync(FILES, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith(SUFFIX)) continue
    const path = join(entry.parentPath, entry.name)
    const to = relative(FILES, path).split(sep).join("/").slice(0, -SUFFIX.length)
    tree.write(`${folder}/${fill(to)}`, fill(readFileSync(path, "utf8")))
  }
  return () => console.log(`\n${folder}/README.md tells how to change it, try it and put it into the running machine.`)
}

function classOf(camel) {
  return camel[0].toUpperCase() + camel.slice(1)
}

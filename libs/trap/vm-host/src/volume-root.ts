/**
 * The root of a disk in the store, held by one owner: opened, changed by compare and set, given back.
 *
 * Others may change the root under the owner (a snapshot raises `birth`); then the change is made again on what they left. An owner that finds
 * another there has lost the disk.
 */
import { decodeRoot, encodeRoot, NUMBERS_PER_OPENING, ROOT_BUCKET, rootKey, type DiskRoot } from "@backplane/trap-contract/disk-layout"
import { valueOf, type AskStore } from "./volume-map.ts"

export interface VolumeOpening {
  readonly name: string
  /** machine/vm/life: another life of the same VM takes the disk over. */
  readonly owner: string
  readonly ask: AskStore
}

export class VolumeRoot {
  readonly #name: string
  readonly #owner: string
  readonly #ask: AskStore
  #now: DiskRoot
  #text: string
  #next: number

  private constructor({ name, owner, ask }: VolumeOpening, root: DiskRoot) {
    this.#name = name
    this.#owner = owner
    this.#ask = ask
    this.#now = root
    this.#text = encodeRoot(root)
    this.#next = root.next
  }

  /** Takes the disk: `done` with its root, or why it cannot be had. */
  static open(opening: VolumeOpening, done: (root: VolumeRoot | { readonly refusal: string }) => void): void {
    const { name, owner, ask } = opening
    const refuse = (why: string): void => {
      done({ refusal: `disk: kv:${name} ${why}` })
    }
    ask({ type: "get", bucket: ROOT_BUCKET, key: rootKey(name) }, (told) => {
      const text = valueOf(told)
      if (text === null)
        return refuse(
          told.outcome === "refused" ? (told.remedy ?? "is refused by the store") : "is not in the store; `backplane disk create` makes it",
        )
      const root = decodeRoot(text)
      if (root === null) return refuse("has a root that cannot be read")
      if (root.readOnly) return refuse("is a snapshot; clone it with `backplane disk clone`")
      if (root.owner === owner) return done(new VolumeRoot(opening, root)) // our own word, come late
      if (root.owner !== null && vmOf(root.owner) !== vmOf(owner))
        return refuse(`is in use by ${root.owner}; stop that VM, or give it free with \`backplane disk release\``)
      const mine = { ...root, owner, next: root.next + NUMBERS_PER_OPENING }
      ask({ type: "cas", bucket: ROOT_BUCKET, key: rootKey(name), expect: text, value: encodeRoot(mine) }, (answer) => {
        if (answer.outcome === "refused") return refuse(answer.remedy ?? "is refused by the store")
        if (answer.swapped === true) return done(new VolumeRoot(opening, mine))
        VolumeRoot.open(opening, done) // somebody was faster, or our own word was lost
      })
    })
  }

  get now(): DiskRoot {
    return this.#now
  }

  nextNumber(): number {
    return this.#next++
  }

  /** `done` with null, or with why the disk is lost. */
  change(change: (root: DiskRoot) => DiskRoot, done: (failure: string | null) => void): void {
    const changed = { ...change(this.#now), next: Math.max(this.#next, this.#now.next) }
    const value = encodeRoot(changed)
    const take = (): void => {
      this.#now = changed
      this.#text = value
      done(null)
    }
    this.#ask({ type: "cas", bucket: ROOT_BUCKET, key: rootKey(this.#name), expect: this.#text, value }, (told) => {
      if (told.outcome === "refused") return done(told.remedy ?? "the store refuses the root")
      if (told.swapped === true) return take()
      this.#ask({ type: "get", bucket: ROOT_BUCKET, key: rootKey(this.#name) }, (now) => {
        const text = valueOf(now)
        if (text === value) return take() // it was set; the word of that was lost
        const root = text === null ? null : decodeRoot(text)
        if (text === null || root === null) return done(`kv:${this.#name} is gone`)
        if (root.owner !== this.#owner) return done(`kv:${this.#name} belongs to ${root.owner ?? "nobody"} now`)
        this.#now = root
        this.#text = text
        this.change(change, done)
      })
    })
  }

  release(done: () => void): void {
    this.change(
      (root) => ({ ...root, owner: null }),
      () => {
        done()
      },
    )
  }
}

/** Machine and VM: of its lives the last one to ask has the disk. */
function vmOf(owner: string): string {
  return owner.slice(0, owner.lastIndexOf("/"))
}

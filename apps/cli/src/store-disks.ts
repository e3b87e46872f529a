/**
 * Disks in the key-value store, as the command line makes, copies and reads them. How they lie there is trap/contract's disk-layout.ts.
 *
 * A copy takes no time and no room: it names the blocks of its origin, which the origin then never removes.
 */
import { randomBytes } from "node:crypto"
import { mapLimited } from "./map-limited.ts"
import {
  BLOCK_BUCKET,
  blockName,
  blockNumber,
  CHUNK_BYTES,
  CHUNKS_PER_PAGE,
  decodePage,
  decodeRoot,
  DISK_BYTES_MAX,
  encodePage,
  encodeRoot,
  emptyPage,
  HOLE,
  newRoot,
  ROOT_BUCKET,
  ROOT_PREFIX,
  rootKey,
  type DiskRoot,
} from "@backplane/trap-contract/disk-layout"
import { VOLUME_NAME } from "@backplane/scenario-machine/vm-spec"
import { bad, CommandFailure } from "./failure.ts"
import { keyPath, type StoreClient } from "./store-client.ts"

/** Requests under way at a time. */
const UNDER_WAY_MAX = 16
const TRIES = 10
const NOT_FOUND = 404
const NOT_SWAPPED = 412
const PAGE_OF_SCAN = 1000
const DAMAGED = "damaged"
/** Owner of a disk that is not whole yet. */
const BEING_MADE = "backplane disk create"

export interface ListedDisk {
  readonly name: string
  readonly bytes: number
  readonly kind: "disk" | "snapshot"
  readonly origin: string | null
  readonly owner: string | null
}

interface NamedRoot {
  readonly name: string
  readonly root: DiskRoot
}

export class StoreDisks {
  readonly #store: StoreClient

  constructor(store: StoreClient) {
    this.#store = store
  }

  async create(name: string, { bytes, data }: { readonly bytes: number; readonly data: Uint8Array }): Promise<void> {
    named(name)
    if (bytes < 1 || bytes > DISK_BYTES_MAX) throw bad("--size", `a disk has 1 to ${DISK_BYTES_MAX} bytes, not ${bytes}`)
    if (data.length > bytes) throw bad("--size", `the file has ${data.length} bytes and does not fit into ${bytes}`)
    if ((await this.#find(name)) !== null) throw exists(name)
    let root = newRoot({ bytes, uid: `d${randomBytes(6).toString("hex")}` })
    // Before its blocks: a sweep meanwhile sees whose they are, and keeps them.
    const begun = { ...root, owner: BEING_MADE }
    if (!(await this.#set(name, { expect: null, root: begun }))) throw exists(name)
    const blocks: { readonly key: string; readonly value: string }[] = []
    const next = (value: string): string => {
      const key = blockName(root, root.next)
      root = { ...root, next: root.next + 1 }
      blocks.push({ key, value })
      return key
    }
    const pages = root.pages.map((_, index) => {
      const page = emptyPage()
      for (let at = 0; at < CHUNKS_PER_PAGE; at++) {
        const from = (index * CHUNKS_PER_PAGE + at) * CHUNK_BYTES
        const piece = data.subarray(from, from + CHUNK_BYTES)
        if (!piece.some((byte) => byte !== 0)) continue
        const chunk = Buffer.alloc(CHUNK_BYTES)
        chunk.set(piece)
        page[at] = next(chunk.toString("base64"))
      }
      return page.some((block) => block !== HOLE) ? next(encodePage(page)) : HOLE
    })
    await mapLimited(blocks, UNDER_WAY_MAX, ({ key, value }) => this.#store.ask(keyPath(BLOCK_BUCKET, key), { method: "PUT", body: value }))
    if (!(await this.#set(name, { expect: encodeRoot(begun), root: { ...root, pages } })))
      throw new CommandFailure("busy", `kv:${name} was changed while it was made; delete it and try again`)
  }

  /** A copy under another name; a snapshot is one that is never written. */
  async copy(from: string, to: string, kind: "clone" | "snapshot"): Promise<void> {
    named(to)
    if ((await this.#find(to)) !== null) throw exists(to)
    const origin = await this.#change(from, (root) => (root.readOnly ? root : { ...root, birth: root.next }))
    const uid = `d${randomBytes(6).toString("hex")}`
    const root = { ...origin, uid, next: 0, birth: 0, owner: null, readOnly: kind === "snapshot", origin: from }
    if (!(await this.#set(to, { expect: null, root }))) throw exists(to)
  }

  /** The VM that had it is gone for good: another may have it. */
  async release(name: string): Promise<string | null> {
    const { owner } = (await this.#of(name)).root
    await this.#change(name, (root) => ({ ...root, owner: null }))
    return owner
  }

  async delete(name: string): Promise<void> {
    const { root, text } = await this.#of(name)
    if (root.owner !== null)
      throw new CommandFailure("in-use", `kv:${name} is in use by ${root.owner}; destroy that VM, or \`backplane disk release ${name}\``)
    const gone = await this.#store.ask(keyPath(ROOT_BUCKET, rootKey(name)), {
      method: "POST",
      body: JSON.stringify({ expect: text, value: null }),
      accept: [NOT_SWAPPED],
    })
    if (gone.status === NOT_SWAPPED) throw new CommandFailure("busy", `kv:${name} has changed meanwhile; try again`)
  }

  async list(): Promise<readonly ListedDisk[]> {
    return (await this.#roots()).map(({ name, root }) => ({
      name,
      bytes: root.bytes,
      kind: root.readOnly ? "snapshot" : "disk",
      origin: root.origin,
      owner: root.owner,
    }))
  }

  /** All of it, as a file. */
  async read(name: string): Promise<Uint8Array> {
    const { root } = await this.#of(name)
    const data = Buffer.alloc(Math.ceil(root.bytes / CHUNK_BYTES) * CHUNK_BYTES)
    const blocks = (await this.#blocksOf(name, root)).filter(({ block }) => block !== HOLE)
    await mapLimited(blocks, UNDER_WAY_MAX, async ({ chunk, block }) => {
      data.set(Buffer.from(await this.#block(name, block), "base64"), chunk * CHUNK_BYTES)
    })
    return data.subarray(0, root.bytes)
  }

  /**
   * Removes blocks that no disk names: of disks that were deleted, of commits that did not end. What a disk may be writing now is newer than
   * its root says and stays.
   */
  async sweep(): Promise<{ readonly blocks: number; readonly removed: number }> {
    // Blocks before roots: whose root is not there by now was not begun when its blocks were seen.
    const keys = await this.#scan(BLOCK_BUCKET, "", "keys")
    const { roots, named } = await this.#named()
    const isWritten = (key: string): boolean => roots.some(({ root }) => (blockNumber(root, key) ?? -1) >= root.next)
    const lost = keys.filter(({ key }) => !named.has(key) && !isWritten(key))
    await mapLimited(lost, UNDER_WAY_MAX, ({ key }) => this.#store.ask(keyPath(BLOCK_BUCKET, key), { method: "DELETE" }))
    return { blocks: keys.length, removed: lost.length }
  }

  /** All roots and the blocks that they name, at one moment of each disk. */
  async #named(tries = TRIES): Promise<{ readonly roots: readonly NamedRoot[]; readonly named: ReadonlySet<string> }> {
    const named = new Set<string>()
    const roots = await this.#roots()
    try {
      for (const { name, root } of roots) {
        for (const page of root.pages) if (page !== HOLE) named.add(page)
        for (const { block } of await this.#blocksOf(name, root)) if (block !== HOLE) named.add(block)
      }
    } catch (error) {
      // A guest that writes has replaced a page of its map since, and removed it.
      if (tries > 1 && error instanceof CommandFailure && error.kind === DAMAGED) return await this.#named(tries - 1)
      throw error
    }
    return { roots, named }
  }

  async #blocksOf(name: string, root: DiskRoot): Promise<readonly { readonly chunk: number; readonly block: string }[]> {
    const pages = await mapLimited(root.pages, UNDER_WAY_MAX, async (page) =>
      page === HOLE ? [] : decodePage(await this.#block(name, page)),
    )
    return pages.flatMap((blocks, index) => {
      if (blocks === null) throw damaged(name, `page ${index} of its map cannot be read`)
      return blocks.map((block, at) => ({ chunk: index * CHUNKS_PER_PAGE + at, block }))
    })
  }

  async #block(name: string, key: string): Promise<string> {
    const { status, text } = await this.#store.ask(keyPath(BLOCK_BUCKET, key), { accept: [NOT_FOUND] })
    if (status === NOT_FOUND) throw damaged(name, `its block ${key} is not in the store`)
    return text
  }

  async #roots(): Promise<readonly NamedRoot[]> {
    const entries = await this.#scan(ROOT_BUCKET, ROOT_PREFIX, "values")
    return entries.flatMap(({ key, values }) => {
      const root = decodeRoot(values[0] ?? "")
      return root === null ? [] : [{ name: key.slice(ROOT_PREFIX.length), root }]
    })
  }

  async #scan(
    bucket: string,
    prefix: string,
    what: "keys" | "values",
  ): Promise<readonly { readonly key: string; readonly values: readonly string[] }[]> {
    const all: { readonly key: string; readonly values: readonly string[] }[] = []
    for (let after: string | null = ""; after !== null;) {
      const query = new URLSearchParams({
        prefix,
        limit: String(PAGE_OF_SCAN),
        ...(after !== "" && { after }),
        ...(what === "keys" && { keys: "" }),
      })
      const page: ScanPage = await this.#store.json(`/v1/kv/${bucket}?${query.toString()}`)
      if (page.coverage.missing.length > 0) throw new CommandFailure("unavailable", "a part of the store does not answer; try again")
      all.push(...page.entries)
      after = page.next
    }
    return all
  }

  async #find(name: string): Promise<{ readonly root: DiskRoot; readonly text: string } | null> {
    const { status, text } = await this.#store.ask(keyPath(ROOT_BUCKET, rootKey(name)), { accept: [NOT_FOUND] })
    if (status === NOT_FOUND) return null
    const root = decodeRoot(text)
    if (root === null) throw damaged(name, "its root cannot be read")
    return { root, text }
  }

  async #of(name: string): Promise<{ readonly root: DiskRoot; readonly text: string }> {
    named(name)
    const found = await this.#find(name)
    if (found === null) throw new CommandFailure("not-found", `there is no disk kv:${name}; \`backplane disk list\` shows them`)
    return found
  }

  /** Gives the root as it is then. */
  async #change(name: string, change: (root: DiskRoot) => DiskRoot): Promise<DiskRoot> {
    for (let tries = 0; tries < TRIES; tries++) {
      const { root, text } = await this.#of(name)
      const changed = change(root)
      if (await this.#set(name, { expect: text, root: changed })) return changed
    }
    throw new CommandFailure("busy", `kv:${name} changes all the time; try again`)
  }

  async #set(name: string, { expect, root }: { readonly expect: string | null; readonly root: DiskRoot }): Promise<boolean> {
    const body = JSON.stringify({ expect, value: encodeRoot(root) })
    const { status } = await this.#store.ask(keyPath(ROOT_BUCKET, rootKey(name)), { method: "POST", body, accept: [NOT_SWAPPED] })
    if (status !== NOT_SWAPPED) return true
    // A repeat on the way may have set it before: then it is ours.
    return (await this.#find(name))?.text === encodeRoot(root)
  }
}

interface ScanPage {
  readonly entries: readonly { readonly key: string; readonly values: readonly string[] }[]
  readonly next: string | null
  readonly coverage: { readonly missing: readonly number[] }
}

function named(name: string): void {
  if (!new RegExp(VOLUME_NAME).test(name)) throw bad("name", `${JSON.stringify(name)} is no name of a disk; names are a-z, 0-9, ., @ and -`)
}

function exists(name: string): CommandFailure {
  return new CommandFailure("exists", `there is a disk kv:${name} already; delete it or take another name`)
}

function damaged(name: string, what: string): CommandFailure {
  return new CommandFailure(DAMAGED, `kv:${name}: ${what}`)
}

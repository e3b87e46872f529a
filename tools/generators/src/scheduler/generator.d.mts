/** What the generator needs of nx's tree of files. */
export interface FileTree {
  exists(path: string): boolean
  write(path: string, text: string): void
}

/** Names of policies of ours. */
export const TAKEN: readonly string[]

/** Writes apps/<name>; returns what nx is to do at the end. Throws where the name is none or is taken. */
export default function scheduler(tree: FileTree, options: { readonly name: string }): () => void

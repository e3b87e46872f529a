/** Colours of jobs: apart for most kinds of colour blindness (after Okabe and Ito), light enough for dark text in both themes. */

const FILLS = [
  "#8ecbf2",
  "#f5c26b",
  "#7fd1ae",
  "#f2a68c",
  "#c9b3ec",
  "#e8e07a",
  "#f0b0d0",
  "#a9d08e",
  "#9fb8f0",
  "#d9c2a3",
  "#84d6d6",
  "#cfcfcf",
]

export const COLOURS = FILLS.length

/** Class of the job at this place in the list; jobs beyond the list share colours and are told apart by their names. */
export function colourClass(index: number): string {
  return `c${index % COLOURS}`
}

/** Cold slices are hatched: the difference must not hang on a shade. */
export function paletteStyle(): string {
  const fills = FILLS.map((fill, index) => `.c${index}{fill:${fill}}`).join("")
  return `${fills}.slice{stroke:#57606a;stroke-width:.5}.on{fill:#1b1f24;font-size:11px;pointer-events:none}.many{fill:#8b949e}.cold{fill:url(#cold)}`
}

export const COLD_PATTERN =
  '<defs><pattern id="cold" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="2" height="6" fill="#1b1f24" fill-opacity=".28"/></pattern></defs>'

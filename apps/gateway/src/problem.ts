/** What a caller did wrong, as one document (RFC 9457, application/problem+json) that names the field and the remedy. */

export interface ProblemDocument {
  readonly status: number
  readonly title: string
  readonly detail: string
  /** The field, header or parameter that is wrong. */
  readonly field?: string
  readonly remedy?: string
}

export class Problem extends Error {
  override readonly name = "Problem"
  readonly document: ProblemDocument
  readonly headers: Readonly<Record<string, string>>

  constructor(document: ProblemDocument, headers: Readonly<Record<string, string>> = {}) {
    super(document.detail)
    this.document = document
    this.headers = headers
  }
}

export function problemResponse(problem: Problem): Response {
  const headers = { ...problem.headers, "content-type": "application/problem+json" }
  return new Response(problemText(problem), { status: problem.document.status, headers })
}

export function problemText({ document }: Problem): string {
  return `${JSON.stringify({ type: "about:blank", ...document })}\n`
}

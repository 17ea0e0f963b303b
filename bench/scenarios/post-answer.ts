/** What became of the comments of one post. */
interface PostOutcome {
  readonly accepted: number;
  /** Under which each comment is pushed, by its place; null where it was refused. Empty where the answer has none. */
  readonly ids: readonly (string | null)[];
  /** Refused comments by code. */
  readonly refused: ReadonlyMap<string, number>;
}

/**
 * Reads the answer of volley's API to a post of `count` comments. What is no answer of volley's refuses all of them
 * under `HTTP` and its status.
 */
export function readPostAnswer(status: number, body: string, count: number): PostOutcome {
  const answer = parseObject(body);
  const refused = new Map<string, number>();
  for (const entry of Array.isArray(answer.refused) ? (answer.refused as unknown[]) : []) {
    const { code } = (entry ?? {}) as Record<string, unknown>;
    addTo(refused, String(code), 1);
  }
  if (status === 201 || status === 202) {
    const ids = Array.isArray(answer.ids) ? (answer.ids as unknown[]) : [];
    return {
      accepted: typeof answer.accepted === 'number' ? answer.accepted : 0,
      ids: ids.map((id) => (typeof id === 'string' ? id : null)),
      refused,
    };
  }
  const listed = [...refused.values()].reduce((sum, more) => sum + more, 0);
  const rest = count - listed;
  if (rest > 0) addTo(refused, typeof answer.code === 'string' ? answer.code : `HTTP ${status}`, rest);
  return { accepted: 0, ids: [], refused };
}

/** Adds to a count under a key. */
export function addTo(counts: Map<string, number>, key: string, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more);
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

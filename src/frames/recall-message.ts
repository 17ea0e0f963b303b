/**
 * The control message that takes comments off the screen: `ids` as viewers were given them. Text on every codec.
 * docs/protocol.md describes it.
 */
export function recallMessage(ids: readonly string[]): string {
  return JSON.stringify({ type: 'recall', ids });
}

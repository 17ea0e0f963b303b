/** Reads a whole number, 0 or more, as it stands in a query string; null when it is not one that a double holds. */
export function parseWhole(text: string): number | null {
  if (!/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

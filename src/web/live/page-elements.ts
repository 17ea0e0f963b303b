/**
 * The element of live.html with this id.
 * @throws TypeError where the page does not have it: page and script do not belong together
 */
export function elementOf<E extends HTMLElement>(id: string, type: abstract new () => E): E {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new TypeError(`the page has no ${type.name} #${id}`);
}

// @ts-check
/** Short ways to the page's elements. */

/**
 * The element with this id; its absence is a mistake in index.html.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} [kind]
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!found || (kind && !(found instanceof kind))) throw new Error(`index.html has no ${id}`);
  return /** @type {T} */ (found);
}

/**
 * @param {string} id
 * @param {() => void} action
 */
export function onClick(id, action) {
  byId(id).addEventListener('click', action);
}

let hiding = 0;
/**
 * One sentence over the picture, for a while.
 * @param {string} text
 */
export function toast(text) {
  const element = byId('toast');
  element.textContent = text;
  element.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { element.hidden = true; }, 3500 + 45 * text.length);
}

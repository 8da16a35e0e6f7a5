// @ts-check
/** The look: which style and how. It lives in the address (#style=…&strength=…), so that a look can be linked to. */

/**
 * @typedef {object} Look
 * @property {string} style a style's name
 * @property {string} mixStyle the name of a second one, or ''
 * @property {number} mix its share, 0 … 1
 * @property {number} strength 0 … 1
 * @property {number} stroke size of the strokes, 0.5 … 2 of the style's own
 * @property {boolean} keep the photo's colours
 * @property {'off' | 'person' | 'background'} portrait what is restyled
 */

/** @type {Readonly<Look>} */
export const PLAIN = Object.freeze({
  style: '', mixStyle: '', mix: 0.5, strength: 1, stroke: 1, keep: false, portrait: 'off',
});

/**
 * The look of an address; what is missing or means nothing is as in `PLAIN`.
 * @param {string} fragment with or without #
 * @param {(style: string) => boolean} known
 * @returns {Look}
 */
export function readLook(fragment, known) {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  const number = (/** @type {string} */ key, /** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ otherwise) => {
    const text = given.get(key);
    const value = text === null || text.trim() === '' ? NaN : Number(text);
    return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
  };
  const style = (/** @type {string} */ key) => (known(given.get(key) ?? '') ? given.get(key) ?? '' : '');
  const portrait = given.get('portrait');
  return {
    style: style('style'),
    mixStyle: style('mix'),
    mix: number('share', 0, 1, PLAIN.mix),
    strength: number('strength', 0, 1, PLAIN.strength),
    stroke: number('stroke', 0.5, 2, PLAIN.stroke),
    keep: given.get('keep') === '1',
    portrait: portrait === 'person' || portrait === 'background' ? portrait : 'off',
  };
}

/**
 * The fragment of a look; what is as in `PLAIN` is left out.
 * @param {Look} look
 */
export function writeLook(look) {
  const parts = new URLSearchParams();
  if (look.style) parts.set('style', look.style);
  if (look.mixStyle) {
    parts.set('mix', look.mixStyle);
    parts.set('share', String(look.mix));
  }
  if (look.strength !== PLAIN.strength) parts.set('strength', String(look.strength));
  if (look.stroke !== PLAIN.stroke) parts.set('stroke', String(look.stroke));
  if (look.keep) parts.set('keep', '1');
  if (look.portrait !== 'off') parts.set('portrait', look.portrait);
  return `#${parts}`;
}

// @ts-check
/** The settings: which style and how. They live in the address (#style=…&strength=…), so that they can be linked to. */

/**
 * @typedef {object} Settings
 * @property {string} style a style's name
 * @property {string} mixStyle the name of a second one, or ''
 * @property {number} mix its share, 0 … 1
 * @property {number} strength 0 … 1
 * @property {number} stroke size of the strokes, 0.5 … 2 of the style's own
 * @property {boolean} keep the photo's colours
 * @property {'off' | 'person' | 'background'} portrait what is restyled
 */

/** @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({
  style: '', mixStyle: '', mix: 0.5, strength: 1, stroke: 1, keep: false, portrait: 'off',
});

/**
 * The settings of an address; what is missing or means nothing is as in `DEFAULTS`.
 * @param {string} fragment with or without #
 * @param {(style: string) => boolean} known
 * @returns {Settings}
 */
export function readSettings(fragment, known) {
  const parameters = new URLSearchParams(fragment.replace(/^#/, ''));
  const number = (/** @type {string} */ key, /** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ otherwise) => {
    const text = parameters.get(key);
    const value = text === null || text.trim() === '' ? NaN : Number(text);
    return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
  };
  const style = (/** @type {string} */ key) => (known(parameters.get(key) ?? '') ? parameters.get(key) ?? '' : '');
  const portrait = parameters.get('portrait');
  return {
    style: style('style'),
    mixStyle: style('mix'),
    mix: number('share', 0, 1, DEFAULTS.mix),
    strength: number('strength', 0, 1, DEFAULTS.strength),
    stroke: number('stroke', 0.5, 2, DEFAULTS.stroke),
    keep: parameters.get('keep') === '1',
    portrait: portrait === 'person' || portrait === 'background' ? portrait : 'off',
  };
}

/**
 * The fragment that holds settings; what is as in `DEFAULTS` is left out.
 * @param {Settings} settings
 */
export function writeSettings(settings) {
  const parts = new URLSearchParams();
  if (settings.style) parts.set('style', settings.style);
  if (settings.mixStyle) {
    parts.set('mix', settings.mixStyle);
    parts.set('share', String(settings.mix));
  }
  if (settings.strength !== DEFAULTS.strength) parts.set('strength', String(settings.strength));
  if (settings.stroke !== DEFAULTS.stroke) parts.set('stroke', String(settings.stroke));
  if (settings.keep) parts.set('keep', '1');
  if (settings.portrait !== 'off') parts.set('portrait', settings.portrait);
  return `#${parts}`;
}

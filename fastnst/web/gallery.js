// @ts-check
/** The paintings along the edge: one of them is the style. Arrow keys go from one to the next. */

import { byId } from './dom.js';

/**
 * @typedef {object} Style
 * @property {string} name
 * @property {string} title
 * @property {string} artist
 * @property {string} year
 * @property {string} [movement]
 * @property {string} [file] its address
 * @property {string} [version] of the file
 * @property {string} [thumbnail]
 * @property {{file: string, version: string}} [light] a smaller network, for weak machines
 * @property {string} [variant] what tells it from another of the same painting
 * @property {Uint8Array} [bytes] of a file that its user brought
 */

export class Gallery extends EventTarget {
  /** @param {Style[]} styles */
  constructor(styles) {
    super();
    this.styles = [...styles];
    for (const style of this.styles) style.variant = variantOf(style, this.styles);
    this.chosen = '';
    this.element = byId('styles');
    this.tip = document.createElement('div');
    this.tip.className = 'tip glass';
    this.tip.hidden = true;
    this.tip.setAttribute('aria-hidden', 'true');
    document.body.append(this.tip);
    const add = document.createElement('button');
    add.type = 'button';
    add.className = 'style add';
    add.innerHTML = '<svg aria-hidden="true"><use href="#i-plus"/></svg>';
    add.setAttribute('aria-label', 'Open a style file of your own');
    add.title = 'Open a style file of your own (.onnx)';
    add.addEventListener('click', () => this.dispatchEvent(new Event('add')));
    this.addButton = add;
    this.element.append(...this.styles.map((style) => this.#button(style)));
    this.element.append(add);
    this.element.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      this.step(step, true);
    });
  }

  /** @param {string} name */
  find(name) {
    return this.styles.find((style) => style.name === name);
  }

  /** @param {Style} style one that its user brought; it takes the place of one of the same name */
  add(style) {
    const at = this.styles.findIndex((other) => other.name === style.name);
    if (at >= 0) {
      this.element.children[at].remove();
      this.styles.splice(at, 1);
    }
    this.styles.push(style);
    this.addButton.before(this.#button(style));
  }

  /**
   * @param {string} name
   * @param {boolean} [focus]
   */
  choose(name, focus = false) {
    this.chosen = name;
    for (const button of this.element.querySelectorAll('.style[role]')) {
      if (!(button instanceof HTMLElement)) continue;
      const is = button.dataset.name === name;
      button.setAttribute('aria-checked', String(is));
      button.tabIndex = is ? 0 : -1;
      if (!is) continue;
      button.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'smooth' });
      if (focus) button.focus();
    }
  }

  /**
   * The next or the one before.
   * @param {number} step
   * @param {boolean} [focus]
   */
  step(step, focus = false) {
    const at = this.styles.findIndex((style) => style.name === this.chosen);
    const next = this.styles[(at + step + this.styles.length) % this.styles.length];
    this.choose(next.name, focus);
    this.dispatchEvent(new CustomEvent('choose', { detail: next.name }));
  }

  /** @param {Style} style */
  #button(style) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'style';
    button.dataset.name = style.name;
    button.setAttribute('role', 'radio');
    button.setAttribute('aria-checked', 'false');
    button.setAttribute('aria-label', [style.title, style.variant, style.artist, style.year].filter(Boolean).join(', '));
    button.tabIndex = -1;
    if (style.thumbnail) {
      const image = new Image();
      image.src = style.thumbnail;
      image.alt = '';
      image.draggable = false;
      button.append(image);
    } else {
      const swatch = document.createElement('span');
      swatch.className = 'swatch';
      swatch.textContent = (style.title || style.name).slice(0, 1);
      button.append(swatch);
    }
    if (style.variant) {
      const tag = document.createElement('span');
      tag.className = 'variant';
      tag.textContent = style.variant;
      button.append(tag);
    }
    button.addEventListener('click', () => {
      this.choose(style.name);
      this.dispatchEvent(new CustomEvent('choose', { detail: style.name }));
    });
    button.addEventListener('pointerenter', (event) => event.pointerType === 'mouse' && this.#showTip(button, style));
    button.addEventListener('pointerleave', () => { this.tip.hidden = true; });
    return button;
  }

  /**
   * @param {HTMLElement} button
   * @param {Style} style
   */
  #showTip(button, style) {
    const [title, rest] = [document.createElement('cite'), document.createElement('span')];
    title.textContent = style.title || style.name;
    rest.textContent = [style.artist, style.year].filter(Boolean).join(', ');
    this.tip.replaceChildren(title, rest);
    this.tip.hidden = false;
    const box = button.getBoundingClientRect();
    const upright = this.element.scrollHeight > this.element.clientHeight || this.element.clientWidth < 200;
    const { width, height } = this.tip.getBoundingClientRect();
    const left = upright ? box.right + 14 : Math.max(8, Math.min(innerWidth - width - 8, box.left + box.width / 2 - width / 2));
    const top = upright ? Math.max(8, Math.min(innerHeight - height - 8, box.top + box.height / 2 - height / 2)) : box.top - height - 12;
    this.tip.style.left = `${left}px`;
    this.tip.style.top = `${top}px`;
  }
}

/**
 * `portrait` for starry_night_portrait beside starry_night, `small` for starry_night-s, where both are of one painting.
 * @param {Style} style
 * @param {Style[]} styles
 */
function variantOf(style, styles) {
  const ofOnePainting = styles.filter((other) => other !== style && other.title === style.title);
  if (ofOnePainting.some((other) => style.name === `${other.name}-s`)) return 'small';
  const base = ofOnePainting.find((other) => style.name.startsWith(`${other.name}_`));
  return base ? style.name.slice(base.name.length + 1).replaceAll('_', ' ') : '';
}

// @ts-check
/** Where the picture hangs: its size in the window, the canvas that the worker draws to, before and after. */

import { byId } from './dom.js';

export class Stage {
  constructor() {
    this.element = byId('stage');
    this.frame = byId('frame');
    this.original = byId('original', HTMLCanvasElement);
    this.video = byId('video', HTMLVideoElement);
    this.divider = byId('divider');
    this.width = 3;
    this.height = 2;
    this.split = 50;
    /** @type {HTMLCanvasElement} */
    this.canvas = document.createElement('canvas');
    new ResizeObserver(() => this.fit()).observe(this.element);
    this.#followDivider();
  }

  /** A new canvas for an engine; an old one is bound to the engine that drew to it. */
  newCanvas() {
    this.canvas = document.createElement('canvas');
    byId('picture').replaceChildren(this.canvas);
    return this.canvas.transferControlToOffscreen();
  }

  /**
   * @param {number} width of the picture
   * @param {number} height
   */
  resize(width, height) {
    [this.width, this.height] = [width, height];
    this.fit();
  }

  /** The picture as large as its place allows, in whole device pixels. */
  fit() {
    const { clientWidth, clientHeight } = this.element;
    const factor = Math.min(clientWidth / this.width, clientHeight / this.height);
    const ratio = devicePixelRatio || 1;
    this.frame.style.width = `${Math.round(this.width * factor * ratio) / ratio}px`;
    this.frame.style.height = `${Math.round(this.height * factor * ratio) / ratio}px`;
  }

  /** @param {ImageBitmap} bitmap the photo, for before and after and for the light on the wall */
  showOriginal(bitmap) {
    const maxSide = 2048;
    const factor = Math.min(1, maxSide / Math.max(bitmap.width, bitmap.height));
    this.original.width = Math.round(bitmap.width * factor);
    this.original.height = Math.round(bitmap.height * factor);
    const context = this.original.getContext('2d');
    if (!context) return;
    context.fillStyle = '#fff';
    context.fillRect(0, 0, this.original.width, this.original.height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, this.original.width, this.original.height);
  }

  /** @param {CanvasImageSource} source what lights the wall */
  light(source) {
    const ambient = byId('ambient', HTMLCanvasElement);
    try {
      ambient.getContext('2d')?.drawImage(source, 0, 0, ambient.width, ambient.height);
      document.body.dataset.lit = '';
    } catch {
      // A canvas that a graphics card draws to may not be readable: then the wall stays as it is.
    }
  }

  get compares() {
    return 'compare' in document.body.dataset;
  }

  /** @param {boolean} on */
  compare(on) {
    document.body.toggleAttribute('data-compare', on);
    byId('compare').setAttribute('aria-pressed', String(on));
    this.divider.hidden = !on;
    this.splitAt(this.split);
  }

  /** @param {number} percent */
  splitAt(percent) {
    this.split = Math.min(100, Math.max(0, percent));
    this.frame.style.setProperty('--split', `${this.split}%`);
    this.divider.setAttribute('aria-valuenow', String(Math.round(this.split)));
    this.divider.setAttribute('aria-valuetext', `${Math.round(this.split)} % of the photo`);
  }

  #followDivider() {
    const follow = (/** @type {PointerEvent} */ event) => {
      const box = this.frame.getBoundingClientRect();
      this.splitAt((100 * (event.clientX - box.left)) / box.width);
    };
    this.divider.addEventListener('pointerdown', (event) => {
      this.divider.setPointerCapture(event.pointerId);
      follow(event);
    });
    this.divider.addEventListener('pointermove', (event) => {
      if (this.divider.hasPointerCapture(event.pointerId)) follow(event);
    });
    this.divider.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -2, ArrowRight: 2, ArrowDown: -2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      this.splitAt(this.split + step);
    });
  }
}

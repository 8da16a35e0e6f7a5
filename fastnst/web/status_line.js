// @ts-check
/** The line that says what happens: sizes, times, frames a second, and what went wrong. */

import { byId, toast } from './dom.js';

const RATE_WINDOW = 2000; // ms over which frames are counted
const RATE_PERIOD = 1000; // ms between two figures

export class StatusLine {
  /** @param {import('./studio.js').Studio} studio */
  constructor(studio) {
    this.studio = studio;
    this.times = /** @type {number[]} */ ([]); // of frames
    this.shown = 0; // when the rate was
    const status = byId('status');
    studio.painter.onState = (state, answer) => {
      document.body.dataset.state = state;
      if (state === 'painting') status.textContent = 'Painting…';
      else if (answer) {
        const { width, height, ms } = answer;
        const own = studio.photoSize;
        const reduced = own && own.width !== width ? ` (the photo has ${own.width}×${own.height}; it is saved at that size)` : '';
        showStatus(`${width}×${height}${reduced} · ${duration(ms)}`, studio.painter.engine.detail);
      }
    };
    studio.painter.onError = (error) => studio.fail(error);
    studio.addEventListener('failed', (event) => {
      const message = /** @type {CustomEvent} */ (event).detail;
      document.body.dataset.state = 'ready';
      status.textContent = message;
      toast(message);
    });
    studio.addEventListener('note', (event) => toast(/** @type {CustomEvent} */ (event).detail));
    studio.addEventListener('engine', () => {
      status.title = studio.painter.engine.why;
      document.body.dataset.engine = studio.painter.engine.name;
    });
    studio.addEventListener('frame', (event) => this.#countFrame(/** @type {CustomEvent} */ (event).detail));
  }

  /** @param {{width: number, height: number}} frame */
  #countFrame({ width, height }) {
    document.body.dataset.state = 'ready';
    const now = performance.now();
    this.times.push(now);
    while (this.times[0] < now - RATE_WINDOW) this.times.shift();
    document.body.dataset.frames = String(Number(document.body.dataset.frames ?? 0) + 1);
    if (now - this.shown < RATE_PERIOD) return;
    this.shown = now;
    const rate = this.times.length > 1 ? (1000 * (this.times.length - 1)) / (now - this.times[0]) : 0;
    showStatus(`${rate.toFixed(0)} frames a second · ${width}×${height}`, this.studio.painter.engine.detail);
    this.studio.stage.light(this.studio.stage.video);
  }
}

/** @param {number} ms */
function duration(ms) {
  return ms < 950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * @param {string} text
 * @param {string} engine left out where there is little room
 */
function showStatus(text, engine) {
  const detail = document.createElement('span');
  detail.className = 'detail';
  detail.textContent = ` · ${engine}`;
  byId('status').replaceChildren(text, detail);
}

// @ts-check
/**
 * Between the page and the worker: brings what is shown up to date with the settings, and never lets work queue up.
 *
 * Whatever changes is only noted; when the worker is free, the newest state is what it works on.
 */

import { Client } from './client.js';

/** @typedef {import('./settings.js').Settings} Settings */
/** @typedef {import('./gallery.js').Style} Style */

export class Painter {
  /**
   * @param {import('./stage.js').Stage} stage
   * @param {(name: string) => Style | undefined} find
   */
  constructor(stage, find) {
    this.stage = stage;
    this.find = find;
    this.client = new Client('worker.js');
    this.engine = { name: '', detail: 'no engine', why: '' };
    /** @type {Settings | null} */
    this.settings = null;
    this.live = false;
    /** @type {Map<string, Promise<Uint8Array>>} */
    this.files = new Map();
    this.used = ['', '']; // files that the worker has open
    this.painted = ''; // what the shown picture was painted with
    this.wanted = { paint: false, show: false };
    this.running = false;
    this.done = Promise.resolve(); // when what is wanted is shown
    this.hasPhoto = false;
    /** @type {(state: 'painting' | 'ready', answer?: {ms: number, width: number, height: number}) => void} */
    this.onState = () => {};
    /** @type {(error: Error) => void} */
    this.onError = () => {};
    /** @type {(reason: string) => void} */
    this.onLost = () => {};
    /** @type {(share: number) => void} */
    this.onProgress = () => {};
    this.client.onNews = (news) => {
      if (news.lost) this.onLost(news.lost);
      if (news.progress !== undefined) this.onProgress(news.progress);
    };
  }

  /** @param {'auto' | 'webgpu' | 'wasm'} wanted */
  async open(wanted) {
    const canvas = this.stage.newCanvas();
    this.engine = await this.client.ask('open', { canvas, wanted }, [canvas]);
    this.used = ['', ''];
    this.painted = '';
    return this.engine;
  }

  /**
   * @param {ImageBitmap} bitmap given away
   * @returns {Promise<{width: number, height: number}>} at which it is shown
   */
  async photo(bitmap) {
    const size = await this.client.ask('photo', { bitmap }, [bitmap]);
    this.hasPhoto = true;
    this.painted = '';
    return size;
  }

  /**
   * Shows these settings as soon as possible.
   * @param {Settings} settings
   */
  update(settings) {
    this.settings = { ...settings };
    if (this.live) return; // the next frame has it
    this.wanted.show = true;
    if (!this.running && this.hasPhoto) this.done = this.#run();
  }

  /** What the last pass does. */
  get options() {
    const { strength, mix, keep, portrait } = /** @type {Settings} */ (this.settings);
    return { strength, mix, keep, portrait };
  }

  async #run() {
    this.running = true;
    try {
      while (this.wanted.show && this.settings && !this.live) {
        this.wanted.show = false;
        const settings = this.settings;
        const key = JSON.stringify([settings.style, settings.mixStyle, settings.stroke]);
        if (key === this.painted) {
          await this.client.ask('show', { options: this.options });
          continue;
        }
        this.onState('painting');
        await this.useStyles(settings);
        if (this.settings !== settings) {
          this.wanted.show = true; // it has changed while files came: paint the newest only
          continue;
        }
        const answer = await this.client.ask('paint', { stroke: settings.stroke, options: this.options });
        this.painted = key;
        this.onState('ready', answer);
      }
    } catch (error) {
      this.painted = '';
      this.onState('ready');
      this.onError(/** @type {Error} */ (error));
    } finally {
      this.running = false;
    }
  }

  /**
   * Opens the styles that settings name in the worker, where they are not yet.
   * @param {Settings} settings
   */
  async useStyles(settings) {
    for (const [slot, name] of [settings.style, settings.mixStyle].entries()) {
      const style = name ? this.find(name) : undefined;
      const file = style ? this.#file(style) : '';
      if (this.used[slot] === file) continue;
      const bytes = style ? await this.fetch(style) : null;
      this.engine.detail = await this.client.ask('use', { slot, bytes });
      this.used[slot] = file;
    }
  }

  /** @param {Style} style the smaller network where time is short */
  #file(style) {
    const { file, version } = (this.live && this.engine.name === 'wasm' && style.light) || style;
    return style.bytes ? `own:${style.name}:${style.version}` : `${file}?v=${version}`;
  }

  /** @param {Style} style */
  fetch(style) {
    if (style.bytes) return Promise.resolve(style.bytes);
    const file = this.#file(style);
    let bytes = this.files.get(file);
    if (!bytes) {
      bytes = load(file);
      this.files.set(file, bytes);
      bytes.catch(() => this.files.delete(file));
    }
    return bytes;
  }

  /**
   * One frame of the camera; a picture with the newest settings.
   * @param {VideoFrame | ImageBitmap} frame given away
   * @param {{width: number, height: number, mirror: boolean}} size
   */
  async frame(frame, size) {
    const settings = /** @type {Settings} */ (this.settings);
    try {
      await this.useStyles(settings);
    } catch (error) {
      frame.close();
      throw error;
    }
    return this.client.ask('frame', { frame, ...size, stroke: settings.stroke, options: this.options }, [frame]);
  }

  /** @param {import('./finish.js').Matte | null} matte */
  async matte(matte) {
    await this.client.ask('matte', { matte });
    if (!this.live && this.settings) this.update(this.settings);
  }

  /**
   * @param {string} type
   * @param {boolean} full at the photo's own size
   * @returns {Promise<{blob: Blob, width: number, height: number}>}
   */
  async save(type, full) {
    await this.done; // or it would be the picture of earlier settings, under the name of these
    const stroke = this.settings?.stroke ?? 1;
    return this.client.ask('save', { type, quality: 0.92, full, stroke, options: this.options });
  }
}

/** @param {string} address */
async function load(address) {
  let answer;
  try {
    answer = await fetch(address);
  } catch {
    throw new Error('The style cannot be loaded: there is no network, and it has not been used before.');
  }
  if (!answer.ok) throw new Error(`The style cannot be loaded (${answer.status}).`);
  return new Uint8Array(await answer.arrayBuffer());
}

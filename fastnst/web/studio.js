// @ts-check
/** What the page works with: the photo or the camera, the settings, and who paints it. */

import { Camera, SizeKeeper } from './camera.js';
import { Client } from './client.js';
import { Gallery } from './gallery.js';
import { Painter } from './painter.js';
import { readSettings, writeSettings } from './settings.js';
import { isStyleFile, readPhoto } from './sources.js';
import { Stage } from './stage.js';

// Shown first: it flatters faces, of which photos and cameras have many.
const FIRST_STYLE = 'edtaonisl';
const START_SIZE = { webgpu: 640, wasm: 320 }; // long side of the first frames of the camera

export class Studio extends EventTarget {
  /**
   * @param {any} catalog styles.json
   * @param {URLSearchParams} parameters of the address
   */
  constructor(catalog, parameters) {
    super();
    this.catalog = catalog;
    this.parameters = parameters;
    this.gallery = new Gallery(catalog.styles);
    this.stage = new Stage();
    this.camera = new Camera(this.stage.video);
    this.painter = new Painter(this.stage, (name) => this.gallery.find(name));
    this.settings = this.#readAddress();
    this.mirror = true;
    this.photoName = 'sample.jpg';
    /** @type {{width: number, height: number} | null} the photo's own size */
    this.photoSize = null;
    /** @type {ImageBitmap | null} a small copy to find people in */
    this.small = null;
    /** @type {Client | null} */
    this.matting = null;
    this.live = 0; // the number of the loop that runs; 0 for none
    this.loops = 0;
    this.turns = 0; // pictures and cameras that were asked for; the last one counts
    this.painter.onLost = () => void this.#reopen();
  }

  /** Opens the engine and shows the sample, or the camera where the address says so. */
  async open() {
    const wanted = this.parameters.get('engine');
    await this.painter.open(wanted === 'wasm' || wanted === 'webgpu' ? wanted : 'auto');
    this.emit('engine');
    this.gallery.choose(this.settings.style);
    const clean = this.parameters.get('clean') === '1';
    const source = this.parameters.get('source') ?? (clean ? 'camera' : 'photo');
    if (source === 'camera') {
      try {
        await this.startCamera();
        return;
      } catch (error) {
        this.turns = 0;
        this.fail(/** @type {Error} */ (error));
      }
    }
    const sample = await fetch('sample.jpg');
    const picture = await sample.blob();
    if (this.turns === 0) await this.openPhoto(picture, 'sample.jpg'); // else its user was faster
  }

  /** @param {string} what @param {any} [detail] */
  emit(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }

  /** @param {Error} error */
  fail(error) {
    this.emit('failed', error.message);
  }

  #readAddress() {
    const settings = readSettings(location.hash, (name) => Boolean(this.gallery.find(name)));
    settings.style ||= this.gallery.find(FIRST_STYLE)?.name ?? this.gallery.styles[0].name;
    if (!this.catalog.matting) settings.portrait = 'off';
    return settings;
  }

  /** The address has changed by hand, or by the way back. */
  followAddress() {
    this.change(this.#readAddress());
    this.gallery.choose(this.settings.style);
  }

  /** @param {Partial<import('./settings.js').Settings>} changes */
  change(changes) {
    Object.assign(this.settings, changes);
    history.replaceState(null, '', writeSettings(this.settings));
    this.emit('settings');
    if (this.settings.portrait !== 'off' && !this.live) this.findPeople();
    this.painter.update(this.settings);
  }

  /**
   * A file as it came: a photo, or a style.
   * @param {File} file
   */
  async take(file) {
    try {
      if (isStyleFile(file)) await this.#takeStyle(file);
      else await this.openPhoto(file, file.name || 'pasted.png');
    } catch (error) {
      this.fail(/** @type {Error} */ (error));
    }
  }

  /** @param {File} file */
  async #takeStyle(file) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    let properties;
    try {
      properties = await this.painter.client.ask('describe', { bytes });
    } catch (error) {
      throw new Error(`${file.name} cannot be used: ${/** @type {Error} */ (error).message}.`);
    }
    const of = (/** @type {string} */ key) => properties[`fastnst.${key}`] ?? '';
    const name = of('name');
    const version = String(Date.now());
    this.gallery.add({ name, title: of('title') || name, artist: of('artist'), year: of('year'), bytes, version });
    this.emit('styles');
    this.gallery.choose(name);
    this.change({ style: name });
  }

  /**
   * @param {Blob} blob
   * @param {string} name
   */
  async openPhoto(blob, name) {
    const turn = ++this.turns;
    const bitmap = await readPhoto(blob, name);
    if (turn !== this.turns) {
      bitmap.close();
      return;
    }
    this.stopCamera();
    this.photoName = name;
    this.photoSize = { width: bitmap.width, height: bitmap.height };
    this.stage.resize(bitmap.width, bitmap.height);
    this.stage.showOriginal(bitmap);
    this.stage.light(this.stage.original);
    this.small?.close();
    const least = Math.min(1, 512 / Math.min(bitmap.width, bitmap.height));
    this.small = await createImageBitmap(this.stage.original, {
      resizeWidth: Math.max(1, Math.round(bitmap.width * least)),
      resizeHeight: Math.max(1, Math.round(bitmap.height * least)),
      resizeQuality: 'high',
    });
    await this.painter.matte(null);
    await this.painter.photo(bitmap);
    this.peopleFound = false;
    document.body.dataset.source = 'photo';
    this.emit('source');
    if (this.settings.portrait !== 'off') this.findPeople();
    this.painter.update(this.settings);
  }

  /** Finds people in the photo, once. */
  findPeople() {
    if (this.peopleFound || !this.small) return;
    this.peopleFound = true;
    this.finding = this.#find(this.small);
  }

  /** @param {ImageBitmap} photo */
  async #find(photo) {
    try {
      const matting = await this.#openMatting();
      const matte = await matting.ask('find', { picture: photo });
      if (photo !== this.small) return; // another photo has come
      if (!matte) this.emit('note', 'Nobody was found in this picture.');
      await this.painter.matte(matte);
    } catch (error) {
      this.peopleFound = false;
      this.fail(/** @type {Error} */ (error));
    }
  }

  async #openMatting() {
    if (this.matting) return this.matting;
    const answer = await fetch(this.catalog.matting);
    if (!answer.ok) throw new Error(`The model that finds people cannot be loaded (${answer.status}).`);
    const matting = new Client('matting.js');
    await matting.ask('open', { bytes: new Uint8Array(await answer.arrayBuffer()) });
    this.matting = matting;
    return matting;
  }

  /** @param {MediaTrackConstraints} [which] */
  async startCamera(which) {
    this.turns += 1;
    this.stopCamera();
    await this.camera.start(which);
    this.#showCamera();
  }

  async flipCamera() {
    this.live = 0;
    await this.camera.flip();
    this.#showCamera();
  }

  #showCamera() {
    const { videoWidth, videoHeight } = this.stage.video;
    this.mirror = this.camera.facesUser;
    document.body.dataset.source = 'camera';
    this.stage.resize(videoWidth, videoHeight);
    this.emit('source');
    this.live = ++this.loops;
    this.painter.live = true;
    this.painter.settings = { ...this.settings };
    void this.#restyleFrames(this.live);
    void this.#findPeopleInFrames(this.live);
  }

  stopCamera() {
    this.live = 0;
    this.painter.live = false;
    this.camera.stop();
  }

  /** @param {number} loop ends when another takes its place */
  async #restyleFrames(loop) {
    const engine = /** @type {'webgpu' | 'wasm'} */ (this.painter.engine.name);
    const fixed = Number(this.parameters.get('size')) || 0;
    const keeper = new SizeKeeper(START_SIZE[engine]);
    let failures = 0;
    while (this.live === loop) {
      try {
        const frame = await this.camera.nextFrame();
        if (this.live !== loop) return frame.close();
        this.stage.resize(this.stage.video.videoWidth, this.stage.video.videoHeight);
        const size = this.camera.sizeFor(fixed || keeper.longSide);
        const { ms } = await this.painter.frame(frame, { ...size, mirror: this.mirror });
        failures = 0;
        if (!fixed) keeper.note(ms);
        this.emit('frame', { ...size, ms });
      } catch (error) {
        failures += 1;
        if (this.live !== loop) return;
        if (failures >= 3) {
          this.stopCamera();
          this.fail(/** @type {Error} */ (error));
        }
      }
    }
  }

  /** @param {number} loop */
  async #findPeopleInFrames(loop) {
    let shown = false;
    while (this.live === loop) {
      if (this.settings.portrait === 'off') {
        if (shown) await this.painter.matte(null);
        shown = false;
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      try {
        const matting = await this.#openMatting();
        const size = this.camera.sizeFor(384);
        const picture = await createImageBitmap(this.stage.video, { resizeWidth: size.width, resizeHeight: size.height });
        const matte = await matting.ask('find', { picture, mirror: this.mirror });
        if (this.live === loop) await this.painter.matte(matte);
        shown = true;
      } catch (error) {
        if (this.live !== loop) return;
        this.fail(/** @type {Error} */ (error));
        this.change({ portrait: 'off' });
      }
    }
  }

  /** The engine was lost (a graphics driver that restarted, a card that was taken away): another is opened. */
  async #reopen() {
    this.emit('note', 'The graphics engine was lost; it is started again.');
    try {
      await this.painter.open('auto');
      this.emit('engine');
      if (!this.live) {
        await this.painter.client.ask('view');
        this.painter.update(this.settings);
      }
    } catch (error) {
      this.fail(/** @type {Error} */ (error));
    }
  }
}

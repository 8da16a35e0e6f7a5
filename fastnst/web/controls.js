// @ts-check
/** Buttons, sliders and keys. */

import { byId, onClick, toast } from './dom.js';
import { record } from './recording.js';
import { copyPicture, download, fileName, sharePicture } from './saving.js';
import { PLAIN } from './settings.js';
import { askForFile, watchFiles } from './sources.js';

const IDLE = 3000; // ms without a movement until the controls leave a picture that is alone

export class Controls {
  /** @param {import('./studio.js').Studio} studio */
  constructor(studio) {
    this.studio = studio;
    /** @type {ReturnType<typeof record> | null} */
    this.clip = null;
    this.times = /** @type {number[]} */ ([]);
    this.#sources();
    this.#look();
    this.#saving();
    this.#alone();
    this.#status();
    addEventListener('keydown', (event) => this.#key(event));
    addEventListener('hashchange', () => studio.followAddress());
    studio.gallery.addEventListener('choose', (event) => {
      studio.change({ style: /** @type {CustomEvent} */ (event).detail });
    });
    studio.gallery.addEventListener('add', askForFile);
    studio.addEventListener('look', () => this.showLook());
    studio.addEventListener('styles', () => this.#listStyles());
    this.#listStyles();
    this.showLook();
  }

  #sources() {
    const { studio } = this;
    watchFiles((file) => {
      byId('hint').hidden = true;
      void studio.take(file);
    });
    onClick('choose', askForFile);
    onClick('choose-hint', askForFile);
    onClick('camera', () => void this.toggleCamera());
    onClick('flip', () => void studio.flipCamera().catch((error) => studio.fail(error)));
    onClick('mirror', () => this.toggleMirror());
    byId('device').addEventListener('change', (event) => {
      const deviceId = /** @type {HTMLSelectElement} */ (event.target).value;
      void studio.startCamera({ deviceId: { exact: deviceId } }).catch((error) => studio.fail(error));
    });
    studio.addEventListener('source', () => {
      const live = studio.camera.on;
      byId('choose').setAttribute('aria-pressed', String(!live));
      byId('camera').setAttribute('aria-pressed', String(live));
      byId('flip').hidden = studio.camera.devices.length < 2;
      byId('hint').hidden = live || studio.photoName !== 'sample.jpg';
      byId('device').replaceChildren(...studio.camera.devices.map(({ deviceId, label }, index) =>
        new Option(label || `Camera ${index + 1}`, deviceId, false, deviceId === studio.camera.device)));
      this.#showMirror();
      if (!live) this.stopRecording();
    });
  }

  async toggleCamera() {
    const { studio } = this;
    if (studio.camera.on) {
      askForFile();
      return;
    }
    byId('status').textContent = 'Waiting for the camera…';
    try {
      await studio.startCamera();
    } catch (error) {
      studio.fail(/** @type {Error} */ (error));
    }
  }

  toggleMirror() {
    this.studio.mirror = !this.studio.mirror;
    this.#showMirror();
  }

  #showMirror() {
    byId('mirror').setAttribute('aria-pressed', String(this.studio.mirror));
    this.studio.stage.video.classList.toggle('mirrored', this.studio.mirror);
  }

  #look() {
    const { studio } = this;
    for (const key of /** @type {const} */ (['strength', 'stroke', 'mix'])) {
      byId(key).addEventListener('input', (event) => {
        studio.change({ [key]: Number(/** @type {HTMLInputElement} */ (event.target).value) });
      });
    }
    byId('keep').addEventListener('change', () => studio.change({ keep: byId('keep', HTMLInputElement).checked }));
    byId('mix-style').addEventListener('change', () => studio.change({ mixStyle: byId('mix-style', HTMLSelectElement).value }));
    byId('portrait-row').addEventListener('change', (event) => {
      studio.change({ portrait: /** @type {any} */ (event.target).value });
    });
    byId('portrait-row').hidden = !studio.catalog.matting;
    onClick('reset', () => studio.change({ ...PLAIN, style: studio.look.style }));
    onClick('adjust', () => this.togglePanel());
    onClick('compare', () => studio.stage.compare(!studio.stage.compares));
    this.#peek();
  }

  /** Holding the picture shows the photo. */
  #peek() {
    const picture = byId('picture');
    const peek = (/** @type {boolean} */ on) => document.body.toggleAttribute('data-peek', on);
    picture.addEventListener('pointerdown', () => peek(true));
    addEventListener('pointerup', () => peek(false));
    addEventListener('pointercancel', () => peek(false));
    picture.addEventListener('contextmenu', (event) => event.preventDefault());
  }

  /** @param {boolean} [open] */
  togglePanel(open = Boolean(byId('panel').hidden)) {
    byId('panel').hidden = !open;
    byId('adjust').setAttribute('aria-expanded', String(open));
    if (open) {
      this.toggleSaveMenu(false);
      byId('strength').focus({ preventScroll: true });
    }
  }

  showLook() {
    const { look, gallery } = this.studio;
    const style = gallery.find(look.style);
    byId('painting').textContent = style?.title || look.style;
    byId('artist').textContent = [style?.variant, style?.artist, style?.year].filter(Boolean).join(', ');
    byId('picture').setAttribute('aria-label', `The picture in the style of ${style?.title || look.style}`);
    const slider = (/** @type {'strength' | 'stroke' | 'mix'} */ key, /** @type {string} */ text) => {
      const input = byId(key, HTMLInputElement);
      input.value = String(look[key]);
      const [low, high] = [Number(input.min), Number(input.max)];
      input.style.setProperty('--fill', `${(100 * (look[key] - low)) / (high - low)}%`);
      input.setAttribute('aria-valuetext', text);
      byId(`${key}-value`).textContent = text;
    };
    slider('strength', `${Math.round(100 * look.strength)} %`);
    slider('stroke', `${look.stroke.toFixed(2).replace(/0?0$/, '').replace(/\.$/, '')}×`);
    slider('mix', `${Math.round(100 * look.mix)} %`);
    byId('keep', HTMLInputElement).checked = look.keep;
    byId('mix-style', HTMLSelectElement).value = look.mixStyle;
    byId('mix-row').hidden = !look.mixStyle;
    for (const input of byId('portrait-row').querySelectorAll('input')) input.checked = input.value === look.portrait;
  }

  #listStyles() {
    const none = new Option('no other style', '');
    const options = this.studio.gallery.styles.map(({ name, title, variant }) => new Option(variant ? `${title} (${variant})` : title || name, name));
    byId('mix-style').replaceChildren(none, ...options);
    byId('mix-style', HTMLSelectElement).value = this.studio.look.mixStyle;
  }

  #saving() {
    onClick('save', () => this.toggleSaveMenu());
    onClick('save-png', () => void this.save('png'));
    onClick('save-jpeg', () => void this.save('jpeg'));
    onClick('copy', () => {
      this.toggleSaveMenu(false);
      void copyPicture(this.studio.painter.save('image/png', false).then(({ blob }) => blob));
    });
    onClick('share', () => void this.#withPicture('jpeg', sharePicture));
    onClick('copy-link', () => {
      this.toggleSaveMenu(false);
      navigator.clipboard.writeText(location.href).then(
        () => toast('The link is copied: it opens this look.'),
        () => toast(`The link is in the address bar: ${location.hash}`),
      );
    });
    onClick('record', () => this.toggleRecording());
    onClick('cancel', () => this.studio.painter.client.tell('cancel'));
    this.studio.painter.onProgress = (share) => {
      byId('progress').hidden = false;
      byId('progress-bar', HTMLProgressElement).value = share;
    };
    document.addEventListener('pointerdown', (event) => {
      const inside = event.target instanceof Element && event.target.closest('#save-menu, #save');
      if (!inside) this.toggleSaveMenu(false);
    });
  }

  /** @param {boolean} [open] */
  toggleSaveMenu(open = Boolean(byId('save-menu').hidden)) {
    const menu = byId('save-menu');
    if (menu.hidden === !open) return;
    menu.hidden = !open;
    byId('save').setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.togglePanel(false);
    const { photoSize, camera } = this.studio;
    byId('save-size').textContent = camera.on || !photoSize ? 'this moment' : `${photoSize.width}×${photoSize.height}`;
    byId('save-png').focus({ preventScroll: true });
  }

  /** @param {'png' | 'jpeg'} kind */
  save(kind) {
    return this.#withPicture(kind, download);
  }

  /**
   * @param {'png' | 'jpeg'} kind
   * @param {(blob: Blob, name: string) => any} use
   */
  async #withPicture(kind, use) {
    const { studio } = this;
    this.toggleSaveMenu(false);
    const look = studio.look;
    const style = look.mixStyle ? `${look.style}+${look.mixStyle}` : look.style;
    const photo = studio.camera.on ? `camera-${new Date().toISOString().slice(0, 19).replace(/\D/g, '-')}` : studio.photoName;
    try {
      await studio.finding;
      const { blob } = await studio.painter.save(`image/${kind}`, !studio.camera.on);
      await use(blob, fileName(photo, style, kind === 'jpeg' ? 'jpg' : 'png'));
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      if (message !== 'cancelled') toast(`The picture was not saved: ${message}`);
    } finally {
      byId('progress').hidden = true;
    }
  }

  toggleRecording() {
    if (this.clip) {
      this.stopRecording();
      return;
    }
    const { studio } = this;
    const name = studio.look.style;
    try {
      this.clip = record(studio.stage.canvas, (blob, suffix) => {
        if (blob.size) download(blob, fileName('camera', name, suffix));
        else toast('The recording is empty.');
      });
    } catch (error) {
      toast(/** @type {Error} */ (error).message);
      return;
    }
    byId('record').setAttribute('aria-pressed', 'true');
    this.clock = setInterval(() => {
      const seconds = Math.floor((performance.now() - (this.clip?.started ?? 0)) / 1000);
      byId('record-label').textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    }, 250);
  }

  stopRecording() {
    clearInterval(this.clock);
    this.clip?.stop();
    this.clip = null;
    byId('record').setAttribute('aria-pressed', 'false');
    byId('record-label').textContent = 'Record';
  }

  /** The picture alone: controls come back with the pointer. */
  #alone() {
    onClick('fullscreen', () => this.toggleAlone());
    document.addEventListener('fullscreenchange', () => {
      if (!document.fullscreenElement) this.toggleAlone(false);
    });
    let timer = 0;
    const wake = () => {
      document.body.removeAttribute('data-idle');
      clearTimeout(timer);
      if ('alone' in document.body.dataset) timer = setTimeout(() => document.body.toggleAttribute('data-idle', true), IDLE);
    };
    addEventListener('pointermove', wake);
    byId('stage').addEventListener('dblclick', () => this.toggleAlone());
  }

  toggleAlone(on = !('alone' in document.body.dataset)) {
    document.body.toggleAttribute('data-alone', on);
    for (const part of document.querySelectorAll('.bar, .rail, .foot')) part.toggleAttribute('inert', on);
    this.togglePanel(false);
    if (on && !document.fullscreenElement) document.documentElement.requestFullscreen?.().catch(() => {});
    else if (!on && document.fullscreenElement) void document.exitFullscreen();
  }

  #status() {
    const { studio } = this;
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
    while (this.times[0] < now - 2000) this.times.shift();
    document.body.dataset.frames = String(Number(document.body.dataset.frames ?? 0) + 1);
    if (now - (this.told ?? 0) < 1000) return;
    this.told = now;
    const rate = this.times.length > 1 ? (1000 * (this.times.length - 1)) / (now - this.times[0]) : 0;
    showStatus(`${rate.toFixed(0)} frames a second · ${width}×${height}`, this.studio.painter.engine.detail);
    this.studio.stage.light(this.studio.stage.video);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    const types = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    const presses = target instanceof HTMLButtonElement;
    if (event.key === 'Escape') {
      if (!byId('save-menu').hidden) {
        this.toggleSaveMenu(false);
        byId('save').focus();
      } else if (!byId('panel').hidden) {
        this.togglePanel(false);
        byId('adjust').focus();
      } else this.toggleAlone(false);
      return;
    }
    if (types) return;
    const { studio } = this;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowRight: () => studio.gallery.step(1),
      ArrowDown: () => studio.gallery.step(1),
      ArrowLeft: () => studio.gallery.step(-1),
      ArrowUp: () => studio.gallery.step(-1),
      a: () => this.togglePanel(),
      b: () => studio.stage.compare(!studio.stage.compares),
      c: () => void this.toggleCamera(),
      f: () => studio.camera.on && byId('flip').click(),
      m: () => studio.camera.on && this.toggleMirror(),
      o: askForFile,
      r: () => studio.camera.on && this.toggleRecording(),
      s: () => this.toggleSaveMenu(),
    };
    if (!presses) keys[' '] = () => this.toggleAlone();
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
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

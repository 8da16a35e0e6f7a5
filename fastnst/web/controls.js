// @ts-check
/** Buttons and sliders: what is restyled, and how. */

import { byId, onClick } from './dom.js';
import { watchKeys } from './keyboard.js';
import { SaveMenu } from './save_menu.js';
import { DEFAULTS } from './settings.js';
import { askForFile, watchFiles } from './sources.js';
import { StatusLine } from './status_line.js';

const IDLE_DELAY = 3000; // ms without a movement until the controls leave a picture that is alone

export class Controls {
  /** @param {import('./studio.js').Studio} studio */
  constructor(studio) {
    this.studio = studio;
    this.saveMenu = new SaveMenu(studio);
    this.saveMenu.onOpen = () => this.togglePanel(false);
    this.#sources();
    this.#adjust();
    this.#alone();
    new StatusLine(studio);
    watchKeys(this);
    addEventListener('hashchange', () => studio.followAddress());
    studio.gallery.addEventListener('choose', (event) => {
      studio.change({ style: /** @type {CustomEvent} */ (event).detail });
    });
    studio.gallery.addEventListener('add', askForFile);
    studio.addEventListener('settings', () => this.showSettings());
    studio.addEventListener('styles', () => this.#listStyles());
    this.#listStyles();
    this.showSettings();
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

  #adjust() {
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
    onClick('reset', () => studio.change({ ...DEFAULTS, style: studio.settings.style }));
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
      this.saveMenu.toggle(false);
      byId('strength').focus({ preventScroll: true });
    }
  }

  showSettings() {
    const { settings, gallery } = this.studio;
    const style = gallery.find(settings.style);
    byId('painting').textContent = style?.title || settings.style;
    byId('artist').textContent = [style?.variant, style?.artist, style?.year].filter(Boolean).join(', ');
    byId('picture').setAttribute('aria-label', `The picture in the style of ${style?.title || settings.style}`);
    const slider = (/** @type {'strength' | 'stroke' | 'mix'} */ key, /** @type {string} */ text) => {
      const input = byId(key, HTMLInputElement);
      input.value = String(settings[key]);
      const [low, high] = [Number(input.min), Number(input.max)];
      input.style.setProperty('--fill', `${(100 * (settings[key] - low)) / (high - low)}%`);
      input.setAttribute('aria-valuetext', text);
      byId(`${key}-value`).textContent = text;
    };
    slider('strength', `${Math.round(100 * settings.strength)} %`);
    slider('stroke', `${settings.stroke.toFixed(2).replace(/0?0$/, '').replace(/\.$/, '')}×`);
    slider('mix', `${Math.round(100 * settings.mix)} %`);
    byId('keep', HTMLInputElement).checked = settings.keep;
    byId('mix-style', HTMLSelectElement).value = settings.mixStyle;
    byId('mix-row').hidden = !settings.mixStyle;
    for (const input of byId('portrait-row').querySelectorAll('input')) input.checked = input.value === settings.portrait;
  }

  #listStyles() {
    const none = new Option('no other style', '');
    const options = this.studio.gallery.styles.map(({ name, title, variant }) => new Option(variant ? `${title} (${variant})` : title || name, name));
    byId('mix-style').replaceChildren(none, ...options);
    byId('mix-style', HTMLSelectElement).value = this.studio.settings.mixStyle;
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
      if ('alone' in document.body.dataset) timer = setTimeout(() => document.body.toggleAttribute('data-idle', true), IDLE_DELAY);
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
}

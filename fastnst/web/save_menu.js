// @ts-check
/** The menu that saves: a picture, a clip of the camera, a link. */

import { byId, onClick, toast } from './dom.js';
import { record } from './recording.js';
import { copyPicture, download, fileName, sharePicture } from './saving.js';

export class SaveMenu {
  /** @param {import('./studio.js').Studio} studio */
  constructor(studio) {
    this.studio = studio;
    this.onOpen = () => {};
    /** @type {ReturnType<typeof record> | null} */
    this.clip = null;
    onClick('save', () => this.toggle());
    onClick('save-png', () => void this.save('png'));
    onClick('save-jpeg', () => void this.save('jpeg'));
    onClick('copy', () => {
      this.toggle(false);
      void copyPicture(this.studio.painter.save('image/png', false).then(({ blob }) => blob));
    });
    onClick('share', () => void this.#withPicture('jpeg', sharePicture));
    onClick('copy-link', () => {
      this.toggle(false);
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
      if (!inside) this.toggle(false);
    });
    studio.addEventListener('source', () => {
      if (!studio.camera.on) this.stopRecording();
    });
  }

  /** @param {boolean} [open] */
  toggle(open = Boolean(byId('save-menu').hidden)) {
    const menu = byId('save-menu');
    if (menu.hidden === !open) return;
    menu.hidden = !open;
    byId('save').setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.onOpen();
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
    this.toggle(false);
    const settings = studio.settings;
    const style = settings.mixStyle ? `${settings.style}+${settings.mixStyle}` : settings.style;
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
    const name = studio.settings.style;
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
}

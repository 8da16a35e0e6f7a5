// @ts-check
/** The keys. */

import { byId } from './dom.js';
import { askForFile } from './sources.js';

/** @param {import('./controls.js').Controls} controls */
export function watchKeys(controls) {
  addEventListener('keydown', (event) => press(event, controls));
}

/**
 * @param {KeyboardEvent} event
 * @param {import('./controls.js').Controls} controls
 */
function press(event, controls) {
  const { studio, saveMenu } = controls;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target } = event;
  const types = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
  const presses = target instanceof HTMLButtonElement;
  if (event.key === 'Escape') {
    if (!byId('save-menu').hidden) {
      saveMenu.toggle(false);
      byId('save').focus();
    } else if (!byId('panel').hidden) {
      controls.togglePanel(false);
      byId('adjust').focus();
    } else controls.toggleAlone(false);
    return;
  }
  if (types) return;
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowRight: () => studio.gallery.step(1),
    ArrowDown: () => studio.gallery.step(1),
    ArrowLeft: () => studio.gallery.step(-1),
    ArrowUp: () => studio.gallery.step(-1),
    a: () => controls.togglePanel(),
    b: () => studio.stage.compare(!studio.stage.compares),
    c: () => void controls.toggleCamera(),
    f: () => studio.camera.on && byId('flip').click(),
    m: () => studio.camera.on && controls.toggleMirror(),
    o: askForFile,
    r: () => studio.camera.on && saveMenu.toggleRecording(),
    s: () => saveMenu.toggle(),
  };
  if (!presses) keys[' '] = () => controls.toggleAlone();
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

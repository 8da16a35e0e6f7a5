// @ts-check
/** The page: puts its parts together. */

import { byId } from './dom.js';
import { Controls } from './controls.js';
import { Studio } from './studio.js';
import { isolate, keepForLater } from './offline.js';

const parameters = new URLSearchParams(location.search);
document.body.toggleAttribute('data-clean', parameters.get('clean') === '1');
void start();

async function start() {
  const isReloading = await isolate();
  if (isReloading) return;
  try {
    const answer = await fetch('styles.json');
    if (!answer.ok) throw new Error(`styles.json: ${answer.status}`);
    const catalog = await answer.json();
    const studio = new Studio(catalog, parameters);
    new Controls(studio);
    await studio.open();
    void keepForLater(catalog);
  } catch (error) {
    byId('status').textContent = `The page does not start: ${/** @type {Error} */ (error).message}`;
    document.body.dataset.state = 'failed';
    throw error;
  }
}

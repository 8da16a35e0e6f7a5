// @ts-check
/** Offline use, and threads on hosts that do not send the headers for them: both by the service worker. */

const RELOADED_KEY = 'fastnst-isolated';
const MAX_WAIT = 4000; // ms to wait for the worker before going on without threads

/**
 * Registers the service worker. A page that could be isolated by it but is not yet is loaded once more.
 * @returns {Promise<boolean>} whether it is being loaded again
 */
export async function isolate() {
  if (!('serviceWorker' in navigator) || !isSecureContext) return false;
  const registered = navigator.serviceWorker.register('sw.js').catch(() => null);
  if (crossOriginIsolated || sessionStorage.getItem(RELOADED_KEY)) return false;
  if (!(await registered)) return false;
  const controlled = navigator.serviceWorker.controller
    ? true
    : await new Promise((resolve) => {
        navigator.serviceWorker.addEventListener('controllerchange', () => resolve(true), { once: true });
        setTimeout(() => resolve(false), MAX_WAIT);
      });
  if (!controlled) return false;
  sessionStorage.setItem(RELOADED_KEY, '1');
  location.reload();
  return true;
}

/**
 * Has everything kept that the page may need without a network; on metered connections only what was loaded anyway.
 * @param {any} catalog styles.json
 */
export async function keepForLater(catalog) {
  if (!('serviceWorker' in navigator) || !isSecureContext) return;
  const { active } = await navigator.serviceWorker.ready;
  const loaded = performance.getEntriesByType('resource').map(({ name }) => name);
  const ours = loaded.filter((name) => name.startsWith(new URL('./', location.href).href));
  const styles = catalog.styles.flatMap((/** @type {any} */ style) => [
    style.thumbnail,
    `${style.file}?v=${style.version}`,
    style.light ? `${style.light.file}?v=${style.light.version}` : '',
  ]);
  const connection = /** @type {any} */ (navigator).connection;
  const keep = connection?.saveData ? ours : [...ours, ...catalog.files, ...styles, catalog.matting];
  const addresses = keep.filter(Boolean).map((address) => new URL(address, location.href).href);
  navigator.serviceWorker.addEventListener('message', ({ data }) => {
    if (data.kept) document.body.dataset.offline = 'ready';
  });
  active?.postMessage({ keep: [...new Set(addresses)] });
}

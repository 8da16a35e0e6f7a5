// Keeps the page for when there is no network, and gives it the headers that threads need on hosts without them.
const VERSION = '__VERSION__';
const CACHE = `fastnst-${VERSION}`;
const SHELL = ['./', 'style.css', 'app.js', 'styles.json', 'manifest.webmanifest', 'icons/icon.svg'];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith('fastnst-') && name !== CACHE) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

// The page tells what it needs, so that it is there the next time without a network.
self.addEventListener('message', (event) => {
  if (!Array.isArray(event.data?.keep)) return;
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    for (const address of event.data.keep) {
      if (await cache.match(address)) continue;
      try {
        await cache.add(address);
      } catch {
        // Without a network it is kept another time.
      }
    }
    event.source?.postMessage({ kept: true });
  })());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  event.respondWith(answer(request, url).then(isolated));
});

/** What never changes under its address comes from the cache; all else from the network while there is one. */
async function answer(request, url) {
  const cache = await caches.open(CACHE);
  const kept = () => cache.match(request, { ignoreSearch: request.mode === 'navigate' });
  if (url.searchParams.has('v') || url.pathname.includes('/ort/')) {
    const found = await kept();
    if (found) return found;
  }
  try {
    const found = await fetch(request);
    if (found.ok && found.type === 'basic') await cache.put(request, found.clone());
    return found;
  } catch (error) {
    const found = await kept();
    if (found) return found;
    throw error;
  }
}

function isolated(response) {
  if (response.type === 'opaque' || response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

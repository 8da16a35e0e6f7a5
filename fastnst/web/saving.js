// @ts-check
/** Pictures out of the page: as a file, to the clipboard, to other apps. */

import { toast } from './dom.js';

/**
 * @param {Blob} blob
 * @param {string} name
 */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * The photo's name with the style's: `holiday.jpg` in starry_night becomes `holiday-starry_night.png`.
 * @param {string} photo
 * @param {string} style
 * @param {string} suffix
 */
export function fileName(photo, style, suffix) {
  const stem = photo.replace(/\.[^.]*$/, '').replace(/[\\/:*?"<>|]/g, '_') || 'photo';
  return `${stem}-${style.replace(/[^\w.+-]/g, '_')}.${suffix}`;
}

/** @param {Promise<Blob>} picture PNG */
export async function copyPicture(picture) {
  try {
    // Safari wants the promise itself: later it would no longer count as asked for.
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': picture })]);
    toast('Copied.');
  } catch {
    toast('This browser does not let pictures be copied: save it instead.');
  }
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
export async function sharePicture(blob, name) {
  const files = [new File([blob], name, { type: blob.type })];
  if (!navigator.canShare?.({ files })) {
    download(blob, name);
    return;
  }
  try {
    await navigator.share({ files });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return;
    download(blob, name);
  }
}

// @ts-check
/** Clips of what is shown: mp4 where the browser can write it, else webm. */

const KINDS = [
  ['video/mp4;codecs=avc1.640028', 'mp4'],
  ['video/mp4', 'mp4'],
  ['video/webm;codecs=vp9', 'webm'],
  ['video/webm', 'webm'],
];
const BITS_PER_SECOND = 12_000_000; // strokes are fine detail

/**
 * Records a canvas until `stop` of what is returned is called.
 * @param {HTMLCanvasElement} canvas
 * @param {(blob: Blob, suffix: string) => void} done
 * @returns {{stop: () => void, started: number}}
 */
export function record(canvas, done) {
  if (!globalThis.MediaRecorder || !canvas.captureStream) throw new Error('This browser cannot record clips.');
  const kind = KINDS.find(([type]) => MediaRecorder.isTypeSupported(type));
  if (!kind) throw new Error('This browser cannot record clips.');
  const stream = canvas.captureStream(30);
  const recorder = new MediaRecorder(stream, { mimeType: kind[0], videoBitsPerSecond: BITS_PER_SECOND });
  /** @type {Blob[]} */
  const parts = [];
  recorder.addEventListener('dataavailable', ({ data }) => data.size && parts.push(data));
  recorder.addEventListener('stop', () => {
    for (const track of stream.getTracks()) track.stop();
    done(new Blob(parts, { type: kind[0].split(';')[0] }), kind[1]);
  });
  recorder.start(1000);
  return { stop: () => recorder.state !== 'inactive' && recorder.stop(), started: performance.now() };
}

// @ts-check
/** The camera: choosing one, and restyling as many of its frames as the engine manages, at a size that it manages. */

const LADDER = [192, 256, 320, 416, 512, 640, 800, 960, 1280]; // long sides; multiples of 16 in both for 16:9 are near
const MIN_RATE = 24; // frames a second
const MARGIN = 1.15; // of what a larger size is expected to take

/** Finds a size at which at least 24 frames a second are restyled. */
export class SizeKeeper {
  /** @param {number} start long side */
  constructor(start) {
    this.at = Math.max(0, LADDER.indexOf(start));
    this.ms = 0;
    this.frames = 0;
    this.ceiling = LADDER.length - 1;
  }

  get longSide() {
    return LADDER[this.at];
  }

  /**
   * Takes note of one frame's time; true if the size changed.
   * @param {number} ms
   */
  note(ms) {
    this.frames += 1;
    if (this.frames <= 2) return false; // a new size costs once more
    this.ms = this.ms ? this.ms + 0.15 * (ms - this.ms) : ms;
    if (this.frames < 8) return false;
    const budget = 1000 / MIN_RATE;
    if (this.ms > budget && this.at > 0) {
      this.ceiling = this.at - 1; // it was tried and is too large
      return this.#move(-1);
    }
    if (this.at < this.ceiling && this.frames > 40) {
      const growth = (LADDER[this.at + 1] / LADDER[this.at]) ** 2;
      if (this.ms * growth * MARGIN < budget) return this.#move(1);
    }
    return false;
  }

  /** @param {number} step */
  #move(step) {
    this.at += step;
    [this.ms, this.frames] = [0, 0];
    return true;
  }
}

export class Camera {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {MediaDeviceInfo[]} */
    this.devices = [];
    this.device = '';
  }

  get on() {
    return this.stream !== null;
  }

  /** Whether it looks at its user: then a mirror image is what they expect. */
  get facesUser() {
    const facing = this.stream?.getVideoTracks()[0]?.getSettings().facingMode;
    return facing !== 'environment';
  }

  /**
   * Throws an Error with one sentence if there is no camera, or it may not be used.
   * @param {MediaTrackConstraints} [which]
   */
  async start(which = {}) {
    this.stop();
    if (!navigator.mediaDevices) throw new Error('This page may not use the camera: open it over https, or on this machine.');
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 }, ...which },
      });
    } catch (error) {
      throw new Error(sentence(/** @type {DOMException} */ (error)));
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    this.device = this.stream.getVideoTracks()[0].getSettings().deviceId ?? '';
    this.devices = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === 'videoinput');
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  /** The next camera: front and back on a phone. */
  async flip() {
    if (this.devices.length < 2) return this.start({ facingMode: this.facesUser ? 'environment' : 'user' });
    const at = this.devices.findIndex(({ deviceId }) => deviceId === this.device);
    const next = this.devices[(at + 1) % this.devices.length];
    return this.start({ deviceId: { exact: next.deviceId } });
  }

  /** The next frame that the camera gives. */
  async nextFrame() {
    const { video } = this;
    await new Promise((resolve) => {
      if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(resolve);
      else requestAnimationFrame(resolve);
    });
    try {
      return new VideoFrame(video);
    } catch {
      return createImageBitmap(video); // older browsers
    }
  }

  /**
   * Width and height with this long side, even.
   * @param {number} longSide
   */
  sizeFor(longSide) {
    const { videoWidth, videoHeight } = this.video;
    const factor = Math.min(1, longSide / Math.max(videoWidth, videoHeight));
    const even = (/** @type {number} */ side) => Math.max(16, 2 * Math.round((side * factor) / 2));
    return { width: even(videoWidth), height: even(videoHeight) };
  }
}

/** @param {DOMException} error */
function sentence(error) {
  if (error.name === 'NotAllowedError') return 'The camera is blocked for this page: allow it in the browser’s address bar.';
  if (error.name === 'NotFoundError' || error.name === 'OverconstrainedError') return 'There is no camera here.';
  if (error.name === 'NotReadableError') return 'Another program uses the camera: close it first.';
  return `The camera does not start (${error.message}).`;
}

// @ts-check
/** Asks workers: each question gets a promise of the answer. */

export class Client {
  /** @param {string} script */
  constructor(script) {
    this.worker = new Worker(new URL(script, import.meta.url), { type: 'module' });
    /** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
    this.waiting = new Map();
    this.asked = 0;
    /** @type {(news: any) => void} what the worker tells unasked */
    this.onNews = () => {};
    this.worker.addEventListener('message', ({ data }) => {
      const asked = this.waiting.get(data.id);
      if (!asked) {
        this.onNews(data);
        return;
      }
      this.waiting.delete(data.id);
      if (data.error !== undefined) asked.reject(new Error(data.error));
      else asked.resolve(data.result);
    });
    this.worker.addEventListener('error', (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message || 'a part of the page did not load'));
      this.waiting.clear();
    });
  }

  /**
   * @param {string} type
   * @param {Record<string, any>} [message]
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  ask(type, message = {}, transfer = []) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...message, type, id }, transfer);
    });
  }

  /** Says something that is not answered. @param {string} type */
  tell(type) {
    this.worker.postMessage({ type });
  }

  /** Ends the worker; what was asked is never answered. */
  close() {
    this.worker.terminate();
    this.waiting.clear();
  }
}

/** Inputs that are media: files on their way up, and what a reference shows. */

const OF_UPLOAD = /^upload:([0-9a-f-]{36})$/i;
const OF_OUTPUT = /^job:([0-9a-f-]{36})(?:#(\d{1,4}))?$/i;

export class Attachments {
  #uploads = new Map(); // id → the upload, null while it is asked for or when there is none
  #rising = new Map(); // field → what is said of its file
  #newest = 0;

  /** @param {{client: object, store: object, draw: () => void}} page */
  constructor(page) {
    this.page = page;
  }

  /** What is said of the file that was chosen for a field: it is on its way, or could not be taken. */
  said(field) {
    return this.#rising.get(field) ?? null;
  }

  /** Send a file; `set` hears its reference. Of several for one field the last one counts. */
  async bring(field, file, set) {
    const turn = ++this.#newest;
    this.#rising.set(field, { turn, words: `Sending ${file.name} …` });
    this.page.draw();
    const latest = () => this.#rising.get(field)?.turn === turn;
    try {
      const upload = await this.page.client.upload(file);
      this.#uploads.set(upload.id, upload);
      if (!latest()) return;
      this.#rising.delete(field);
      set(upload.reference);
    } catch (fault) {
      const why = fault.errors?.[0]?.detail ?? fault.message;
      if (latest()) this.#rising.set(field, { turn, words: why, fault: true });
    }
    this.page.draw();
  }

  /** Forget what was said of a field. */
  clear(field) {
    this.#rising.delete(field);
  }

  /** `{url, media_type}` of what a reference stands for, once that is known here; else null. */
  shown(reference) {
    const [, id] = OF_UPLOAD.exec(reference) ?? [];
    if (id) return this.#upload(id.toLowerCase());
    const [, job, index] = OF_OUTPUT.exec(reference) ?? [];
    return (job && this.page.store.get(job.toLowerCase())?.outputs[Number(index ?? 0)]) || null;
  }

  #upload(id) {
    if (!this.#uploads.has(id)) {
      this.#uploads.set(id, null);
      this.page.client.uploaded(id).then(
        (upload) => (this.#uploads.set(id, upload), this.page.draw()),
        () => {}, // it is gone: the server says so when it is used
      );
    }
    return this.#uploads.get(id);
  }
}

// Asking again and again, but only while somebody looks.

/** Calls `ask` now and then every `pause()` milliseconds while the page is visible; a pause of null ends it. */
export class Poll {
  constructor(ask, pause) {
    this.ask = ask;
    this.pause = pause;
    this.timer = null;
    this.asking = false;
    this.wake = () => {
      if (!document.hidden) this.now();
    };
  }

  start() {
    document.addEventListener("visibilitychange", this.wake);
    return this.now();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.wake);
    clearTimeout(this.timer);
    this.stopped = true;
  }

  /** Ask at once, and go on from there. */
  async now() {
    clearTimeout(this.timer);
    if (this.asking || this.stopped) return;
    this.asking = true;
    try {
      await this.ask();
    } finally {
      this.asking = false;
    }
    const pause = this.pause();
    if (!this.stopped && !document.hidden && pause !== null) this.timer = setTimeout(() => this.now(), pause);
  }
}

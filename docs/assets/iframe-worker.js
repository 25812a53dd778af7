// The site's search runs in a worker. A page that was opened as a file may start none, so there the worker's
// script runs in a frame. mkdocs.yml has each page load this first; its plugin `offline` writes the index.
if (location.protocol === 'file:') {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.started = new Promise((resolve) => {
        const frame = document.createElement('iframe');
        frame.hidden = true;
        frame.onload = () => {
          const inside = frame.contentWindow;
          inside.postMessage = (data) => this.dispatchEvent(new MessageEvent('message', { data }));
          const script = inside.document.createElement('script');
          script.src = new URL(address, document.baseURI);
          script.onload = () => resolve(inside);
          inside.document.head.append(script);
        };
        document.body.append(frame);
      });
    }

    async postMessage(data) {
      (await this.started).dispatchEvent(new MessageEvent('message', { data }));
    }
  };
}

/** What part of a drawing is seen: dragging moves it, pinching and the wheel with Ctrl zoom. */

const SMALLEST = 0.02;
const LARGEST = 2.5;

/** Distance between two pointers. */
const apart = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y);

/**
 * Let a frame be moved and zoomed; `changed(view)` is called when it is.
 *
 * The result has the `view` (x, y, scale, and whether it was `touched` by hand), `set`, `zoom` and
 * `dragged()`, which tells whether the last press of a pointer became a movement.
 */
export function viewport(frame, changed) {
  const view = { x: 0, y: 0, scale: 1, touched: false };
  const pointers = new Map();
  let dragged = false;

  function set(next) {
    Object.assign(view, next);
    changed(view);
  }

  function zoom(factor, x = frame.clientWidth / 2, y = frame.clientHeight / 2) {
    const scale = Math.min(LARGEST, Math.max(SMALLEST, view.scale * factor));
    const by = scale / view.scale;
    set({ x: x - (x - view.x) * by, y: y - (y - view.y) * by, scale, touched: true });
  }

  const inside = ({ x, y }) => {
    const { left, top } = frame.getBoundingClientRect();
    return [x - left, y - top];
  };

  frame.addEventListener('pointerdown', (event) => {
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    dragged = false;
  });
  frame.addEventListener('pointermove', (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const before = pointers.size === 2 ? apart([...pointers.values()]) : 0;
    const next = { x: event.clientX, y: event.clientY };
    // A click stays a click until it moves 4 pixels.
    if (!dragged && Math.hypot(next.x - last.x, next.y - last.y) < 4) return;
    dragged = true;
    frame.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, next);
    if (before) {
      const [a, b] = [...pointers.values()];
      zoom(apart([a, b]) / before, ...inside({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }));
    } else {
      set({ x: view.x + next.x - last.x, y: view.y + next.y - last.y, touched: true });
    }
  });
  for (const end of ['pointerup', 'pointercancel']) {
    frame.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  frame.addEventListener('wheel', (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // else the page could not be scrolled past it
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), ...inside({ x: event.clientX, y: event.clientY }));
  }, { passive: false });
  return { view, set, zoom, dragged: () => dragged };
}

// The film on its canvas: zoom, pan, window, invert. Nothing here changes what the model sees.

const CLOSEST = 16; // screen pixels of an image pixel at most
const STEP = 16; // pixels that an arrow key stands for

export class Film {
  // changed(film) is called after every change of what is shown.
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.tool = "window";
    this.picture = null;
    this.bitmap = document.createElement("canvas");
    this.pointers = new Map();
    new ResizeObserver(() => this.resized()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.pressed(event));
    canvas.addEventListener("pointermove", (event) => this.dragged(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
    canvas.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  // A picture, or null for none.
  show(picture) {
    this.picture = picture;
    if (!picture) return;
    this.bitmap.width = picture.width;
    this.bitmap.height = picture.height;
    this.reset();
  }

  reset() {
    const { low, high } = this.picture;
    this.window = { center: (low + high) / 2, width: high - low };
    this.windowed = false; // until then gray is as the file's header says
    this.inverted = false;
    this.paint();
    this.fit();
  }

  invert() {
    this.inverted = !this.inverted;
    this.paint();
    this.draw();
  }

  setWindow(center, width) {
    const { low, high } = this.picture;
    this.window = { center, width: Math.max(width, (high - low) / 1000) };
    this.windowed = true;
    this.paint();
    this.draw();
  }

  // Gray of every code, then of every pixel.
  paint() {
    const { codes, x, gray, padded, inverted } = this.picture;
    const { center, width } = this.window;
    const colors = Uint32Array.from(x, (value, code) => {
      let level = gray[code];
      if (this.windowed) {
        const y = Math.min(Math.max((value - center) / width + 0.5, 0), 1);
        level = padded[code] ? 0 : Math.floor(255 * (inverted ? 1 - y : y) + 0.5);
      }
      return 0xff000000 | ((this.inverted ? 255 - level : level) * 0x010101);
    });
    const image = new ImageData(this.bitmap.width, this.bitmap.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = colors[codes[i]];
    this.bitmap.getContext("2d").putImageData(image, 0, 0);
  }

  resized() {
    const ratio = globalThis.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    if (!this.picture) return;
    if (this.fitted) this.fit();
    else this.draw();
  }

  // Width and height of the picture with square pixels.
  size() {
    const { width, height, aspect } = this.picture;
    return aspect > 1 ? [width, height * aspect] : [width / aspect, height];
  }

  fit() {
    const [width, height] = this.size();
    this.scale = Math.min(this.canvas.width / width, this.canvas.height / height);
    this.middle = [width / 2, height / 2];
    this.fitted = true;
    this.draw();
  }

  actual() {
    this.zoom(1 / this.scale);
  }

  // By a factor about a point of the canvas, or its middle.
  zoom(factor, at = [this.canvas.width / 2, this.canvas.height / 2]) {
    const [width, height] = this.size();
    const least = Math.min(this.canvas.width / width, this.canvas.height / height, 1) / 2;
    const scale = Math.min(Math.max(this.scale * factor, least), CLOSEST);
    const off = [at[0] - this.canvas.width / 2, at[1] - this.canvas.height / 2];
    this.middle = this.middle.map((m, i) => m + off[i] / this.scale - off[i] / scale);
    this.scale = scale;
    this.fitted = false;
    this.draw();
  }

  // By pixels of the canvas; the middle of the view stays on the picture.
  pan(dx, dy) {
    const size = this.size();
    this.middle = [this.middle[0] - dx / this.scale, this.middle[1] - dy / this.scale]
      .map((m, i) => Math.min(Math.max(m, 0), size[i]));
    this.fitted = false;
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.render();
    });
  }

  render() {
    if (!this.picture) return;
    const context = this.canvas.getContext("2d");
    const [width, height] = this.size();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = this.scale < 8; // closer, pixels are shown as they are
    context.imageSmoothingQuality = "high";
    const left = this.canvas.width / 2 - this.middle[0] * this.scale;
    const top = this.canvas.height / 2 - this.middle[1] * this.scale;
    context.drawImage(this.bitmap, left, top, width * this.scale, height * this.scale);
    this.changed(this);
  }

  // What a drag by dx, dy does with a tool.
  use(tool, dx, dy, at) {
    if (tool === "pan") this.pan(dx, dy);
    if (tool === "zoom") this.zoom(Math.exp(-dy / 150), at);
    if (tool === "window") {
      const { center, width } = this.window;
      const by = (this.picture.high - this.picture.low) / 512;
      const darker = this.picture.inverted === this.inverted ? dy : -dy; // as the file has it, or not
      this.setWindow(center + darker * by, width + dx * by);
    }
  }

  arrow(key) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    this.use(this.tool, dx * STEP, dy * STEP);
  }

  place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    return [(clientX - box.left) * ratio, (clientY - box.top) * ratio];
  }

  pressed(event) {
    if (!this.picture) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.start = this.place(event);
    this.pointers.set(event.pointerId, this.start);
  }

  dragged(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.picture) return;
    const now = this.place(event);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    if (other) { // two fingers
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      this.zoom(apart(now) / Math.max(apart(before), 1), other.map((o, i) => (o + now[i]) / 2));
      this.pan(dx / 2, dy / 2);
    } else {
      const tool = event.buttons & 4 ? "pan" : event.buttons & 2 ? "zoom" : this.tool;
      this.use(tool, dx, dy, this.start);
    }
  }

  wheeled(event) {
    if (!this.picture) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 400), this.place(event));
  }
}

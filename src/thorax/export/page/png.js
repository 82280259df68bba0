// PNG to gray, as OpenCV and libpng do it, at the depth of the file.
//
// A browser's own decoder leaves 8 of 16 bits, applies color profiles and multiplies by alpha.

import { inflate } from "./bytes.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47];
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by color type
const PALETTE = 3;
const MOST_PIXELS = 2 ** 26; // as for DICOM
const PROFILES = ["gAMA", "sRGB", "iCCP", "cICP"];
// First column and row, and steps, of each pass of an interlaced image.
const ADAM7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2],
  [0, 1, 1, 2]];

export const isPng = (bytes) => SIGNATURE.every((byte, i) => bytes[i] === byte);

// {width, height, bits: 8 or 16, codes: Uint16Array of gray values}
export async function decodePng(bytes) {
  const { head, palette, data, profile } = chunks(bytes);
  const { width, height, depth, color, interlaced } = head;
  const channels = CHANNELS[color];
  if (!channels || width * height > MOST_PIXELS) throw new Error("is a PNG that cannot be read");
  const raw = await inflate(data, "deflate").catch(() => {
    throw new Error("is a damaged PNG file");
  });
  const toGray = grayOf(color, depth, palette, profile);
  const codes = new Uint16Array(width * height);
  let at = 0;
  for (const [x0, y0, dx, dy] of interlaced ? ADAM7 : [[0, 0, 1, 1]]) {
    const columns = Math.ceil((width - x0) / dx);
    const rows = Math.ceil((height - y0) / dy);
    if (columns < 1 || rows < 1) continue;
    const length = Math.ceil((columns * channels * depth) / 8);
    const step = Math.max(1, (channels * depth) / 8); // bytes to the pixel on the left
    let above = new Uint8Array(length);
    for (let row = 0; row < rows; row++) {
      const line = raw.subarray(at + 1, at + 1 + length);
      if (line.length < length) throw new Error("is a truncated PNG file");
      unfilter(raw[at], line, above, step);
      toGray(line, codes, (y0 + row * dy) * width + x0, dx, columns);
      above = line;
      at += 1 + length;
    }
  }
  return { width, height, bits: depth === 16 ? 16 : 8, codes };
}

function chunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = [];
  let head, palette, profile = false;
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR") {
      head = { width: view.getUint32(at + 8), height: view.getUint32(at + 12), depth: body[8],
        color: body[9], interlaced: body[12] === 1 };
    }
    if (kind === "PLTE") palette = body;
    if (kind === "IDAT") parts.push(body);
    profile ||= PROFILES.includes(kind);
    at += 12 + length;
  }
  if (!head || !parts.length) throw new Error("is a damaged PNG file");
  const data = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { head, palette, data, profile };
}

// PNG specification, section 9.
function unfilter(kind, line, above, step) {
  for (let i = 0; i < line.length; i++) {
    const a = i < step ? 0 : line[i - step];
    const b = above[i];
    if (kind === 1) line[i] += a;
    else if (kind === 2) line[i] += b;
    else if (kind === 3) line[i] += (a + b) >> 1;
    else if (kind === 4) {
      const c = i < step ? 0 : above[i - step];
      const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
      line[i] += pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    }
  }
}

// libpng's weights; 8 bits are cut off, 16 rounded. Gray stays gray.
const luma = (r, g, b, half) => (r === g && g === b ? r : (9797 * r + 19234 * g + 3737 * b + half) / 32768) | 0;

// A function that writes a line's gray values into codes[start], codes[start + step] and so on.
function grayOf(color, depth, palette, profile) {
  const channels = CHANNELS[color];
  const white = 2 ** Math.min(depth, 8) - 1;
  const half = depth === 16 ? 16384 : 0;
  const colors = color === PALETTE
    ? Array.from({ length: 256 }, (_, i) => luma(...[0, 1, 2].map((j) => palette?.[3 * i + j] ?? 0), 0))
    : null;
  const sample = (line, i) => {
    if (depth === 16) return (line[2 * i] << 8) | line[2 * i + 1];
    if (depth === 8) return line[i];
    return (line[(i * depth) >> 3] >> (8 - depth - ((i * depth) & 7))) & white;
  };
  return (line, codes, start, step, columns) => {
    for (let column = 0; column < columns; column++) {
      const i = column * channels;
      const first = sample(line, i);
      let gray = colors ? colors[first] : depth < 8 ? (first * 255) / white : first;
      if (channels > 2) {
        const [g, b] = [sample(line, i + 1), sample(line, i + 2)];
        if (profile && (g !== first || b !== first)) {
          throw new Error("is a PNG in color with a color profile; save it as grayscale");
        }
        gray = luma(first, g, b, half);
      }
      codes[start + column * step] = gray;
    }
  };
}

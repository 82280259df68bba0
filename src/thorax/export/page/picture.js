// From the bytes of a file to a picture that is shown and judged.
//
// {kind, width, height, codes: Uint16Array, x, gray, padded: by code, low, high: of its window,
//  inverted, aspect: height of a pixel over its width, view, facing: whether the header says where
//  the patient's right is, notes: of the header}

import { decodeDicom, isDicom } from "./dicom.js";
import { develop } from "./gray.js";
import { decodeJpeg, isJpeg } from "./jpeg.js";
import { decodePng, isPng } from "./png.js";

const PLAIN = { signed: false, padding: null, modality: { slope: 1, intercept: 0 }, voi: null,
  inverted: false };
// Fractions of height and width: the mediastinum, and the lungs beside it.
const ROWS = [0.25, 0.55];
const MIDDLE = [[0.46, 0.54]];
const LUNGS = [[0.2, 0.36], [0.64, 0.8]];

export async function read(bytes) {
  if (isDicom(bytes)) return decodeDicom(bytes);
  const kind = isPng(bytes) ? "PNG" : isJpeg(bytes) ? "JPEG" : "";
  if (!kind) throw new Error("is neither DICOM nor PNG nor JPEG");
  const image = await (kind === "PNG" ? decodePng : decodeJpeg)(bytes);
  const developed = develop(image.codes, { ...PLAIN, bits: image.bits });
  if (image.bits > 8) developed.gray = scaled(developed);
  return { kind, ...image, ...developed, inverted: false, aspect: 1, view: "", facing: false, notes: [] };
}

// As preprocess/decode.py, in 32 bits.
function scaled({ x, low, high }) {
  const by = Math.fround(255 / (high - low));
  return Uint8Array.from(x, (value) => {
    const above = Math.min(Math.max(value, low), high) - low;
    return Math.trunc(Math.fround(Math.fround(above * by) + 0.5));
  });
}

// What the model sees, with square pixels: {width, height, pixels: Uint8Array}.
export function seen(picture) {
  const { width, height, codes, gray, aspect } = picture;
  const pixels = Uint8Array.from(codes, (code) => gray[code]);
  if (Math.abs(aspect - 1) < 0.01) return { width, height, pixels };
  const [w, h] = aspect > 1 ? [width, even(height * aspect)] : [even(width / aspect), height];
  return { width: w, height: h, pixels: linear(pixels, width, height, w, h) };
}

// Halves go to the even neighbor, as in Python.
function even(x) {
  const near = Math.floor(x + 0.5);
  return near - x === 0.5 && near % 2 ? near - 1 : near;
}

// Linear interpolation between pixel centers; within a gray level of OpenCV's.
function linear(pixels, width, height, newWidth, newHeight) {
  const along = (size, newSize) => Array.from({ length: newSize }, (_, i) => {
    const at = Math.min(Math.max(((i + 0.5) * size) / newSize - 0.5, 0), size - 1);
    const first = Math.min(Math.floor(at), Math.max(size - 2, 0));
    return [first, Math.min(first + 1, size - 1), at - first];
  });
  const [columns, rows] = [along(width, newWidth), along(height, newHeight)];
  const larger = new Uint8Array(newWidth * newHeight);
  rows.forEach(([top, bottom, v], row) => columns.forEach(([left, right, u], column) => {
    const mixed = (line) => pixels[line * width + left] * (1 - u) + pixels[line * width + right] * u;
    larger[row * newWidth + column] = Math.floor(mixed(top) * (1 - v) + mixed(bottom) * v + 0.5);
  }));
  return larger;
}

// Whether the mediastinum is darker than the lungs beside it, as on a negative.
export function looksNegative({ width, height, pixels }) {
  const mean = (strips) => strips.map(([a, b]) => {
    let [sum, count] = [0, 0];
    for (let row = Math.floor(ROWS[0] * height); row <= Math.floor(ROWS[1] * height); row++) {
      for (let column = Math.floor(a * width); column <= Math.floor(b * width); column++) {
        sum += pixels[row * width + column];
        count += 1;
      }
    }
    return sum / count / strips.length;
  }).reduce((a, b) => a + b);
  return mean(MIDDLE) < mean(LUNGS);
}

// JPEG to gray by the browser's decoder: within a gray level or two of Python's.

const STARTS = new Set([0xc0, 0xc1, 0xc2, 0xc3, 0xf7]); // of frames: baseline … lossless, JPEG-LS
const DCT = new Set([0xc0, 0xc1, 0xc2]);
const MOST_PIXELS = 2 ** 26; // as for DICOM

export const isJpeg = (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8;

// {width, height, bits: 8, codes: Uint16Array of gray values}
export async function decodeJpeg(bytes) {
  const frame = frameOf(bytes);
  if (!DCT.has(frame.kind)) throw new Error("is lossless JPEG or JPEG-LS, which this page does not read");
  if (frame.precision !== 8) throw new Error("is JPEG with 12 bits a pixel, which this page does not read");
  if (frame.components > 3) throw new Error("is JPEG in CMYK; save it as grayscale");
  if (frame.rows * frame.columns > MOST_PIXELS) throw new Error("is larger than any radiograph");
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const blob = new Blob([bytes], { type: "image/jpeg" });
  const bitmap = await createImageBitmap(blob, options).catch(() => {
    throw new Error("is a damaged JPEG file");
  });
  const { width, height } = bitmap;
  const context = canvas(width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const codes = new Uint16Array(width * height);
  for (let i = 0, at = 0; i < codes.length; i++, at += 4) {
    codes[i] = (9798 * data[at] + 19235 * data[at + 1] + 3735 * data[at + 2] + 16384) >> 15;
  }
  return { width, height, bits: 8, codes };
}

function frameOf(bytes) {
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff;) {
    const kind = bytes[at + 1];
    const word = (offset) => (bytes[at + offset] << 8) | bytes[at + offset + 1];
    if (STARTS.has(kind)) {
      return { kind, precision: bytes[at + 4], rows: word(5), columns: word(7), components: bytes[at + 9] };
    }
    at += kind === 0xff ? 1 : 2 + word(2);
  }
  throw new Error("is a damaged JPEG file");
}

// Some browsers change what is read back from a canvas, against fingerprinting: a model must not
// see that.
function canvas(width, height) {
  const context = Object.assign(document.createElement("canvas"), { width, height })
    .getContext("2d", { willReadFrequently: true });
  const drawn = new ImageData(16, 16);
  drawn.data.forEach((_, i) => { drawn.data[i] = i % 4 === 3 ? 255 : (i * 37) % 256; });
  context.putImageData(drawn, 0, 0);
  const read = context.getImageData(0, 0, Math.min(16, width), Math.min(16, height));
  for (let i = 0; i < read.data.length; i++) {
    const [row, column] = [Math.floor(i / 4 / read.width), Math.floor(i / 4) % read.width];
    if (read.data[i] !== drawn.data[4 * (16 * row + column) + (i % 4)]) {
      throw new Error("is a JPEG, whose pixels this browser alters against fingerprinting; use PNG or DICOM");
    }
  }
  context.clearRect(0, 0, width, height);
  return context;
}

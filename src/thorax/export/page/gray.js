// The gray rule of DICOM (PS3.3): src/thorax/dicom/gray.py in JavaScript, with its golden cases.
//
// Stored bits, padding set apart → modality LUT, or slope and intercept (C.11.1) → VOI LUT, or the
// first window (C.11.2) → 0–1 → inverted for MONOCHROME1 alone (C.7.6.3.1.2) → 0–255, rounded half
// up. A header is {keyword: number, text, list of these, or list of headers}.

const TAIL = 0.05; // fraction of the pixels at either end that may be letters or defects
const REACH = 0.5; // how far beyond the rest a pixel still belongs to it
const NARROWEST = 1e-9; // a window of less is a mistake

const clip = (x, low, high) => Math.min(Math.max(x, low), high);

export const texts = (header, keyword) => [header[keyword] ?? []].flat().map(String);

export const text = (header, keyword) => (texts(header, keyword)[0] ?? "").toUpperCase();

export function numbers(header, keyword) {
  const found = texts(header, keyword).map((each) => (each.trim() ? Number(each) : NaN));
  return found.every((each) => Math.abs(each) < 1e30) ? found : [];
}

export const number = (header, keyword, otherwise) =>
  Math.trunc(numbers(header, keyword)[0] ?? otherwise);

// {bits, signed, padding: [low, high] or null, modality: table or {slope, intercept},
//  voi: table, window or null, inverted}
export function ruleOf(header) {
  const allocated = number(header, "BitsAllocated", 0);
  const bits = number(header, "BitsStored", allocated);
  if (![8, 16].includes(allocated) || bits < 1 || bits > allocated) {
    throw new Error("has an impossible number of bits a pixel");
  }
  const signed = number(header, "PixelRepresentation", 0) === 1;
  const modality = tableOf(header, "ModalityLUTSequence", signed) ?? {
    slope: numbers(header, "RescaleSlope")[0] || 1, // 0 states nothing
    intercept: numbers(header, "RescaleIntercept")[0] ?? 0,
  };
  const negative = signed || (!modality.values && Math.min(...ends(bits, signed, modality)) < 0);
  return {
    bits, signed, modality,
    padding: paddingOf(header, allocated, signed),
    voi: tableOf(header, "VOILUTSequence", negative) ?? windowOf(header),
    inverted: text(header, "PhotometricInterpretation") === "MONOCHROME1",
  };
}

// What each of the 2**bits codes is: {x: value after the modality, gray: 0–255, low, high: ends of
// a linear window that is, or comes near to, what the rule shows}.
export function develop(codes, rule) {
  const count = 2 ** rule.bits;
  const stored = Float64Array.from({ length: count }, (_, code) =>
    rule.signed && code >= count / 2 ? code - count : code);
  const padded = Uint8Array.from(stored, (s) =>
    rule.padding && s >= rule.padding[0] && s <= rule.padding[1] ? 1 : 0);
  const { modality, voi } = rule;
  const x = stored.map((s) =>
    modality.values ? lookUp(modality, s) : s * modality.slope + modality.intercept);
  let low, high, y;
  if (voi?.values) {
    const most = voi.values.reduce((a, b) => Math.max(a, b));
    const white = 2 ** (32 - Math.clz32(most)) - 1 || 1; // descriptors misstate the bits
    y = (value) => lookUp(voi, value) / white;
    [low, high] = [voi.first, voi.first + voi.values.length - 1];
  } else if (voi) {
    y = (value) => windowed(voi, value);
    [low, high] = [voi.center - voi.width / 2, voi.center + voi.width / 2];
  } else {
    [low, high] = rangeOf(codes, x, padded, rule);
    y = (value) => clip((value - low) / (high - low), 0, 1);
  }
  const gray = Uint8Array.from(x, (value, code) => {
    if (padded[code]) return 0;
    return Math.floor(255 * (rule.inverted ? 1 - y(value) : y(value)) + 0.5);
  });
  return { x, gray, padded, low, high };
}

// C.11.2.1.2 and C.11.2.1.3
function windowed({ center, width, shape }, x) {
  if (shape === "SIGMOID") return 1 / (1 + Math.exp(clip((-4 * (x - center)) / width, -700, 700)));
  if (shape === "LINEAR_EXACT") return clip((x - center) / width + 0.5, 0, 1);
  if (width === 1) return x > center - 0.5 ? 1 : 0;
  return clip((x - (center - 0.5)) / (width - 1) + 0.5, 0, 1);
}

const lookUp = ({ first, values }, x) =>
  values[clip(Math.floor(x + 0.5) - first, 0, values.length - 1)];

function ends(bits, signed, { slope, intercept }) {
  const low = signed ? -(2 ** (bits - 1)) : 0;
  return [low * slope + intercept, (low + 2 ** bits - 1) * slope + intercept];
}

// What is black and white without a window: 8 bits in full, deeper images by their own values.
function rangeOf(codes, x, padded, rule) {
  if (rule.bits <= 8 && !rule.modality.values) {
    return ends(rule.bits, rule.signed, rule.modality).sort((a, b) => a - b);
  }
  const counts = new Uint32Array(x.length);
  for (const code of codes) counts[code & (x.length - 1)] += padded[code & (x.length - 1)] ? 0 : 1;
  return whiskers(x, counts);
}

// Darkest and brightest value but for outliers, as a box plot's whiskers (Tukey 1977) around the
// middle 90% of the pixels; counts are of pixels with each of the values x.
export function whiskers(x, counts) {
  const order = [...counts.keys()].filter((i) => counts[i]).sort((a, b) => x[a] - x[b]);
  const total = order.reduce((sum, i) => sum + counts[i], 0);
  const ranked = (rank) => {
    let seen = 0;
    for (const i of order) if ((seen += counts[i]) > rank) return x[i];
    return NaN;
  };
  const quantile = (q) => {
    const at = q * (total - 1);
    const [a, b] = [ranked(Math.floor(at)), ranked(Math.min(Math.floor(at) + 1, total - 1))];
    const t = at - Math.floor(at);
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
  };
  const [first, last] = [quantile(TAIL), quantile(1 - TAIL)];
  const reach = REACH * (last - first);
  const inside = order.map((i) => x[i])
    .filter((value) => !reach || (value >= first - reach && value <= last + reach));
  const [low, high] = [inside[0], inside.at(-1)];
  if (!(high > low)) throw new Error("has one pixel value only");
  return [low, high];
}

function windowOf(header) {
  const [center, width] = ["WindowCenter", "WindowWidth"].map((each) => numbers(header, each)[0]);
  if (center === undefined || width === undefined || width < NARROWEST) return null;
  const stated = text(header, "VOILUTFunction");
  const shape = ["SIGMOID", "LINEAR_EXACT"].includes(stated) ? stated
    : width >= 1 ? "LINEAR" : "LINEAR_EXACT";
  return { center, width, shape };
}

// The first table of a sequence, if there is a whole one: {first, values}.
function tableOf(header, keyword, signed) {
  const item = Array.isArray(header[keyword]) ? header[keyword][0] ?? {} : {};
  const descriptor = numbers(item, "LUTDescriptor").map((each) => each & 0xffff);
  if (descriptor.length !== 3) return null;
  const values = numbers(item, "LUTData").slice(0, descriptor[0] || 2 ** 16);
  if (!values.length || values.some((value) => value < 0)) return null;
  const first = descriptor[1];
  return { first: signed && first >= 2 ** 15 ? first - 2 ** 16 : first, values };
}

function paddingOf(header, allocated, signed) {
  const value = numbers(header, "PixelPaddingValue")[0];
  if (value === undefined) return null;
  const limit = numbers(header, "PixelPaddingRangeLimit")[0] ?? value;
  const count = 2 ** allocated;
  const asStored = (each) => {
    const code = ((Math.trunc(each) % count) + count) % count; // its sign may be coded wrongly
    return signed && code >= count / 2 ? code - count : code;
  };
  return [asStored(value), asStored(limit)].sort((a, b) => a - b);
}

// A DICOM file: its header, whether it is a radiograph of a chest, its pixels put upright.
//
// The rules are those of src/thorax/dicom; no message quotes a name or number of a patient.

import { unpacked } from "./bytes.js";
import { develop, number, numbers, ruleOf, text, texts } from "./gray.js";
import { decodeJpeg, isJpeg } from "./jpeg.js";

const MOST_PIXELS = 2 ** 26; // of one image; the largest detectors have under 2 ** 25
const ELEMENTS = {
  SOPClassUID: "x00080016", Modality: "x00080060", PresentationIntentType: "x00080068",
  SeriesDescription: "x0008103e", CodeMeaning: "x00080104", BodyPartExamined: "x00180015",
  ProtocolName: "x00181030", ImagerPixelSpacing: "x00181164", ViewPosition: "x00185101",
  NominalScannedPixelSpacing: "x00182010", PatientOrientation: "x00200020",
  PhotometricInterpretation: "x00280004", NumberOfFrames: "x00280008", PixelSpacing: "x00280030",
  PixelAspectRatio: "x00280034", WindowCenter: "x00281050", WindowWidth: "x00281051",
  RescaleIntercept: "x00281052", RescaleSlope: "x00281053", VOILUTFunction: "x00281056",
  PresentationLUTShape: "x20500020",
};
const WORDS = { // 16 bits each; where a sign is possible, gray.js decides
  SamplesPerPixel: "x00280002", Rows: "x00280010", Columns: "x00280011", BitsAllocated: "x00280100",
  BitsStored: "x00280101", HighBit: "x00280102", PixelRepresentation: "x00280103",
  PixelPaddingValue: "x00280120", PixelPaddingRangeLimit: "x00280121", LUTDescriptor: "x00283002",
};
const SEQUENCES = { ModalityLUTSequence: "x00283000", VOILUTSequence: "x00283010", ViewCodeSequence: "x00540220" };
const [SYNTAX, PIXELS, LUT_DATA] = ["x00020010", "x7fe00010", "x00283006"];
const NATIVE = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"];
const NOT_READ = {
  "1.2.840.10008.1.2.1.99": "deflated", "1.2.840.10008.1.2.2": "in big endian order",
  "1.2.840.10008.1.2.5": "packed by run lengths (RLE)", "1.2.840.10008.1.2.4.51": "12-bit JPEG",
  "1.2.840.10008.1.2.4.57": "lossless JPEG", "1.2.840.10008.1.2.4.70": "lossless JPEG",
  "1.2.840.10008.1.2.4.80": "JPEG-LS", "1.2.840.10008.1.2.4.81": "JPEG-LS",
};
const FOR_PROCESSING = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.1\.[123]\.1$/;
const VIEW = {
  PA: "PA", POSTEROANTERIOR: "PA", AP: "AP", ANTEROPOSTERIOR: "AP", "AP SUPINE": "AP",
  "AP ERECT": "AP", "AP AXIAL": "AP", LATERAL: "LATERAL", LAT: "LATERAL", L: "LATERAL",
  LL: "LATERAL", RL: "LATERAL", LLD: "LATERAL", RLD: "LATERAL", "AP LLD": "LATERAL",
  "AP RLD": "LATERAL", "PA LLD": "LATERAL", "PA RLD": "LATERAL", "XTABLE LATERAL": "LATERAL",
};
const IN_WORDS = {
  PA: /\bP\.?A\b|POSTERO.?ANTERIOR/, AP: /\bA\.?P\b|ANTERO.?POSTERIOR/,
  LATERAL: /\bLAT(ERAL)?\b|\bLL\b|\bDECUB/,
};
const OBLIQUE = /^(LAO|RAO|LPO|RPO|OBL)/;
const RADIOGRAPHY = ["", "CR", "DX", "DR", "RG"];
const CHEST = /CHEST|THORAX|LUNG|RIB|TORAX|THORACIC CAVITY/;
const ELSEWHERE = new RegExp(["ABDOMEN", "ANKLE", "ARM", "BREAST", "CALCANEUS", "CLAVICLE", "COCCYX",
  "ELBOW", "EXTREMITY", "FACE", "FEMUR", "FIBULA", "FINGER", "FOOT", "HAND", "HEAD", "HIP", "HUMERUS",
  "JAW", "KNEE", "LEG", "NECK", "PATELLA", "PELVIS", "RADIUS", "SACRUM", "SCAPULA", "SHOULDER", "SKULL",
  "SPINE", "TEETH", "TIBIA", "TOE", "ULNA", "WRIST", "ZYGOMA"].join("|"));
const SPACINGS = ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"];
const LONGEST = 4; // times as high as wide, or the reverse; more is a mistake

export const isDicom = (bytes) => String.fromCharCode(...bytes.subarray(128, 132)) === "DICM";

// A picture, as picture.js describes it.
export async function decodeDicom(bytes) {
  let data, header;
  try {
    data = globalThis.dicomParser.parseDicom(bytes);
    header = headerOf(data);
  } catch {
    throw new Error("is a damaged DICOM file");
  }
  const reason = reasonAgainst(header, data.elements[PIXELS]);
  if (reason) throw new Error(`is not a single radiograph of a chest: ${reason}`);
  const rule = ruleOf(header);
  const stored = await storedBits(bytes, data, header);
  for (let i = 0; i < stored.codes.length; i++) stored.codes[i] &= 2 ** rule.bits - 1;
  const developed = develop(stored.codes, rule);
  const directions = texts(header, "PatientOrientation").map((each) => each.slice(0, 1).toUpperCase());
  return {
    kind: "DICOM", ...upright(stored, directions), ...developed,
    inverted: rule.inverted, aspect: aspectOf(header, directions), view: viewOf(header),
    facing: /^([LR],[FH]|[FH],[LR])$/.test(directions.join()), notes: notesOn(header),
  };
}

// The header as gray.js reads it: {keyword: number, list of texts, or list of headers}.
function headerOf(data) {
  const header = {};
  const present = (tag) => data.elements[tag]?.length > 0;
  for (const [keyword, tag] of Object.entries(ELEMENTS)) {
    const value = present(tag) ? (data.string(tag) ?? "").replaceAll("\0", "").trim() : "";
    if (value) header[keyword] = value.split("\\").map((each) => each.trim());
  }
  for (const [keyword, tag] of Object.entries(WORDS)) {
    if (present(tag)) header[keyword] = words(data, tag);
  }
  if (present(LUT_DATA)) {
    const { length, dataOffset } = data.elements[LUT_DATA];
    const entries = header.LUTDescriptor?.[0] || 2 ** 16;
    header.LUTData = length >= 2 * entries ? words(data, LUT_DATA)
      : [...data.byteArray.subarray(dataOffset, dataOffset + length)];
  }
  for (const [keyword, tag] of Object.entries(SEQUENCES)) {
    const items = data.elements[tag]?.items ?? [];
    if (items.length) header[keyword] = items.map((item) => headerOf(item.dataSet));
  }
  return header;
}

const words = (data, tag) =>
  Array.from({ length: data.elements[tag].length >> 1 }, (_, i) => data.uint16(tag, i));

function reasonAgainst(header, pixels) {
  const modality = text(header, "Modality");
  const photometric = text(header, "PhotometricInterpretation");
  const part = text(header, "BodyPartExamined");
  if (!RADIOGRAPHY.includes(modality)) return /^[A-Z]{2,8}$/.test(modality) ? `modality ${modality}` : "other modality";
  if (text(header, "PresentationIntentType") === "FOR PROCESSING"
      || FOR_PROCESSING.test(text(header, "SOPClassUID"))) return "for processing, not for presentation";
  if (!pixels) return "no pixels";
  if (number(header, "NumberOfFrames", 1) > 1) return "several frames";
  if (number(header, "SamplesPerPixel", 1) !== 1 || !photometric.startsWith("MONOCHROME")) {
    return photometric ? "color" : "no photometric interpretation";
  }
  if (ELSEWHERE.test(part) && !CHEST.test(part)) return "another part of the body";
  return OBLIQUE.test(text(header, "ViewPosition")) ? "oblique view" : "";
}

// View Position, else its code, else the only view that series and protocol mention.
export function viewOf(header) {
  const stated = VIEW[text(header, "ViewPosition")];
  if (stated) return stated;
  const coded = (header.ViewCodeSequence ?? []).map((item) => text(item, "CodeMeaning")).join(" ");
  const described = ["SeriesDescription", "ProtocolName"].map((keyword) => text(header, keyword)).join(" ");
  for (const said of [coded, described.replaceAll("_", " ")]) {
    const found = Object.keys(IN_WORDS).filter((view) => IN_WORDS[view].test(said));
    if (said === coded && found.includes("LATERAL")) return "LATERAL";
    if (found.length === 1) return found[0];
  }
  return "";
}

function notesOn(header) {
  const notes = [];
  const polarity = [text(header, "PhotometricInterpretation"), text(header, "PresentationLUTShape")].join();
  if (["MONOCHROME1,IDENTITY", "MONOCHROME2,INVERSE"].includes(polarity)) {
    notes.push(["The header contradicts itself",
      "Photometric Interpretation, which is used, and Presentation LUT Shape state opposite polarities."]);
  }
  const part = text(header, "BodyPartExamined");
  if (part && !CHEST.test(part)) {
    notes.push(["Part of the body", `The header names ${part.slice(0, 32)}, not the chest.`]);
  }
  return notes;
}

// {width, height, codes: Uint16Array of stored bits, right-aligned}
async function storedBits(bytes, data, header) {
  const [height, width] = [number(header, "Rows", 0), number(header, "Columns", 0)];
  if (width < 1 || height < 1) throw new Error("states no rows and columns");
  if (width * height > MOST_PIXELS) throw new Error("claims more pixels than any radiograph has");
  const element = data.elements[PIXELS];
  const syntax = data.string(SYNTAX) ?? NATIVE[0];
  if (element.encapsulatedPixelData) {
    const codes = await decompressed(streamOf(bytes, element), width, height, syntax);
    return { width, height, codes };
  }
  if (!NATIVE.includes(syntax)) throw unreadable(syntax);
  const allocated = number(header, "BitsAllocated", 0);
  const bits = number(header, "BitsStored", allocated);
  const shift = Math.min(Math.max(number(header, "HighBit", bits - 1) + 1 - bits, 0), 15);
  const pixels = bytes.slice(element.dataOffset, element.dataOffset + element.length);
  const wide = allocated === 16;
  const raw = wide ? new Uint16Array(pixels.buffer, 0, pixels.length >> 1) : pixels;
  if (raw.length < width * height) throw new Error("holds fewer pixels than its rows and columns promise");
  return { width, height, codes: Uint16Array.from(raw.subarray(0, width * height), (code) => code >> shift) };
}

function unreadable(syntax) {
  return new Error(`is ${NOT_READ[syntax] ?? "compressed in another way"}, which this page does not read`);
}

// The one frame of a single image.
function streamOf(bytes, { fragments }) {
  const parts = fragments.map(({ position, length }) => bytes.subarray(position, position + length));
  const stream = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    stream.set(part, at);
    at += part.length;
  }
  return stream;
}

async function decompressed(stream, width, height, syntax) {
  const start = startOfJpeg2000(stream);
  if (start < 0 && !isJpeg(stream)) throw unreadable(syntax);
  const image = start < 0 ? await decodeJpeg(stream) : await decodeJpeg2000(stream, start, width, height);
  if (image.width !== width || image.height !== height) throw otherSize();
  return image.codes;
}

const otherSize = () => new Error("states another size than its compressed pixels have");

// Its codestream may stand within a JP2 file.
function startOfJpeg2000(stream) {
  for (let at = 0; at < Math.min(stream.length - 48, 2 ** 12); at++) {
    if (stream[at] === 0xff && stream[at + 1] === 0x4f && stream[at + 2] === 0xff && stream[at + 3] === 0x51) return at;
  }
  return -1;
}

async function decodeJpeg2000(stream, start, width, height) {
  const view = new DataView(stream.buffer, stream.byteOffset + start);
  const claimed = [0, 4].map((at) => view.getUint32(8 + at) - view.getUint32(16 + at));
  if (view.getUint16(40) !== 1) throw new Error("is compressed in color");
  if (claimed[0] !== width || claimed[1] !== height) throw otherSize();
  const openjpeg = await library();
  const decoder = new openjpeg.J2KDecoder();
  try {
    decoder.getEncodedBuffer(stream.length).set(stream);
    decoder.decode();
    const bytes = decoder.getDecodedBuffer().slice();
    const wide = decoder.getFrameInfo().bitsPerSample > 8;
    const codes = wide ? new Uint16Array(bytes.buffer, 0, width * height) : Uint16Array.from(bytes);
    return { width, height, codes };
  } catch {
    throw new Error("has damaged compressed pixels");
  } finally {
    decoder.delete();
  }
}

let loaded; // OpenJPEG, once it is needed
const library = () => (loaded ??= unpacked("openjpeg").then((wasmBinary) => globalThis.OpenJPEGWASM({ wasmBinary })));

// Turned until rows run to the patient's left and columns to the feet.
function upright({ width, height, codes }, [alongRows, alongColumns]) {
  const turned = ["H", "F"].includes(alongRows) && ["L", "R", "A", "P"].includes(alongColumns);
  if (turned) [alongRows, alongColumns] = [alongColumns, alongRows];
  const [w, h] = turned ? [height, width] : [width, height];
  const upright = new Uint16Array(codes.length);
  for (let row = 0, at = 0; row < h; row++) {
    const y = alongColumns === "H" ? h - 1 - row : row;
    for (let column = 0; column < w; column++) {
      const x = alongRows === "R" ? w - 1 - column : column;
      upright[at++] = codes[turned ? x * width + y : y * width + x];
    }
  }
  return { width: w, height: h, codes: upright };
}

// Height of a pixel over its width, in the picture put upright (C.7.6.3.1.7).
function aspectOf(header, [alongRows]) {
  for (const keyword of SPACINGS) {
    const [height, width] = numbers(header, keyword);
    if (!(height > 0 && width > 0) || numbers(header, keyword).length !== 2) continue;
    const ratio = ["H", "F"].includes(alongRows) ? width / height : height / width;
    if (ratio < 1 / LONGEST || ratio > LONGEST) throw new Error("has pixels of an impossible aspect ratio");
    return ratio;
  }
  return 1;
}

// Bytes: out of the text that the page carries them in, inflated, and their SHA-256.

const CHUNK = 2 ** 20; // letters of base64 at a time; a multiple of 4

// A part of the page: its model, and the libraries that are not text.
export async function unpacked(part) {
  return inflate(fromBase64(globalThis.thorax.parts[part]), "gzip");
}

function fromBase64(text) {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let at = 0;
  for (let i = 0; i < text.length; i += CHUNK) {
    const part = atob(text.slice(i, i + CHUNK));
    for (let j = 0; j < part.length; j++) bytes[at++] = part.charCodeAt(j);
  }
  return bytes;
}

// format: gzip, or deflate for zlib's own.
export async function inflate(bytes, format) {
  const stream = new Response(bytes).body.pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function sha256(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

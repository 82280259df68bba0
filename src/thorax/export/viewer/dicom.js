export const isDicom = (bytes) => "DICM" === String.fromCharCode(...bytes.subarray(128, 132));

export async function decodeDicom() {
  throw new Error("is DICOM");
}

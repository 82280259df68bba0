// What a reader must know before the probabilities: [{grave, title, text}].

import { looksNegative } from "./picture.js";

export function warnings({ exported }, picture, image, { atypicality }) {
  const { kind, view, notes } = picture;
  const size = exported.preprocess.image_size;
  const found = [];
  const warn = (grave, title, text) => found.push({ grave, title, text });
  if (atypicality > 1) {
    warn(true, "Unlike the training images",
      `Atypicality ${atypicality.toFixed(2)}, of which 1 is the limit: another kind of picture, turned, `
      + `or cropped. Do not rely on the probabilities. ${rate(exported.atypical)}`);
  }
  if (view === "LATERAL") {
    warn(true, "Lateral view", "The header says so. The figures below hold for views of the test set.");
  } else if (looksNegative(image)) {
    warn(true, "Looks like a negative",
      "The mediastinum is darker than the lungs beside it. The model expects bones to be white; "
      + "inverting the display does not change what it sees.");
  }
  for (const note of notes) warn(false, ...note);
  if (!view) {
    const says = kind === "DICOM" ? "The header does not say" : `A ${kind} file cannot say`;
    warn(false, "Unknown view", `${says} whether this is a frontal film. A lateral one would be judged all the same.`);
  }
  if (image.width < size || image.height < size) {
    warn(false, "Smaller than the model's input",
      `${image.width} × ${image.height} px were enlarged to ${size} × ${size}; fine detail is missing.`);
  }
  return found;
}

const rate = (atypical) =>
  `This warning also came with ${(100 * atypical).toFixed(1)}% of the test images.`;

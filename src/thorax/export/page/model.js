// The exported graph in onnxruntime: from gray pixels to what was decided.

export async function openModel(bytes, wasm) {
  const { InferenceSession, Tensor, env } = globalThis.ort;
  env.wasm.numThreads = 1; // more need headers that a file from disk has not
  env.wasm.wasmBinary = wasm;
  const session = await InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  return async ({ width, height, pixels }) => {
    const said = await session.run({ image: new Tensor("uint8", pixels, [height, width]) });
    const { probability, predicted, spread, atypicality } = said;
    return {
      probability: [...probability.data],
      predicted: [...predicted.data],
      spread: [...spread.data],
      atypicality: atypicality.data[0],
    };
  };
}
